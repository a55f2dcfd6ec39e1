"""The real image, built once as the deployment builds it, and podman to run it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from hlmon.plugins import load_catalogue
from hlmon_deploy.image import stage_image
from hlmon_deploy.plan import Plan, read_plan
from hlmon_deploy.settings import read_settings
from tests.servers.acme import installed_acme
from tests.servers.podman import ARCH, Podman
from tests.servers.process import Unavailable

IMAGE = "localhost/hlmon-under-test:latest"
AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="session")
def podman(tmp_path_factory) -> Iterator[Podman]:
    """The programs, once there is a base image; every container has credentials for the emulated AWS."""
    try:
        podman = Podman(tmp_path_factory.mktemp("podman"), AWS)
        podman.make_base()
    except Unavailable as reason:
        pytest.skip(str(reason))
    yield podman
    podman.forget()


@pytest.fixture(scope="session")
def plan_of(tmp_path_factory):
    """A function from a config to the plan of its deployment on this machine, with a plugin of others."""
    with installed_acme(tmp_path_factory.mktemp("acme")) as wheel:

        def plan(folder: Path, config: str) -> Plan:
            (folder / "hlmon.toml").write_text(textwrap.dedent(config))
            context = {"config": "hlmon.toml", "arch": ARCH, "plugins": f"hlmon-dynamodb,{wheel}"}
            return read_plan(read_settings(context, folder), load_catalogue(), folder, {})

        yield plan


@pytest.fixture(scope="session")
def staged(podman, plan_of, tmp_path_factory) -> Path:
    """The folder that the image is built from."""
    folder = tmp_path_factory.mktemp("image")
    return stage_image(plan_of(folder, "").manifest, ARCH, folder / "staged")


@pytest.fixture(scope="session")
def image(podman, staged) -> str:
    """The name of the built image."""
    done = podman.build(staged, IMAGE)
    assert done.returncode == 0, done.stderr[-4000:]
    return IMAGE
