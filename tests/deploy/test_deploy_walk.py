"""The page about deploying, walked: its commands run as they stand, by the real programs, against an emulated AWS."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers.cdk import PROGRAM, Aws, cdk
from tests.servers.dynamodb import ministack
from tests.servers.process import Unavailable

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/deploy.md").read_text()
BLOCKS = [match.rstrip("\n") for match in re.findall(r"^```bash\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)]
OF_THE_OTHER = {"dynamodb": ("db_mode=supabase", "hl-monitor/supabase"), "supabase": ("db_mode=dynamodb",)}
LEFT_OUT = {
    "make setup": "it made the environment of this test",
    "hlmon cost": "another test runs it",
    "config=../hlmon.toml": "it wants a config of the operator",
    "execute-command": "the emulated tasks have no agent",
}
# The emulator builds no images and knows no budgets; nobody is there to say yes, or to end what follows the log.
CDK = """#!/bin/sh
case "$1" in
    deploy) yes="--require-approval never" ;;
    destroy) yes="--force" ;;
esac
exec {program} "$@" $yes --output {output} --context image=example/hlmon:1 --context budget=0
"""
AWS = """#!/bin/sh
for word do
    shift
    [ "$word" = --follow ] || set -- "$@" "$word"
done
exec {program} --endpoint-url {url} --no-cli-pager "$@"
"""
_COMMAND = re.compile(r"^\S.*(?:\n[ \t].*)*", re.MULTILINE)
"""One begins at the beginning of a line."""

AWSCLI = Path("/usr/bin/aws")  # of Debian, which is version 2; the index of Python has version 1 only


class Walk:
    """Somebody who follows the page in one of the two modes."""

    def __init__(self, mode: str, folder: Path, aws: Aws, url: str) -> None:
        self.mode, self.aws = mode, aws
        self._programs = folder / "programs"
        self._programs.mkdir()
        self._write("cdk", CDK.format(program=PROGRAM, output=folder / "cdk.out"))
        self._write("aws", AWS.format(program=AWSCLI, url=url))
        self._environ = cdk(folder, folder / "cdk", url).environment

    def run(self, block: str) -> str:
        """What a block says; the commands of the other mode are left out, and the account has its number."""
        commands = [command for command in _COMMAND.findall(block) if not self._is_of_the_other(command)]
        script = "\n".join(["set -euo pipefail", *commands]).replace("ACCOUNT_ID", "000000000000")
        path = os.pathsep.join([str(self._programs), str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT / "deploy",
            env=self._environ | {"PATH": path},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout + done.stderr

    def _is_of_the_other(self, command: str) -> bool:
        return any(words in command for words in OF_THE_OTHER[self.mode])

    def _write(self, name: str, text: str) -> None:
        (self._programs / name).write_text(text)
        (self._programs / name).chmod(0o755)


@pytest.fixture(params=["dynamodb", "supabase"])
def walk(request, tmp_path):
    with ExitStack() as stack:
        url = stack.enter_context(ministack(tmp_path))
        try:
            walk = Walk(request.param, tmp_path, Aws(url, stack), url)
        except Unavailable as reason:
            pytest.skip(str(reason))
        if not AWSCLI.exists():
            pytest.skip("the aws program is not here: apt-get install awscli")
        yield walk


def test_the_page_leads_from_nothing_to_a_running_monitor_and_back(walk):
    said = {block: walk.run(block) for block in BLOCKS if not any(words in block for words in LEFT_OUT)}
    (status,) = [text for block, text in said.items() if "--query 'services[0].{Status" in block]
    assert '"Status": "ACTIVE"' in status
    (read,) = [text for block, text in said.items() if "get-secret-value" in block]
    assert "0x1111111111111111111111111111111111111111" in read
    assert ("HyperliquidMonitorStack: destroyed" in said[BLOCKS[-1]]) is (walk.mode == "dynamodb")
    assert walk.aws("ecs").list_clusters()["clusterArns"] == []


def test_every_command_that_is_left_out_is_on_the_page():
    assert [words for words in LEFT_OUT if words not in PAGE] == []
