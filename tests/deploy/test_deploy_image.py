"""The folder that the image is built from."""

from __future__ import annotations

import hashlib
import json
import re
from types import SimpleNamespace

import pytest

from hlmon.errors import ConfigError
from hlmon_deploy.image import modules_of, stage_image
from hlmon_deploy.packages import locked_lines, packages_of
from hlmon_deploy.release import PLUGINS, stage

EXPRESSIONS = "common-expression-language=="
ALL_WORKSPACE = {"hlmon_core", "hlmon_dynamodb", "hlmon_supabase", "hlmon_sim", "hlmon_deploy"}


@pytest.fixture(scope="module")
def staged(deploy, tmp_path_factory):
    manifest = deploy.plan(db_mode="dynamodb").manifest
    return stage_image(manifest, "arm64", tmp_path_factory.mktemp("image") / "staged")


def test_it_has_the_wheels_of_the_chosen_plugins_and_no_other(staged):
    built = {wheel.name.split("-")[0] for wheel in (staged / "wheels").iterdir()}
    assert built & ALL_WORKSPACE == {"hlmon_core", "hlmon_dynamodb"}


@pytest.mark.parametrize("arch", ["arm64", "x86_64"])
def test_the_released_image_has_every_plugin_of_the_house_for_both_architectures(arch, tmp_path):
    staged = stage(arch, tmp_path / "image")
    modules = (staged / "modules.txt").read_text().split()
    assert {f"{module.split('.')[0].replace('_', '-')}" for module in modules} == {"hlmon", *PLUGINS}
    assert EXPRESSIONS in (staged / "requirements.txt").read_text()
    with pytest.raises(ConfigError, match="arch"):
        stage("mips", tmp_path / "other")


def test_every_requirement_is_pinned_with_a_hash_and_every_wheel_with_its_own(staged):
    blocks = re.split(r"\n(?=\S)", (staged / "requirements.txt").read_text().strip())
    assert all("--hash=sha256:" in block for block in blocks)
    for wheel in (staged / "wheels").iterdir():
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        assert f"./wheels/{wheel.name} \\\n    --hash=sha256:{digest}" in blocks
    assert (staged / "further.txt").read_text() == ""


def test_it_has_what_the_plugins_import_and_nothing_that_only_others_do(staged):
    names = {line.split("==")[0] for line in (staged / "requirements.txt").read_text().splitlines()}
    assert {"boto3", "botocore", "msgspec", "pluggy", "websockets", "rich"} <= names
    assert names.isdisjoint({"supabase", "aws-cdk-lib", "pytest", "hypothesis", "ministack"})


@pytest.mark.parametrize("is_used", [False, True])
def test_the_library_for_expressions_is_in_it_if_a_rule_needs_it(deploy, tmp_path, is_used):
    (tmp_path / "hlmon.toml").write_text(
        '[rule.fees]\ntype = "expression"\nevent = "fill"\nwhen = "fee > 25.0"\n' if is_used else ""
    )
    plan = deploy.plan(config=str(tmp_path / "hlmon.toml"), db_mode="dynamodb")
    staged = stage_image(plan.manifest, "arm64", tmp_path / "staged")
    assert (EXPRESSIONS in (staged / "requirements.txt").read_text()) is is_used


def test_the_import_of_each_enabled_plugin_is_proven_by_the_build(staged, deploy):
    assert (staged / "modules.txt").read_text().split() == ["hlmon.builtin", "hlmon_dynamodb.plugin"]
    dockerfile = (staged / "Dockerfile").read_text()
    assert "import_module" in dockerfile
    assert modules_of(deploy.plan(db_mode="supabase").manifest) == ["hlmon.builtin", "hlmon_supabase.plugin"]


def test_the_same_choice_gives_the_same_files(staged, deploy, tmp_path):
    again = stage_image(deploy.plan(db_mode="dynamodb").manifest, "arm64", tmp_path / "staged")
    files = [file.relative_to(staged) for file in sorted(staged.rglob("*")) if file.is_file()]
    assert [file for file in files if (staged / file).read_bytes() != (again / file).read_bytes()] == []


def test_the_stack_builds_the_image_for_its_architecture(deploy):
    stack = deploy.synthesize(deploy.plan(db_mode="dynamodb"))
    assets = json.loads(next(stack.folder.glob("*.assets.json")).read_text())["dockerImages"]
    ((source,),) = [[each["source"]] for each in assets.values()]
    assert source["platform"] == "linux/arm64"
    assert (stack.folder / source["directory"] / "Dockerfile").exists()
    assert (stack.folder / source["directory"] / "container.py").exists()


def test_the_container_runs_as_nobody_special_and_says_how_it_is(staged):
    dockerfile = (staged / "Dockerfile").read_text()
    assert "\nUSER 10001:10001\n" in dockerfile
    assert "hlmon health" in dockerfile
    assert "\nSTOPSIGNAL SIGTERM\n" in dockerfile
    assert dockerfile.count("ARG BASE_IMAGE=") == 1


def test_a_wheel_that_the_operator_brought_is_taken_as_it_is_and_an_unknown_release_unhashed(deploy, tmp_path, acme):
    brought = stage_image(deploy.plan(plugins=f"hlmon-dynamodb,{acme}").manifest, "arm64", tmp_path / "a")
    assert (brought / "wheels" / acme.name).read_bytes() == acme.read_bytes()
    released = stage_image(deploy.plan(plugins="hlmon-dynamodb,acme-hlmon").manifest, "arm64", tmp_path / "b")
    assert (released / "further.txt").read_text() == "acme-hlmon==2.5\n"


def test_requirements_are_followed_by_markers_and_extras():
    def distribution(name, *requires):
        return SimpleNamespace(metadata={"Name": name}, version="1", requires=requires, read_text=lambda _name: None)

    installed = {
        "a": distribution("a", "b[fast]", 'c; sys_platform == "win32"', 'd; platform_machine == "aarch64"'),
        "b": distribution("b", 'e; extra == "fast"', 'f; extra == "slow"'),
        "d": distribution("d", "a"),
        "e": distribution("e"),
    }

    def find(name):
        if name not in installed:
            raise ModuleNotFoundError(name)
        return installed[name]

    assert [package.name for package in packages_of(["a"], "arm64", find)] == ["a", "b", "d", "e"]
    assert [package.name for package in packages_of(["a"], "x86_64", find)] == ["a", "b", "e"]
    del installed["e"]
    with pytest.raises(ConfigError, match="needs e, which is not installed beside cdk"):
        packages_of(["a"], "arm64", find)


def test_the_lines_of_a_lock_keep_their_hashes_and_lose_their_markers():
    text = 'Some.Thing==1.0 ; sys_platform == "linux" \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nother==2\n'
    assert locked_lines(text) == {
        ("some-thing", "1.0"): "Some.Thing==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb",
        ("other", "2"): "other==2",
    }
