"""What is in the image, and what the build refuses."""

from __future__ import annotations

import re
import shutil

import pytest

from hlmon_deploy.image import FOLDER
from tests.servers.waiting import wait_for

WAITS = "waiting for ACCOUNT_ADDRESS in the secret hl-monitor/prod/credentials"


@pytest.fixture(scope="module")
def idle(podman, image):
    """A container that waits for its secrets, with the limits and the file system that it has on AWS."""
    with podman.container(image, "--read-only", "--memory=512m", "--cpus=0.25") as container:
        yield container


def lines(done) -> list[str]:
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_it_has_exactly_the_distributions_that_were_staged(idle, staged):
    code = "from importlib.metadata import distributions as all\nfor one in all(): print(one.name, one.version)"
    found = {line.lower().replace("_", "-").replace(".", "-") for line in lines(idle.run("python", "-c", code))}
    pinned = re.findall(r"^([\w.-]+)==(\S+)", (staged / "requirements.txt").read_text(), re.MULTILINE)
    wheels = [wheel.name.split("-")[:2] for wheel in (staged / "wheels").iterdir()]
    wanted = {f"{name} {version}" for name, version in (*pinned, *wheels)}
    assert found == {one.lower().replace("_", "-").replace(".", "-") for one in wanted}


def test_a_plugin_of_others_that_was_chosen_by_its_wheel_is_one_of_its_plugins(idle):
    listed = "\n".join(lines(idle.run("hlmon", "plugins")))
    assert {"dynamodb", "acme-shelf", "acme-pager"} <= set(re.findall(r"[\w-]+", listed))
    assert "supabase" not in listed


def test_its_programs_run_as_nobody_special(idle):
    assert lines(idle.run("id", "-u", "-n")) == ["hlmon"]
    assert {"CapEff:\t0000000000000000", "Uid:\t10001\t10001\t10001\t10001"} <= set(
        lines(idle.run("cat", "/proc/1/status"))
    )


@pytest.mark.parametrize("place", ["/", "/opt/hlmon", "/usr/bin", "/etc"])
def test_its_own_files_cannot_be_written(idle, place):
    done = idle.run("touch", f"{place}/written")
    assert done.returncode != 0
    assert "Read-only file system" in done.stderr or "Permission denied" in done.stderr


@pytest.mark.parametrize("place", ["/tmp", "/var/lib/hlmon"])
def test_its_volumes_can_be_written(idle, place):
    assert idle.run("touch", f"{place}/written").returncode == 0


def test_it_waits_for_the_account_says_so_and_counts_as_healthy_meanwhile(idle, podman, image):
    wait_for(lambda: WAITS in idle.log(), what="what it waits for")
    check = podman("image", "inspect", "--format", '{{join .Config.Healthcheck.Test "\\n"}}', image)
    kind, *command = check.splitlines()
    assert kind == "CMD"
    assert idle.run(*command).returncode == 0


def test_it_waits_no_longer_than_until_sigterm(podman, image):
    with podman.container(image, "--read-only") as container:
        wait_for(lambda: WAITS in container.log(), what="what it waits for")
        seconds, code = container.stop(20)
    assert (code, seconds < 10) == (0, True)


def test_a_plugin_that_cannot_be_imported_fails_the_build_with_its_name(podman, image, staged, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(staged, folder)
    with (folder / "modules.txt").open("a") as file:
        file.write("no_such_plugin\n")
    done = podman.build(folder, "localhost/hlmon-broken:latest")
    assert done.returncode != 0
    assert "No module named 'no_such_plugin'" in done.stdout + done.stderr


def test_a_wheel_that_was_changed_on_its_way_fails_the_build(podman, image, staged, tmp_path):
    folder = tmp_path / "changed"
    shutil.copytree(staged, folder)
    (wheel,) = (folder / "wheels").glob("hlmon_dynamodb-*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    done = podman.build(folder, "localhost/hlmon-changed:latest")
    assert done.returncode != 0
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stdout + done.stderr


def test_the_dockerfile_names_the_official_image_as_its_base():
    assert "ARG BASE_IMAGE=public.ecr.aws/docker/library/python:3.11-slim-" in (FOLDER / "Dockerfile").read_text()
