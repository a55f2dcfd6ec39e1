"""What `hlmon new-plugin` writes is right as it is written: its tests, its lint, its types, its wheel."""

from __future__ import annotations

import itertools
import json
import shutil
import tomllib
from contextlib import contextmanager

import pytest

from hlmon.cli.new_plugin.project import LONGEST_NAME, PARTS, project_files, project_name, write_project
from tests.packaging.conftest import build, uv

ALL = [f"--{part}" for part in PARTS]


@contextmanager
def installed(author, project):
    """While a package is being developed."""
    editable = ("--no-deps", "--no-build-isolation", "--editable", project)
    uv("pip", "install", "--quiet", "--python", author.python, *editable)
    try:
        yield
    finally:
        uv("pip", "uninstall", "--quiet", "--python", author.python, project.name)


@pytest.fixture(scope="module")
def project(author, tmp_path_factory):
    """A package with a part of every kind, installed as its author does while developing it."""
    folder = tmp_path_factory.mktemp("project")
    author.hlmon("new-plugin", "box", *ALL, cwd=folder)
    written = folder / "hlmon-box"
    with installed(author, written):
        yield written


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
        "TestDeriver::test_a_saved_memory_changes_nothing",
        "TestCommand::test_the_journal_stays_as_it_is",
        "TestPlugin::test_hooks_are_quick_and_touch_nothing",
    ):
        assert case in cases


def test_its_types_are_strict_and_right(author, project):
    assert tomllib.loads((project / "pyproject.toml").read_text())["tool"]["mypy"]["strict"]
    assert "Success" in author.run("mypy", cwd=project)


def test_its_extra_brings_the_tools_that_its_readme_calls(project):
    wanted = tomllib.loads((project / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    assert wanted == ["mypy", "pytest", "ruff"]
    assert "pip install -e '.[dev]'" in (project / "README.md").read_text()
    assert "pip install -e '.[dev]'" in (project / ".github/workflows/ci.yml").read_text()


WRONG = {
    "sink": ("event.version > _version(path)", "True", "an older state changes nothing"),
    "notifier": ("[:LONGEST_TEXT]", "", "a long alert is told, cut to what the service takes"),
    "rule": ("time_ms=event.time_ms", "time_ms=__import__('time').time_ns() // 10**6", "the same events a year later"),
    "source": ("lines.splitlines()]", "lines.splitlines()[1:]]", "the input's events are fed"),
    "deriver": ("sorted(coins)", "[]", "saving and loading the memory"),
    "command": ("plain_line(coin)", "coin", "control characters of what is stored reach no terminal"),
}


@pytest.mark.parametrize("part", PARTS)
def test_its_tests_notice_what_is_wrong_and_say_why(author, project, tmp_path, part):
    shutil.copytree(project / "src", tmp_path / "src")
    file = tmp_path / "src/hlmon_box" / f"{part}.py"
    right, wrong, told = WRONG[part]
    assert right in file.read_text()
    file.write_text(file.read_text().replace(right, wrong))
    command = ("pytest", "-p", "no:cacheprovider", f"tests/test_{part}.py")
    said = author.run(*command, cwd=project, code=1, PYTHONPATH=str(tmp_path / "src"))
    assert f"promise: {told}" in said


def test_a_case_may_be_excused_without_a_word_from_the_linter(author, project, tmp_path):
    shutil.copytree(project, tmp_path / "box")
    file = tmp_path / "box/tests/test_sink.py"
    text = file.read_text()
    assert "excused: ClassVar = {" in text
    one_more = 'excused: ClassVar = {\n        "test_an_outage_raises_transient": "why",\n        '
    file.write_text(text.replace("excused: ClassVar = {", one_more))
    author.run("ruff", "check", "--no-cache", ".", cwd=tmp_path / "box")
    assert "excused: why" in author.run("pytest", "-p", "no:cacheprovider", "tests/test_sink.py", cwd=tmp_path / "box")


def test_it_is_listed_and_the_config_of_its_readme_is_right(author, project, tmp_path):
    found = {plugin["name"]: plugin for plugin in json.loads(author.hlmon("plugins", "--json"))}
    assert found["box"]["provides"] == {
        "source": ["box"],
        "deriver": ["box", "box-first"],
        "sink": ["box"],
        "notifier": ["box"],
        "command": ["box"],
    }
    assert (found["box"]["stability"], found["box"]["broken"]) == ("alpha", None)
    readme = (project / "README.md").read_text()
    account = f'[[account]]\naddress = "0x{"1" * 40}"\n'
    (tmp_path / "hlmon.toml").write_text(readme.partition("```toml\n")[2].partition("```")[0] + account)
    author.hlmon("check", cwd=tmp_path, BOX_URL="https://box.example")


def test_its_command_is_one_of_the_programs_and_its_deriver_works_without_a_table(author, project, tmp_path):
    assert "List the coins with the most fills" in author.hlmon("--help")
    assert "there is no such file" in author.hlmon("box", cwd=tmp_path, code=3)
    script = (
        "from pathlib import Path; from hlmon.config import load_config; from hlmon.parts import enable\n"
        "from hlmon.plugins import load_catalogue\n"
        "print([part.name for part in enable(load_config(None), load_catalogue()).derivers])"
    )
    assert "'box-first'" in author.run("python", "-c", script, cwd=tmp_path)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_alone_passes_its_tests_and_its_types_are_right(author, tmp_path, part):
    author.hlmon("new-plugin", f"only-{part}", f"--{part}", cwd=tmp_path)
    written = tmp_path / f"hlmon-only-{part}"
    with installed(author, written):
        assert "failed" not in author.run("pytest", "-p", "no:cacheprovider", cwd=written)
        assert "Success" in author.run("mypy", cwd=written)


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
