"""How a monitor opens its parts, runs them to the stop and closes them, and what a check of them opens."""

from __future__ import annotations

import asyncio

import pytest

from hlmon import host
from hlmon.config import load_config
from hlmon.contract import DeriverFactory, NoConfig
from hlmon.errors import ConfigError, JournalError
from hlmon.journal import Journal
from hlmon.testing.builders import ALICE, make_fill
from tests.core.host.parts import Kept, Script, events_in, stop, table


def test_parts_open_from_the_sinks_up_to_the_sources_and_close_in_reverse(parts, run):
    parts.sinks["archive"] = Kept()
    run(table("sink", "archive"))
    assert parts.happened == ["open archive", "open hyperliquid", "close hyperliquid", "close archive"]


class Busy(host.IdleSchedule):
    """The schedule of a loop that is never idle."""

    def __call__(self, flush) -> None:
        pass


def test_what_a_source_gave_just_before_the_stop_is_stored_and_delivered(parts, run, monkeypatch):
    async def give(script, ingest) -> None:
        ingest([fill])
        await stop()

    monkeypatch.setattr(host, "IdleSchedule", Busy)
    fill = make_fill()
    parts.sinks["archive"] = Kept()
    parts.sources["hyperliquid"] = Script(give)
    journal = run(table("sink", "archive"))
    assert events_in(journal, "fill") == [fill]
    assert parts.sinks["archive"].events == [fill]


def test_a_part_that_cannot_be_opened_is_named_and_everything_open_is_closed(parts, run, tmp_path):
    parts.sinks |= {"archive": Kept(), "remote": ConfigError("no such table")}
    with pytest.raises(ConfigError, match=r"^remote \(remote\): no such table$"):
        run(table("sink", "archive") + table("sink", "remote"))
    assert parts.happened == ["open archive", "open remote"]
    assert parts.sources["hyperliquid"].starts == 0
    Journal.open(tmp_path / "hlmon.db").close()  # its lock is free


class Remembering:
    """A deriver that remembers one word for ever."""

    def __init__(self, word: bytes) -> None:
        self.word = word
        self.loaded = None

    def __call__(self, event):
        return ()

    def dump_memory(self) -> bytes:
        return self.word

    def load_memory(self, memory: bytes) -> None:
        self.loaded = memory


def test_a_rule_that_bears_the_name_of_a_deriver_keeps_its_own_memory(parts, run):
    deriver, rule = Remembering(b"of the deriver"), Remembering(b"of the rule")
    kinds = frozenset({"fill"})
    always = DeriverFactory(
        name="closes", config=NoConfig, open=parts.opening("deriver", deriver), kinds=kinds, always=True
    )
    parts.derivers = [always]
    parts.rules["closes"] = DeriverFactory(
        name="closes", config=NoConfig, open=parts.opening("rule", rule), kinds=kinds
    )
    for _ in range(2):
        run(table("rule", "closes"))
    assert (deriver.loaded, rule.loaded) == (b"of the deriver", b"of the rule")


@pytest.mark.parametrize("error", [JournalError, OverflowError, MemoryError])
def test_whatever_ends_storing_ends_the_monitor_with_an_error(parts, run, monkeypatch, error):
    def full(self, events, memories=None):
        raise error("the disk is full")

    async def give(script, ingest) -> None:
        ingest([make_fill()])
        await asyncio.Event().wait()

    parts.sources["hyperliquid"] = Script(give)
    monkeypatch.setattr(Journal, "append", full)
    with pytest.raises(JournalError, match="the disk is full"):
        run()


def test_check_opens_nothing_unless_it_shall_connect(parts):
    parts.sinks["archive"] = Kept()
    config = load_config(None, environ={"HLMON_CONFIG_TOML": table("sink", "archive")}, accounts=[ALICE])
    lines = host.check(config, parts, connect=False)
    assert parts.happened == []
    assert f"account {ALICE}" in lines
    assert "sink archive (archive)" in lines


def test_check_that_connects_proves_the_secret_of_the_watchdog(parts):
    text = '[watchdog]\nping_url = "env:A_VARIABLE_THAT_NOBODY_SETS"'
    config = load_config(None, environ={"HLMON_CONFIG_TOML": text}, accounts=[ALICE])
    host.check(config, parts, connect=False)
    with pytest.raises(ConfigError, match="A_VARIABLE_THAT_NOBODY_SETS is not set"):
        host.check(config, parts, connect=True)
