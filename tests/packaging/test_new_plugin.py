"""What `hlmon new-plugin` writes is right as it is written: its tests, its lint, its types, its wheel."""

from __future__ import annotations

import itertools
import json
import tomllib

import pytest

from hlmon.cli.new_plugin.project import LONGEST_NAME, PARTS, project_files, project_name, write_project
from tests.packaging.conftest import build, uv

ALL = [f"--{part}" for part in PARTS]


@pytest.fixture(scope="module")
def project(author, tmp_path_factory):
    """A package with a part of every kind, installed as its author does while developing it."""
    folder = tmp_path_factory.mktemp("project")
    author.hlmon("new-plugin", "box", *ALL, cwd=folder)
    written = folder / "hlmon-box"
    editable = ("--no-deps", "--no-build-isolation", "--editable", written)
    uv("pip", "install", "--quiet", "--python", author.python, *editable)
    yield written
    uv("pip", "uninstall", "--quiet", "--python", author.python, "hlmon-box")


def test_it_passes_its_own_tests(author, project):
    said = author.run("pytest", "-p", "no:cacheprovider", cwd=project)
    assert "passed" in said
    assert "failed" not in said


def test_its_tests_hold_it_to_the_contracts(author, project):
    cases = author.run("pytest", "--collect-only", "-q", "-p", "no:cacheprovider", cwd=project)
    for case in (
        "TestSink::test_decimals_keep_every_digit",
        "TestNotifier::test_a_refusal_raises_permanent",
        "TestRule::test_the_clock_plays_no_part",
        "TestSource::test_a_kill_at_any_moment_loses_nothing",
        "TestPlugin::test_hooks_are_quick_and_touch_nothing",
    ):
        assert case in cases


def test_its_types_are_strict_and_right(author, project):
    assert tomllib.loads((project / "pyproject.toml").read_text())["tool"]["mypy"]["strict"]
    assert "Success" in author.run("mypy", cwd=project)


def test_its_extra_brings_the_tools_that_its_readme_calls(project):
    wanted = tomllib.loads((project / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    assert wanted == ["mypy", "pytest", "ruff"]
    assert "pip install -e .[dev]" in (project / "README.md").read_text()
    assert "pip install -e .[dev]" in (project / ".github/workflows/ci.yml").read_text()


def test_it_is_listed_and_the_config_of_its_readme_is_right(author, project, tmp_path):
    found = {plugin["name"]: plugin for plugin in json.loads(author.hlmon("plugins", "--json"))}
    assert found["box"]["provides"] == {"source": ["box"], "deriver": ["box"], "sink": ["box"], "notifier": ["box"]}
    assert (found["box"]["stability"], found["box"]["broken"]) == ("alpha", None)
    readme = (project / "README.md").read_text()
    (tmp_path / "hlmon.toml").write_text(readme.partition("```toml\n")[2].partition("```")[0])
    author.hlmon("check", cwd=tmp_path)


def test_it_builds_to_a_wheel_with_its_types(project, tmp_path):
    (wheel,) = build("--wheel", project, out=tmp_path).glob("*.whl")
    assert wheel.name == "hlmon_box-0.1.0-py3-none-any.whl"


@pytest.mark.parametrize("name", ["x", "z9" * (LONGEST_NAME // 2), "hlmon-two-words"])
def test_whatever_its_name_and_its_parts_it_is_formatted_and_has_no_lint(author, tmp_path, name):
    for count in range(1, len(PARTS) + 1):
        for parts in itertools.combinations(PARTS, count):
            write_project(tmp_path / "-".join(parts), project_files(project_name(name), parts))
    author.run("ruff", "format", "--no-cache", "--check", ".", cwd=tmp_path)
    author.run("ruff", "check", "--no-cache", ".", cwd=tmp_path)
