"""The tables of fields and the help in the docs are what the program says of itself: `make docs` writes them."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
REFERENCE = runpy.run_path(str(DOCS / "reference.py"))
TABLES = REFERENCE["tables"]()
PAGES = sorted(DOCS.glob("*.md"))


def places(page: Path) -> list[str]:
    return re.findall(r"<!-- fields: ([\w. ]+) -->", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_says_what_the_program_says(page):
    text = page.read_text(encoding="utf-8")
    assert text == REFERENCE["written"](text), "run: make docs"


def test_every_table_that_a_config_may_have_is_on_one_page():
    on_pages = sorted(name for page in PAGES for name in places(page))
    same = {"source.hyperliquid", "notifier.log"}  # has the fields of [hyperliquid]; has none
    assert on_pages == sorted(TABLES.keys() - same)
    assert TABLES["source.hyperliquid"] == TABLES["hyperliquid"]
    assert TABLES["notifier.log"] == "No fields.\n"


def test_the_page_about_configuration_leads_to_the_table_of_every_type():
    page = (DOCS / "configuration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (source|sink|notifier) \| (.*?) \|.*\| (.*?) \|$", page, re.MULTILINE)
    leads = {
        f"{section}.{name}": re.findall(r"\((\w+\.md)\)", where) or ["configuration.md"]
        for section, names, where in rows
        for name in re.findall(r"`(\w+)`", names)
    }
    types = [name for name in TABLES if name.startswith(("source.", "sink.", "notifier."))]
    assert leads.keys() == {name for name in types if name != "source.hyperliquid"}
    for name in leads.keys() - {"notifier.log"}:
        assert name in places(DOCS / leads[name][0])


def test_a_table_tells_type_bounds_default_and_meaning():
    rows = {line.split("`")[1]: line for line in TABLES["hyperliquid"].splitlines()[2:]}
    assert rows["snapshot_seconds"] == (
        "| `snapshot_seconds` | whole number, at least 5 | `60` | time between two account snapshots |"
    )
    assert "| list of text |  |" in rows["coins"]
    assert "| [secret](configuration.md#secrets) | `" in TABLES["sink.supabase"]
    assert TABLES["route"].splitlines()[2].startswith("| `to` | list of text | required |")
    assert "`critical`, `info` or `warning`" in TABLES["route"]


def test_what_many_types_have_in_common_is_told_once():
    assert "messages_per_minute" not in TABLES["notifier.discord"]
    assert "cooldown_seconds" not in TABLES["rule.fill"]
    assert "one is many fills" in TABLES["rule.liquidation"]  # but not where it has another meaning or default
