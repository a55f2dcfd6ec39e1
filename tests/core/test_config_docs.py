"""The page about configuration says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from hlmon.config import FileConfig, HyperliquidSection, load_config
from hlmon.parts import enable
from hlmon.plugins import load_catalogue
from hlmon.routing import Inhibit, NotifierPolicy, Route
from hlmon.watchdog import WatchdogSection

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "configuration.md").read_text()


def test_the_example_of_the_page_is_a_config_that_enables_what_it_names():
    (example,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    parts = enable(load_config(None, environ={"HLMON_CONFIG_TOML": example}), load_catalogue(disabled=frozenset()))
    assert [part.name for part in (*parts.sinks, *parts.notifiers)] == ["archive", "screen"]
    assert parts.derivers[-1].name == "closes"


def test_every_field_has_a_row_with_its_default():
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| (?:`(.*?)`|[a-z ]+) \|", PAGE, re.MULTILINE))
    structs = {"": FileConfig, "hyperliquid.": HyperliquidSection, "watchdog.": WatchdogSection}
    structs |= {"route.": Route, "inhibit.": Inhibit, "notifier.": NotifierPolicy}
    sections = {"account", "hyperliquid", "route", "source", "sink", "notifier", "rule", "watchdog", "inhibit"}
    fields = {
        f"{prefix}{field.name}": field
        for prefix, struct in structs.items()
        for field in msgspec.structs.fields(struct)
        if prefix or field.name not in sections
    }
    assert set(rows) == {*fields, "account.address", "account.label"}
    shown = {name: value for name, value in rows.items() if value and name in fields}
    default = {name: fields[name].default for name in shown if fields[name].default is not msgspec.NODEFAULT}
    assert {name: msgspec.json.decode(shown[name]) for name in default} == msgspec.json.decode(
        msgspec.json.encode(default, enc_hook=str)
    )
