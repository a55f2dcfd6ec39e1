"""`hlmon install` and `hlmon uninstall`: which program they call, and what they refuse."""

from __future__ import annotations

import shutil
import sys

import pytest
from click.testing import CliRunner

from hlmon import ConfigError, HlmonError
from hlmon.cli import installer, program
from hlmon.cli.installer import carry_out, install_command, uninstall_command


@pytest.fixture
def environment(monkeypatch):
    """A function that says which installers are there."""

    def has(*, pip, uv):
        monkeypatch.setattr(installer, "find_spec", lambda name: object() if pip else None)
        monkeypatch.setattr(shutil, "which", lambda name, path=None: "/opt/uv" if uv else None)

    return has


def test_pip_is_taken_where_it_is_there(environment):
    environment(pip=True, uv=True)
    assert install_command(["hlmon-x"]) == [sys.executable, "-m", "pip", "install", "hlmon-x"]
    assert install_command(["a", "b"], upgrade=True)[-3:] == ["--upgrade", "a", "b"]
    assert uninstall_command(["hlmon-sim"]) == [sys.executable, "-m", "pip", "uninstall", "--yes", "hlmon-sim"]


def test_uv_is_taken_where_there_is_no_pip_and_told_which_environment(environment):
    environment(pip=False, uv=True)
    assert install_command(["hlmon-x"]) == ["/opt/uv", "pip", "install", "--python", sys.executable, "hlmon-x"]
    assert uninstall_command(["hlmon_sim"]) == ["/opt/uv", "pip", "uninstall", "--python", sys.executable, "hlmon_sim"]


def test_without_either_it_is_said_what_is_missing(environment):
    environment(pip=False, uv=False)
    with pytest.raises(HlmonError, match=r"neither pip nor uv is there to change .*; install one of them"):
        install_command(["hlmon-x"])


@pytest.mark.parametrize("name", ["hlmon-core", "hlmon_core", "HLMON.Core"])
def test_the_program_does_not_remove_itself(environment, name):
    environment(pip=True, uv=False)
    with pytest.raises(ConfigError, match="is the program itself"):
        uninstall_command(["hlmon-sim", name])


@pytest.mark.parametrize(
    ("name", "hint"),
    [("click", "known: .*hlmon-sim"), ("hlmon-simm", "did you mean 'hlmon-sim'"), ("dynamodb", "'hlmon-dynamodb'")],
)
def test_only_packages_of_plugins_are_removed(environment, name, hint):
    environment(pip=True, uv=False)
    with pytest.raises(ConfigError, match=rf"^{name} is no package of a plugin that is installed; .*{hint}"):
        uninstall_command(["hlmon-sim", name])


def test_a_failure_names_the_command():
    with pytest.raises(HlmonError, match=r"nothing was changed, see above; the command was: .* -c 'raise SystemExit"):
        carry_out([sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_a_package_must_be_named(command):
    result = CliRunner().invoke(program, [command], prog_name="hlmon")
    assert result.exit_code == 2
    assert "PACKAGE" in result.stderr
