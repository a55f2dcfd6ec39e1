"""What linters of AWS and Docker say of the deployment."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hlmon_deploy import capacity, network, relay, shard, store, watch
from hlmon_deploy.acknowledged import OF_CHECKOV

PROGRAMS = Path(sys.executable).parent
CHECKOV = Path(__file__).resolve().parents[2] / ".cache" / "checkov" / "bin" / "checkov"
CFN_LINT_KNOWN = {
    "W3005": "CDK states dependencies that a reference implies already",
}


@pytest.fixture(scope="module")
def plan_of(relayed_plan):
    """Plans with everything that can be asked for, and the image that is built."""
    return lambda mode: relayed_plan(db_mode=mode, email="ops@example.com")


@pytest.fixture(scope="module", params=["dynamodb", "supabase"])
def checked(request, deploy, plan_of):
    """Both modes."""
    return deploy.synthesize(plan_of(request.param), checks=True)


def findings(folder: Path) -> set[str]:
    report = json.loads((folder / "validation-report.json").read_text())
    return {violation["ruleName"] for plugin in report["pluginReports"] for violation in plugin["violations"]}


def test_cdk_nag_finds_nothing_that_is_not_acknowledged_with_a_reason(checked):
    assert findings(checked.folder) == set()


def test_nothing_is_acknowledged_that_cdk_nag_does_not_find(deploy, plan_of, monkeypatch, tmp_path):
    given = set()
    for module in (capacity, network, relay, shard, store, watch):
        monkeypatch.setattr(module, "acknowledge", lambda _, reasons: given.update(reasons))
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        deploy.synthesize(plan_of("dynamodb"), checks=True, folder=tmp_path)
    assert findings(tmp_path) == {f"AwsSolutions-{rule}" for rule in given if not rule.startswith(OF_CHECKOV)}


class Checkov:
    """What checkov finds in a template as it is, and in the same one without what is acknowledged in it."""

    def __init__(self, template: dict, folder: Path) -> None:
        (folder / "whole.json").write_text(json.dumps(template))
        self.acknowledged = set()
        for name, resource in template["Resources"].items():
            for skipped in resource.get("Metadata", {}).pop("checkov", {}).get("skip", []):
                assert skipped["comment"]
                self.acknowledged.add((skipped["id"], f"{resource['Type']}.{name}"))
        (folder / "bare.json").write_text(json.dumps(template))
        command = [CHECKOV, "--directory", folder, "--framework", "cloudformation", "--output", "json"]
        done = subprocess.run(
            [*command, "--skip-download", "--quiet", "--compact"],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true"},  # it asks nobody over the net
            check=False,
            capture_output=True,
            text=True,
        )
        self._failed = json.loads(done.stdout)["results"]["failed_checks"]

    def found(self, file: str) -> set[tuple[str, str]]:
        """Rule and resource of everything found in this one."""
        return {(each["check_id"], each["resource"]) for each in self._failed if each["file_path"] == f"/{file}.json"}


@pytest.fixture(scope="module")
def by_checkov(checked, tmp_path_factory):
    if not CHECKOV.exists():
        pytest.skip("checkov is not here: it has an environment of its own, which `make checkov` makes")
    return Checkov(copy.deepcopy(checked.template), tmp_path_factory.mktemp("checkov"))


def test_checkov_finds_nothing_that_is_not_acknowledged_with_a_reason(by_checkov):
    assert by_checkov.found("whole") == set()


def test_nothing_is_acknowledged_that_checkov_does_not_find(by_checkov):
    assert by_checkov.found("bare") == by_checkov.acknowledged != set()


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
