"""Plans and templates, made once for all tests; an independent plugin; the cdk program on an emulated AWS."""

from __future__ import annotations

import functools
import json
import os
import shutil
import tempfile
import textwrap
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from hlmon.plugins import load_catalogue
from hlmon_deploy.plan import read_plan
from hlmon_deploy.settings import read_settings
from tests.servers.acme import installed_acme
from tests.servers.cdk import ENVIRONMENT, Aws, cdk
from tests.servers.dynamodb import ministack
from tests.servers.process import Unavailable

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
_OUTPUT = tempfile.TemporaryDirectory(prefix="hlmon-cdk-", ignore_cleanup_errors=True)
READY_IMAGE = {"image": "example/hlmon:1"}


@pytest.fixture(scope="module")
def acme(tmp_path_factory) -> Path:
    """The wheel of an independent plugin, which is installed meanwhile."""
    with installed_acme(tmp_path_factory.mktemp("acme")) as wheel:
        yield wheel


def write_config(folder: Path, text: str) -> Path:
    file = folder / "hlmon.toml"
    file.write_text(textwrap.dedent(text))
    return file


def plan_of(folder: Path = DEPLOY, environ=None, **context: str):
    return read_plan(read_settings(context, folder), load_catalogue(), folder, environ or {})


class Synthesized:
    """One synthesized stack: its template, and the folder of the cloud assembly."""

    def __init__(self, plan, *, checks: bool = False, folder: Path | None = None) -> None:
        import aws_cdk as cdk

        from hlmon_deploy.names import STACK
        from hlmon_deploy.stack import HyperliquidMonitorStack

        app = cdk.App(
            outdir=str(folder or tempfile.mkdtemp(dir=_OUTPUT.name)),
            context=json.loads((DEPLOY / "cdk.json").read_text())["context"],
        )
        self.stack = HyperliquidMonitorStack(app, STACK, plan=plan)
        if checks:
            from cdk_nag import AwsSolutionsChecks

            cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        self.folder = Path(app.synth().directory)
        self.template = json.loads((self.folder / f"{STACK}.template.json").read_text())

    def all(self, kind: str) -> list[dict]:
        """The properties of every resource of this type."""
        return [each["Properties"] for each in self.template["Resources"].values() if each["Type"] == f"AWS::{kind}"]

    def one(self, kind: str) -> dict:
        (found,) = self.all(kind)
        return found


@functools.cache
def _synthesized(context: tuple[tuple[str, str], ...]) -> Synthesized:
    return Synthesized(plan_of(**dict(context)))


def synthesized(**context: str) -> Synthesized:
    """The stack of this context with a ready image."""
    return _synthesized(tuple(sorted({**READY_IMAGE, **context}.items())))


@pytest.fixture(scope="session", autouse=True)
def _quiet():
    """The JavaScript runtime of CDK says at length that its Node is old."""
    os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "1")
    os.environ.setdefault("NODE_NO_WARNINGS", "1")


@pytest.fixture(scope="session")
def deploy() -> SimpleNamespace:
    """What tests of this folder share."""
    return SimpleNamespace(
        folder=DEPLOY,
        root=ROOT,
        config=write_config,
        plan=plan_of,
        synthesize=Synthesized,
        synthesized=synthesized,
        relay_alone=relay_alone,
    )


@pytest.fixture(scope="module")
def relayed_plan(deploy, tmp_path_factory):
    """A function from further context to a plan with a notifier that the relay tells."""
    folder = tmp_path_factory.mktemp("relayed")
    deploy.config(folder, '[notifier.ops]\ntype = "discord"')
    with pytest.MonkeyPatch.context() as patch:
        deploy.relay_alone(patch)
        yield functools.partial(deploy.plan, folder, config="hlmon.toml", relay="ops")


@pytest.fixture(scope="module")
def place(tmp_path_factory, deploy):
    """A bootstrapped account, and cdk to deploy into it."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("aws")
        url = stack.enter_context(ministack(folder, LAMBDA_ASYNC_RETRY_BASE_SECONDS="0"))
        try:
            run = cdk(deploy.folder, folder / "cdk", url)
            outside = cdk(folder, folder / "cdk", url)
        except Unavailable as reason:
            pytest.skip(str(reason))
        outside("bootstrap", ENVIRONMENT)
        yield run, Aws(url, stack), folder


def relay_alone(patch: pytest.MonkeyPatch) -> None:
    """Stacks have the relay's function without the packages that it imports, which are those of AWS's machines."""

    def stage(_manifest, _arch, target):
        target.mkdir()
        shutil.copy(DEPLOY / "hlmon_deploy" / "functions" / "relay.py", target / "hlmon_relay.py")
        return target

    patch.setattr("hlmon_deploy.stack.stage_relay", stage)
