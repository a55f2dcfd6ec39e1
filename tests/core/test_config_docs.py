"""The page about configuration says what is so; tests/test_reference.py holds its tables of fields to the code."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from hlmon import ENTRY_POINT_GROUP
from hlmon.config import load_config
from hlmon.errors import ConfigError
from hlmon.parts import enable
from hlmon.plugins import load_catalogue

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "configuration.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_example_of_the_page_is_a_config_that_enables_what_it_names():
    (example,) = blocks("toml")
    parts = enable(load_config(None, environ={"HLMON_CONFIG_TOML": example}), load_catalogue(disabled=frozenset()))
    assert [part.name for part in (*parts.sinks, *parts.notifiers)] == ["archive", "screen"]
    assert parts.derivers[-1].name == "closes"


@pytest.mark.parametrize("line", blocks("text")[0].splitlines())
def test_every_error_of_the_page_is_one(line, tmp_path, monkeypatch):
    texts = {
        "snapshot_seconds": "[hyperliquid]\nsnapshot_seconds = 1",
        "pathh": '[sink.archive]\ntype = "jsonl"\npath = "x"\npathh = "x"',
        "hlmon-dynamodb": '[sink.store]\ntype = "dynamodb"',
        "fone": '[notifier.phone]\ntype = "log"\n[[route]]\nto = ["fone"]',
    }
    alone = [entry for entry in entry_points(group=ENTRY_POINT_GROUP) if entry.name == "builtin"]
    (text,) = (text for word, text in texts.items() if word in line)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hlmon.toml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        enable(load_config(None, environ={}), load_catalogue(alone, disabled=frozenset()))
    assert line in str(raised.value).splitlines()
