"""`hlmon new-plugin`: names, and what is written where."""

from __future__ import annotations

import tomllib

import pytest
from click.testing import CliRunner

from hlmon import ConfigError
from hlmon.cli import program
from hlmon.cli.new_plugin.project import PARTS, project_files, project_name


@pytest.fixture
def new_plugin(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(program, ["new-plugin", *arguments], prog_name="hlmon")


def test_without_options_it_has_a_sink(new_plugin, tmp_path):
    assert new_plugin("box").exit_code == 0
    written = tmp_path / "hlmon-box"
    assert {path.name for path in (written / "src/hlmon_box").iterdir()} == {
        "__init__.py",
        "plugin.py",
        "py.typed",
        "sink.py",
    }
    project = tomllib.loads((written / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"hlmon": {"box": "hlmon_box.plugin"}}


def test_it_has_the_parts_that_are_asked_for(new_plugin, tmp_path):
    assert "notifier, rule" in new_plugin("box", "--rule", "--notifier").stdout
    written = tmp_path / "hlmon-box"
    tests = {path.name for path in (written / "tests").iterdir()}
    assert tests == {"test_notifier.py", "test_plugin.py", "test_rule.py"}


@pytest.mark.parametrize(("given", "module"), [("box", "hlmon_box"), ("hlmon-two-words", "hlmon_two_words")])
def test_a_name_may_have_hlmon_before_it(given, module):
    assert project_name(given).module == module


@pytest.mark.parametrize("name", ["", "Box", "1box", "a_b", "a--b", "hlmon-", "../x", "x" * 31])
def test_a_name_that_no_package_can_have_is_refused_with_what_a_name_is(name):
    with pytest.raises(ConfigError, match=r"is no name: a letter first, .* e\.g\. box or my-box"):
        project_name(name)


@pytest.mark.parametrize("name", ["core", "hlmon-sim", "notify", "dynamodb", "discord", "apprise", "demo", "builtin"])
def test_a_name_of_hlmon_itself_is_refused_whether_it_is_installed_or_not(name):
    with pytest.raises(ConfigError, match="of hlmon itself"):
        project_name(name)


@pytest.mark.parametrize("name", ["jsonl", "hlmon-log", "hyperliquid", "fill"])
def test_a_name_that_an_installed_plugin_has_is_refused(new_plugin, tmp_path, name):
    result = new_plugin(name)
    assert result.exit_code == 2
    assert "is taken: hlmon-core has something of this name" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_command_may_not_have_the_name_of_a_command_of_hlmon(new_plugin, tmp_path):
    result = new_plugin("status", "--command")
    assert result.exit_code == 2
    assert "'status' is a command of hlmon itself" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_rule_and_a_deriver_come_through_one_hook(new_plugin, tmp_path):
    assert new_plugin("box", "--deriver", "--rule", "--command").exit_code == 0
    plugin = (tmp_path / "hlmon-box/src/hlmon_box/plugin.py").read_text()
    assert plugin.count("@hookimpl") == 2
    assert "    return [rule.FACTORY, deriver.FACTORY]\n" in plugin
    assert "    return [command.command]\n" in plugin


def test_a_folder_that_is_there_is_left_as_it_is(new_plugin, tmp_path):
    (tmp_path / "hlmon-box").mkdir()
    result = new_plugin("box")
    assert result.exit_code == 2
    assert result.stderr == "error: hlmon-box exists already; it was left as it is\n"
    assert list((tmp_path / "hlmon-box").iterdir()) == []


def test_every_file_is_valid_and_no_placeholder_is_left():
    for path, text in project_files(project_name("box"), PARTS).items():
        if path.endswith(".py"):
            compile(text, path, "exec")
        if path.endswith(".toml"):
            tomllib.loads(text)
        if not path.endswith("ci.yml"):
            assert "${" not in text
