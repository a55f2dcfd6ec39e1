"""docs/rules.md is true: every type has its place and every config is one. Its tables are tests/test_reference.py's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hlmon.config import load_config
from hlmon.parts import enable, settings_for
from hlmon.plugins import load_catalogue
from hlmon.rules.types import FACTORIES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "rules.md"
ACCOUNT = f'[[account]]\naddress = "0x{"a1" * 20}"\nlabel = "main"\n'


def snippets() -> list[str]:
    return re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_each_type_has_a_heading_and_a_snippet_of_its_own():
    types = {factory.name for factory in FACTORIES}
    assert types <= set(re.findall(r"^### (\w+)$", PAGE.read_text(), re.MULTILINE))
    assert types == {kind for text in snippets() for kind in re.findall(r'^type = "(\w+)"', text, re.MULTILINE)}


@pytest.mark.parametrize("text", snippets())
def test_every_snippet_is_a_config_whose_rules_open(text):
    config = load_config(None, environ={"HLMON_CONFIG_TOML": ACCOUNT + text})
    parts = enable(config, load_catalogue(disabled=frozenset()))
    opened = 0
    for part in parts.derivers:
        with part.open(settings_for(part.name, config)):
            opened += not part.factory.always
    assert opened == text.count("[rule.")
