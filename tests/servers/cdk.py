"""The real cdk program, from the lock file of tests/deploy, against an emulated AWS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import boto3

from tests.servers.process import Unavailable

PROGRAM = Path(__file__).resolve().parents[1] / "deploy" / "node_modules" / ".bin" / "cdk"
ENVIRONMENT = "aws://000000000000/us-east-1"
YES = ("--require-approval", "never")


class Aws:
    """Clients of the emulated AWS."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self._url, self._stack = url, stack
        self._session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")

    def __call__(self, name: str):
        return self._stack.enter_context(closing(self._session.client(name, endpoint_url=self._url)))

    def secret(self, name: str) -> dict:
        return json.loads(self("secretsmanager").get_secret_value(SecretId=name)["SecretString"])

    def tables(self) -> list[str]:
        return self("dynamodb").list_tables()["TableNames"]

    def service(self) -> dict:
        (found,) = self("ecs").describe_services(cluster="hl-monitor-cluster", services=["hl-monitor"])["services"]
        return found


@dataclass(frozen=True)
class Cdk:
    """Runs commands of cdk in `folder`, whose cdk.json it reads. `home` is where it keeps its own things."""

    folder: Path
    home: Path
    url: str

    def __call__(self, *arguments: str) -> str:
        """What the command says; a failure of it is one of the test."""
        done = self.attempt(*arguments)
        assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-2000:]
        return done.stdout + done.stderr

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command, however it ends."""
        command = [PROGRAM, *arguments, "--no-notices", "--no-version-reporting"]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, check=False, capture_output=True, text=True
        )

    @property
    def environment(self) -> dict[str, str]:
        """In which the program, and that of AWS, speak to the emulator and to nobody else."""
        quiet = {"NODE_NO_WARNINGS": "1", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1", "CI": "true"}
        aws = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        return os.environ | quiet | aws | {"CDK_HOME": str(self.home)}


def cdk(folder: Path, home: Path, url: str) -> Cdk:
    """The program, to be run in this folder. Raises Unavailable where Node or the program is missing."""
    if not (shutil.which("node") and PROGRAM.exists()):
        raise Unavailable("the cdk program needs Node and `npm ci --prefix tests/deploy`")
    return Cdk(folder, home, url)


def assembled(folder: Path, name: str) -> tuple[str, str]:
    """A cloud assembly that was made before stands for the app."""
    return ("--app", str(folder / name))
