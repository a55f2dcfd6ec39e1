"""What linters of AWS and Docker say of the deployment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hlmon_deploy import network, shard, store

PROGRAMS = Path(sys.executable).parent
CFN_LINT_KNOWN = {
    "W3005": "CDK states dependencies that a reference implies already",
}


@pytest.fixture(scope="module", params=["dynamodb", "supabase"])
def checked(request, deploy):
    """Both modes, with the image that is built."""
    return deploy.synthesize(deploy.plan(db_mode=request.param, email="ops@example.com"), checks=True)


def findings(folder: Path) -> set[str]:
    report = json.loads((folder / "validation-report.json").read_text())
    return {violation["ruleName"] for plugin in report["pluginReports"] for violation in plugin["violations"]}


def test_cdk_nag_finds_nothing_that_is_not_acknowledged_with_a_reason(checked):
    assert findings(checked.folder) == set()


def test_nothing_is_acknowledged_that_cdk_nag_does_not_find(deploy, monkeypatch, tmp_path):
    given = set()
    for module in (network, shard, store):
        monkeypatch.setattr(
            module, "acknowledge", lambda _, reasons: given.update(f"AwsSolutions-{rule}" for rule in reasons)
        )
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        deploy.synthesize(deploy.plan(db_mode="dynamodb"), checks=True, folder=tmp_path)
    assert findings(tmp_path) == given


def test_cfn_lint_finds_nothing(checked):
    (template,) = checked.folder.glob("*.template.json")
    command = [PROGRAMS / "cfn-lint", "--ignore-checks", *CFN_LINT_KNOWN, "--template", template]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)


def test_hadolint_finds_nothing(deploy):
    done = subprocess.run(
        [PROGRAMS / "hadolint", deploy.folder / "Dockerfile"], check=False, capture_output=True, text=True
    )
    assert (done.stdout, done.returncode) == ("", 0)
