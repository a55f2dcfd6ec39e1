"""docs/troubleshooting.md quotes what the program says: each message stands in the source, with … for what varies."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from hlmon.journal.file import _ADVICE as ADVICE

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
JOURNAL = ROOT / "packages/hlmon-core/src/hlmon/journal"
REASONS = ROOT / "packages/hlmon-core/src/hlmon/watchdog/reasons.py"
VARIES = re.compile(r"%(?:\.\d+)?[sdrf]|\{\w+\}")  # of the logger, and of str.format


def quoted() -> list[str]:
    """The code of the first column of the tables whose first column is headed `message`."""
    tables = re.findall(r"^\| message \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    cells = [re.split(r"(?<!\\) \| ", row)[0] for table in tables for row in table.splitlines()]
    return [(double or single).strip() for cell in cells for double, single in re.findall(r"``(.+?)``|`(.+?)`", cell)]


def messages_in(file: Path) -> Iterator[str]:
    """Every text of a module but docstrings as it may be shown: an f-string has … for its values."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    others = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr | ast.Expr)]
    inner = {id(part) for node in others for part in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield from map("".join, product(*(texts_of(part) for part in node.values)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield VARIES.sub("…", node.value)


def texts_of(part: ast.expr) -> list[str]:
    if isinstance(part, ast.Constant):
        return [str(part.value)]
    if isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.IfExp):
        ways = [part.value.body, part.value.orelse]
        if all(isinstance(way, ast.Constant) for way in ways):
            return [str(way.value) for way in ways]
    return ["…"]


MESSAGES = [text for file in sorted(ROOT.glob("packages/*/src/**/*.py")) for text in messages_in(file)]


@pytest.mark.parametrize("message", quoted())
def test_a_quoted_message_is_one_of_the_program(message):
    assert any(message in text for text in MESSAGES)


def test_the_page_is_read_as_it_is_meant():
    assert len(quoted()) > 50
    assert "the secret … is not set" in quoted()
    assert not any("no such message of hlmon" in text for text in MESSAGES)


def journal_errors(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "JournalError":
            parts = getattr(node.args[0], "values", [])
            yield "".join(texts_of(part)[0] for part in parts).removeprefix("journal …: ")


@pytest.mark.parametrize(
    "text", [*journal_errors(JOURNAL / "lock.py"), *journal_errors(JOURNAL / "schema.py"), *ADVICE.values()]
)
def test_every_reason_why_a_journal_cannot_be_used_is_on_the_page(text):
    assert any(text.startswith(message) for message in quoted())


@pytest.mark.parametrize("text", [text for text in messages_in(REASONS) if len(text.split()) > 2])
def test_every_reason_of_healthz_is_on_the_page(text):
    assert any(text.lstrip("… ").startswith(message.lstrip("… ")) for message in quoted())
