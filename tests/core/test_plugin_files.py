"""A plugin of one file: the config names it, and it is used as an installed one is."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hlmon import ConfigError
from hlmon.cli import program
from hlmon.config import load_config
from hlmon.parts import enable
from hlmon.plugins import load_catalogue

DOCS = Path(__file__).resolve().parents[2] / "docs"
ACCOUNT = '[[account]]\naddress = "0x' + "1" * 40 + '"\n'
NAMES_IT = 'plugins = ["./my_notifier.py"]\n' + ACCOUNT + '[notifier.mine]\ntype = "my-file"\npath = "told.txt"\n'
SHORTEST = re.search(r"```python title=\"my_notifier.py\"\n(.*?)```", (DOCS / "plugins.md").read_text(), re.DOTALL)[1]


@pytest.fixture(autouse=True)
def _without_an_environment(monkeypatch):
    monkeypatch.delenv("HLMON_CONFIG_TOML", raising=False)


@pytest.fixture
def config(tmp_path):
    """Writes the files, and returns the path of the config; it is not in the folder in which hlmon is started."""

    def write(toml=NAMES_IT, /, **files):
        folder = tmp_path / "etc"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / f"{name}.py").write_text(text)
        (folder / "hlmon.toml").write_text(toml)
        return folder / "hlmon.toml"

    return write


def problem(path):
    config = load_config(path)
    with pytest.raises(ConfigError) as caught:
        enable(config, load_catalogue(config=config))
    return str(caught.value)


def invoke(*arguments):
    return CliRunner().invoke(program, [str(argument) for argument in arguments])


def test_the_file_of_the_docs_is_a_notifier_at_once(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = config(my_notifier=SHORTEST)
    assert "my-file" in invoke("plugins", "-c", path).output
    assert "The config is right." in invoke("check", "-c", path).output
    told = invoke("notify", "test", "-c", path)
    assert told.exit_code == 0, told.output
    assert "hlmon" in (tmp_path / "told.txt").read_text()


def test_it_writes_nothing_beside_the_config(config):
    path = config(my_notifier=SHORTEST)
    invoke("plugins", "-c", path)
    assert sorted(each.name for each in path.parent.iterdir()) == ["hlmon.toml", "my_notifier.py"]


def test_types_of_the_file_are_found_when_their_annotations_are_text(config):
    text = "from __future__ import annotations\n" + SHORTEST
    loaded = load_config(config(my_notifier=text))
    (mine,) = enable(loaded, load_catalogue(config=loaded)).notifiers
    assert sys.modules[type(mine.config).__module__].__file__.endswith("etc/my_notifier.py")


def test_a_file_that_is_missing_is_named_with_the_place_where_it_was_looked_for(config):
    assert re.search(r"plugins\[0\]: ./my_notifier.py: .*etc/my_notifier.py: no such file", problem(config()))


def test_an_import_that_raises_is_said_with_its_line(config):
    text = problem(config(my_notifier="import json\n\n\nraise ValueError('no licence')\n"))
    assert "plugins[0]: ./my_notifier.py: " in text
    assert "line 4: ValueError: no licence" in text


def test_a_file_that_is_no_python_is_said_with_its_line(config):
    assert re.search(r"SyntaxError: .*\(my_notifier.py, line 2\)", problem(config(my_notifier="\ndef oops(:\n")))


def test_a_file_that_ends_the_process_does_not(config):
    assert "SystemExit" in problem(config(my_notifier="raise SystemExit(3)\n"))


def test_a_file_without_a_hook_is_said_to_have_none(config):
    assert "no hook is in it" in problem(config(my_notifier="def send(alerts): ...\n"))


def test_a_hook_without_its_mark_is_named(config):
    text = SHORTEST.replace("@hookimpl\n", "")
    assert "hlmon_notifiers is not marked with @hookimpl" in problem(config(my_notifier=text))


def test_two_files_of_one_type_are_both_named(config):
    toml = NAMES_IT.replace('["./my_notifier.py"]', '["./my_notifier.py", "./other.py"]')
    text = problem(config(toml, my_notifier=SHORTEST, other=SHORTEST))
    assert "plugins, ./my_notifier.py and ./other.py" in text


def test_an_absolute_path_is_taken(config, tmp_path):
    (tmp_path / "elsewhere.py").write_text(SHORTEST)
    loaded = load_config(config(NAMES_IT.replace("./my_notifier.py", str(tmp_path / "elsewhere.py"))))
    assert [each.name for each in enable(loaded, load_catalogue(config=loaded)).notifiers] == ["mine"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../my_notifier.py", "must lie in the folder"),
        ("a/../../b.py", "must lie in"),
        ("hlmon_box", "installed plugin"),
    ],
)
def test_what_is_no_file_in_the_folder_of_the_config_is_refused(config, name, why):
    with pytest.raises(ConfigError, match=rf"plugins\[0\]: {re.escape(name)}: .*{why}"):
        load_config(config(NAMES_IT.replace("./my_notifier.py", name)))


def test_the_environment_can_name_no_file_to_run(tmp_path):
    (tmp_path / "evil.py").write_text("raise SystemExit(1)")
    toml = f'plugins = ["{tmp_path}/evil.py"]\n'
    with pytest.raises(ConfigError, match=r"HLMON_CONFIG_TOML:1: plugins\[0\]: .*put the config into a file"):
        load_config(None, environ={"HLMON_CONFIG_TOML": toml})


def test_a_disabled_file_is_not_run(config, monkeypatch):
    monkeypatch.setenv("HLMON_DISABLE_PLUGINS", "./my_notifier.py")
    loaded = load_config(config('plugins = ["./my_notifier.py"]\n' + ACCOUNT, my_notifier="raise SystemExit(3)\n"))
    assert enable(loaded, load_catalogue(config=loaded)).notifiers == ()
