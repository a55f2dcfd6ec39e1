"""The whole deployment: cdk builds the image and makes the stack, and an emulated ECS runs real containers of it.

The emulated registry takes no images, so a build leaves its image here, where the containers start. What the emulator
does not pass on (limits, file system, volumes, health check) the other tests of this folder see.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from hlmon_deploy.image import FOLDER
from hlmon_sim.background import BackgroundServer
from hlmon_sim.scenario import Limits, Scenario
from hlmon_sim.server import SimServer
from tests.servers.cdk import ENVIRONMENT, YES, Aws, assembled, cdk
from tests.servers.dynamodb import ministack
from tests.servers.items import Items
from tests.servers.podman import ARCH
from tests.servers.process import Unavailable
from tests.servers.waiting import wait_for

LIMITS = Limits(weight_per_minute=1_000_000, connections=100, new_connections_per_minute=1_000)
CREDENTIALS = "hl-monitor/prod/credentials"
CONFIG = """
[hyperliquid]
url = "{exchange}"
[sink.dynamodb]
type = "dynamodb"
endpoint_url = "{aws}"
"""
REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com/cdk-hnb659fds-container-assets-000000000000-us-east-1"


class Operator:
    """Somebody with the cdk program and an AWS account."""

    def __init__(self, podman, run, aws: Aws, folder: Path) -> None:
        self._podman, self.run, self.aws, self._folder = podman, run, aws, folder

    def deploy(self, name: str, *context: str) -> None:
        """Synthesize, build, deploy.

        The emulated registry says of every image that it is there, so cdk would not build: here that is done for it.
        """
        given = [f"config={self._folder}/hlmon.toml", f"arch={ARCH}", "budget=0", "data=delete", *context]
        options = [word for each in given for word in ("--context", each)]
        made = self._folder / name
        self.run("synth", "--quiet", "--app", f"{sys.executable} app.py", "--output", str(made), *options)
        (assets,) = made.glob("*.assets.json")
        for tag, image in json.loads(assets.read_text())["dockerImages"].items():
            done = self._podman.build(made / image["source"]["directory"], f"{REGISTRY}:{tag}")
            assert done.returncode == 0, done.stderr[-4000:]
        self.run("deploy", *YES, *assembled(self._folder, name))

    def force_new_deployment(self) -> None:
        """As the documentation says. Before it the task gets the secrets, which the emulated CloudFormation drops, and
        the network on which the exchange and AWS are here.
        """
        ecs, secrets = self.aws("ecs"), self.aws("secretsmanager")
        task = ecs.describe_task_definition(taskDefinition="hl-monitor:1")["taskDefinition"]
        (made,) = task["containerDefinitions"]
        container = {name: made[name] for name in ("name", "image", "environment", "logConfiguration")}
        arn = secrets.describe_secret(SecretId=CREDENTIALS)["ARN"]
        container["secrets"] = [{"name": "ACCOUNT_ADDRESS", "valueFrom": f"{arn}:ACCOUNT_ADDRESS::"}]
        ecs.register_task_definition(family="hl-monitor", networkMode="host", containerDefinitions=[container])
        service = {"cluster": "hl-monitor-cluster", "service": "hl-monitor", "taskDefinition": "hl-monitor:2"}
        ecs.update_service(**service, forceNewDeployment=True)

    def log(self) -> list[str]:
        """The lines of every task."""
        found = self.aws("logs").filter_log_events(logGroupName="/ecs/hl-monitor")["events"]
        return [each["message"] for each in found]

    def deployments(self) -> list[tuple[str, str]]:
        """What ECS says of each deployment of the service: the task definition and how far it is."""
        found = self.aws.service()["deployments"]
        return [(each["taskDefinition"].rpartition("/")[2], each["rolloutState"]) for each in found]


@pytest.fixture(scope="module")
def exchange():
    """Two accounts trade."""
    with BackgroundServer(SimServer(Scenario(accounts=2, rate=5, speed=1, limits=LIMITS))) as exchange:
        yield exchange


@pytest.fixture(scope="module")
def operator(podman, exchange, tmp_path_factory):
    """An account that is bootstrapped and has the monitor deployed, with secrets that nobody has filled."""
    folder = tmp_path_factory.mktemp("ecs")
    with ExitStack() as stack:
        url = stack.enter_context(ministack(folder, DOCKER_HOST=stack.enter_context(podman.listening())))
        try:
            run = cdk(FOLDER, folder / "cdk", url)
            cdk(folder, folder / "cdk", url)("bootstrap", ENVIRONMENT)
        except Unavailable as reason:
            pytest.skip(str(reason))
        (folder / "hlmon.toml").write_text(CONFIG.format(exchange=exchange.url, aws=url))
        operator = Operator(podman, run, Aws(url, stack), folder)
        operator.deploy("first")
        yield operator
        run("destroy", "--force", *assembled(folder, "first"))


def test_a_first_deployment_succeeds_and_its_task_says_what_it_waits_for(operator):
    wait_for(lambda: operator.deployments() == [("hl-monitor:1", "COMPLETED")], 60, "the first deployment")
    wait_for(lambda: f"waiting for ACCOUNT_ADDRESS in the secret {CREDENTIALS}" in str(operator.log()), 30, "the log")


def test_with_its_secret_filled_and_started_again_it_watches_and_stores(operator, exchange):
    filled = json.dumps({"ACCOUNT_ADDRESS": ",".join(exchange.server.addresses)})
    operator.aws("secretsmanager").put_secret_value(SecretId=CREDENTIALS, SecretString=filled)
    operator.force_new_deployment()
    store = Items(operator.run.url)
    addresses = set(exchange.server.addresses)
    wait_for(lambda: {fill["account"] for fill in store.bodies("fill")} == addresses, 60, "fills of both accounts")
    wait_for(lambda: operator.deployments() == [("hl-monitor:2", "COMPLETED")], 60, "the second deployment")


def test_an_image_that_does_not_start_is_rolled_back_and_the_monitor_goes_on(operator, podman, tmp_path):
    (tmp_path / "Dockerfile").write_text('FROM scratch\nCOPY nothing /\nENTRYPOINT ["/nothing"]\n')
    (tmp_path / "nothing").write_text("not a program")
    done = podman.build(tmp_path, "localhost/hlmon-broken:latest")
    assert done.returncode == 0, done.stderr
    operator.deploy("broken", "image=localhost/hlmon-broken:latest")
    wait_for(lambda: ("hl-monitor:3", "FAILED") in operator.deployments(), 120, "the circuit breaker")
    wait_for(lambda: ("hl-monitor:2", "COMPLETED") in operator.deployments(), 60, "the rollback")
    assert operator.aws.service()["taskDefinition"].endswith("hl-monitor:2")
    store = Items(operator.run.url)
    before = len(store.bodies("fill"))
    wait_for(lambda: len(store.bodies("fill")) > before + 10, 60, "further fills in the table")
