"""Text from outside reaches no terminal and no message as anything but text."""

import io
import json
import logging
import os
import random
import re
import time
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import click
import msgspec
import pytest
from rich.console import Console

from hlmon.cli import COMMANDS, program
from hlmon.cli.board import BoardReader
from hlmon.cli.output import Plain
from hlmon.cli.running import Verdict
from hlmon.cli.screen import render
from hlmon.cli.sections import View
from hlmon.contract import NoConfig, NotifierFactory
from hlmon.delivery import dispatch
from hlmon.events import STORED, Event
from hlmon.journal import Journal
from hlmon.labels import Labels
from hlmon.plain import plain_alert, plain_json, plain_line, plain_text
from hlmon.status import AccountStatus, ConnectionStatus, FollowerStatus, SourceStatus, Status
from hlmon.telemetry import configure_logging
from hlmon.testing import builders
from tests.core.invoking import run

EVIL = "\x1b]52;c;ZXZpbA==\x07[red]x[/red]\x9b31m\u202eABC\u2066\u200b\u2028\u2029\x7f\x00\r\n\u3164end\\"
"""Writes the clipboard, colours, turns the writing, hides, breaks lines, and looks like markup."""

ENDLESS = {"run", "record", "install", "uninstall"}
"""Commands that would watch or install; they are given a config that is refused."""


def dangerous(text: str, allowed: str = "\n") -> list[str]:
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return [c for c in text if (unicodedata.category(c) in kinds and c not in allowed) or c == "\u3164"]


@pytest.mark.parametrize("seed", [1, 2, 3, random.randrange(2**32)])
def test_whatever_the_text_is_nothing_dangerous_is_left_and_a_line_is_a_line(seed):
    chance = random.Random(seed)
    for _ in range(300):
        text = "".join(chr(chance.choice([chance.randrange(0x110000), chance.randrange(0x2100)])) for _ in range(50))
        assert dangerous(plain_line(text), "") == []
        assert dangerous(plain_text(text)) == []
        assert plain_line(plain_line(text)) == plain_line(text)


def test_text_that_is_plain_stays_as_it_is():
    for text in ("", "BTC", "xyz:SILVER", "Öl 🚨 ❤️ 日本語 عربي – …", "a\\b [bold]"):
        assert plain_line(text) == plain_text(text) == text
    assert plain_text("a\nb\r\nc\u2028d") == "a\nb\nc\nd"
    assert plain_line("a\nb\tc\u00a0d") == "a b c d"


def test_json_keeps_its_value():
    value = {EVIL: [EVIL, "\U000e0041\U0001f6a8 ü", 1.5]}
    document = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    assert dangerous(plain_json(document)) == []
    assert json.loads(plain_json(document)) == value


def test_an_alert_is_plain_in_every_text_and_has_lines_in_its_body_only():
    alert = builders.make_alert(
        rule=EVIL,
        subject=EVIL,
        title=EVIL,
        body=EVIL,
        details={EVIL: EVIL},
        labels={EVIL: EVIL},
        cause=("fill", "", EVIL),
    )
    document = msgspec.json.encode(plain_alert(alert)).decode()
    assert dangerous(str(msgspec.to_builtins(plain_alert(alert)))) == []
    assert "\n" in plain_alert(alert).body
    assert document.count("\\n") == plain_alert(alert).body.count("\n")


def test_every_notifier_is_given_plain_alerts(tmp_path):
    with Journal.open(tmp_path / "j.db") as journal:
        sent: list = []
        factory = NotifierFactory(name="x", config=NoConfig, open=None)
        notifier = SimpleNamespace(send=sent.extend)
        (worker,) = dispatch(journal, {"x": (notifier, factory)}, {}, accounts={}, max_age_ms=1, quarantine=print)
        worker._deliver([builders.make_alert(title=EVIL, body=EVIL, details={EVIL: EVIL})])
    assert dangerous(str(msgspec.to_builtins(sent))) == []


def test_labels_are_plain():
    assert dangerous(Labels({builders.ALICE: EVIL})[builders.ALICE], "") == []


@pytest.mark.parametrize("as_json", [True, False])
def test_a_log_is_plain_tracebacks_too(as_json):
    stream = io.StringIO()
    configure_logging("INFO", json=as_json, stream=stream)
    try:
        try:
            raise ValueError(EVIL)
        except ValueError:
            logging.getLogger("hlmon").exception("said %s", EVIL, extra={"coin": EVIL})
    finally:
        logging.getLogger().handlers.pop()
    assert "ValueError" in stream.getvalue()
    assert dangerous(stream.getvalue()) == []


def evil(event: Event) -> Event:
    """The event with every free text of it replaced."""
    free = {
        field.name: EVIL if field.type is str else {EVIL: EVIL}
        for field in msgspec.structs.fields(type(event))
        if field.type in (str, dict[str, str])
        and field.name not in {"account", "digest", "tx_hash", "completes", "master"}
    }
    return msgspec.structs.replace(event, **free)


def evil_status() -> Status:
    now_ms = time.time_ns() // 1_000_000
    source = SourceStatus(
        connection=ConnectionStatus(state="waiting", since_ms=now_ms, reason=EVIL),
        accounts=[
            AccountStatus(address=builders.ALICE, label=EVIL, role=EVIL, mode=EVIL, status="refused", reason=EVIL)
        ],
        coins=[EVIL],
        counters={EVIL: 1},
        problems=[EVIL],
    )
    return Status(
        pid=os.getpid(),
        version=EVIL,
        started_ms=now_ms - 9000,
        updated_ms=now_ms,
        url=EVIL,
        sources=[source],
        followers=[FollowerStatus(name=EVIL, part="sink", failing_since_ms=now_ms - 70_000, error=EVIL)],
        counters={EVIL: 2},
        problems=[EVIL],
    )


@pytest.fixture
def evil_journal(tmp_path: Path, monkeypatch):
    """A journal in which every free text is evil, where commands look for it, and a config whose labels are."""
    monkeypatch.chdir(tmp_path)
    makers = [getattr(builders, name) for name in dir(builders) if name.startswith("make_")]
    events = [event for event in (make() for make in makers) if getattr(event, "kind", "") in STORED]
    assert {event.kind for event in events} >= {"fill", "alert", "gap", "quarantine", "position", "order"}
    (tmp_path / "hlmon.toml").write_text(
        f'[[account]]\naddress = "{builders.ALICE}"\nlabel = {json.dumps(EVIL)}\n'
        f'[rule.close]\ntype = "position_closed"\n[notifier.phone]\ntype = "log"\n'
    )
    with Journal.open(tmp_path / "hlmon.db") as journal:
        journal.append([evil(event) for event in events])
        journal.put_status(msgspec.json.encode(evil_status()))
        yield journal


def every_command() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name in COMMANDS:
        command = program.get_command(click.Context(program), name)
        if isinstance(command, click.Group):
            found += [(name, inner) for inner in command.commands]
        else:
            found.append((name,))
    return found


@pytest.mark.parametrize("command", every_command(), ids=" ".join)
def test_no_command_shows_anything_dangerous(evil_journal, tmp_path, command):
    (tmp_path / "wrong.toml").write_text(
        f"[{json.dumps(EVIL)}]\nx = 1\n[rule.{json.dumps(EVIL)}]\ntype = {json.dumps(EVIL)}\n"
    )
    (tmp_path / "frames.jsonl").write_text(json.dumps({"channel": EVIL, "data": {"user": EVIL}}) + "\n")
    wrong = ["--config", "wrong.toml"]
    choices = (
        [wrong]
        if command[0] in ENDLESS
        else [[], ["--json"], ["--all"], ["--backtest"], wrong, ["1"], ["frames.jsonl"]]
    )
    ids = [str(seq) for (seq,) in evil_journal.query("SELECT id FROM alerts")]
    choices += [[each] for each in [*ids, *(kept.digest[:8] for kept in evil_journal.states("quarantine"))]]
    shown = []
    if command[0] in {"install", "uninstall"}:
        choices = [[EVIL]]
    for options in choices:
        result = run(*command, *options)
        assert dangerous(result.output) == [], (options, result.output)
        shown.append(result.output)
    assert any(shown)


@pytest.mark.parametrize("command", ["status", "gaps", "explain"])
def test_what_looks_like_markup_is_shown(evil_journal, command):
    assert "[red]x[/red]" in run(command).output


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_watch_screen_shows_nothing_dangerous_on_a_terminal(evil_journal, width):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, height=50, legacy_windows=False)
    verdict = Verdict(ok=False, running=True, why=EVIL)
    view = View(now_ms=builders.START_MS, width=width, height=50, title=EVIL, labels={builders.ALICE: EVIL})
    console.print(Plain(render(evil_status(), verdict, BoardReader(evil_journal).board, view)))
    text = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert dangerous(text) == []
    assert "ABC" in text


def test_commands_print_by_the_one_way_that_makes_text_plain():
    folder = Path(Plain.__init__.__code__.co_filename).parent
    others = [file for file in folder.rglob("*.py") if file.name != "output.py" and file.parent.name != "new_plugin"]
    direct = [
        file.name
        for file in others
        if re.search(r"click\.s?echo\(|(?<!console\.)\bprint\(|console\.print\((?!Plain|draw)", file.read_text())
    ]
    assert direct == ["__init__.py"]  # which prints errors, plain
    assert [file.name for file in others if re.search(r"\[/\]", file.read_text())] in (
        ["screen.py", "sections.py"],
        ["sections.py", "screen.py"],
    )
