"""How a monitor opens its parts, runs them to the stop and closes them, and what a check of them opens."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager

import msgspec
import pytest

from hlmon import host
from hlmon.check import check
from hlmon.config import load_config
from hlmon.contract import DeriverFactory, NoConfig
from hlmon.errors import ConfigError, JournalError
from hlmon.journal import Journal
from hlmon.secret import Secret
from hlmon.testing.builders import ALICE, make_fill
from tests.core.host.parts import Kept, Parts, Script, events_in, reasons_in, status_in, stop, table


def test_every_part_is_opened_once_and_closed_at_the_end(parts, run):
    parts.sinks["archive"] = Kept()
    run(table("sink", "archive"))
    assert sorted(parts.happened) == ["close archive", "close hyperliquid", "open archive", "open hyperliquid"]
    assert parts.happened.index("close archive") < parts.happened.index("close hyperliquid")


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


@pytest.mark.usefixtures("deadline")
@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ConfigError("no such table; create it"), "no such table; create it"),
        (RuntimeError("out of order"), "RuntimeError: out of order"),
        (SystemExit(3), "SystemExit: 3"),
        (asyncio.CancelledError(), "CancelledError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_sink_that_cannot_be_opened_is_failing_with_its_reason_and_the_others_get_everything(parts, run, error, why):
    async def give(script, ingest) -> None:
        ingest([fill])
        while not parts.sinks["archive"].events:
            await asyncio.sleep(0)
        await stop()

    fill = make_fill()
    parts.sinks |= {"archive": Kept(), "remote": error}
    parts.sources["hyperliquid"] = Script(give)
    journal = run(table("sink", "remote") + table("sink", "archive"))
    status = status_in(journal)
    (remote,) = (each for each in status["components"] if each["name"] == "remote")
    assert (remote["state"], remote["why"], remote["part"], remote["type"]) == ("failing", why, "sink", "remote")
    assert any(text.startswith("sink remote fails since 0 s: ") and why in text for text in reasons_in(journal))
    assert parts.sinks["archive"].events == [fill]


@pytest.mark.usefixtures("deadline")
def test_a_sink_that_was_away_gets_everything_once_when_it_is_back(parts, run):
    async def give(script, ingest) -> None:
        ingest([fill])
        while not kept.events:
            await asyncio.sleep(0)
        await stop()

    @contextmanager
    def opened(config, settings):
        tries.append(settings.name)
        if len(tries) < 3:
            raise OSError("not there yet")
        yield kept

    fill, kept, tries = make_fill(), Kept(), []
    parts.sinks["archive"] = kept
    parts.opening = lambda name, part: opened if part is kept else Parts.opening(parts, name, part)
    parts.sources["hyperliquid"] = Script(give)
    run(table("sink", "archive"))
    assert kept.events == [fill]
    assert len(tries) == 3


def test_a_secret_that_is_missing_ends_the_start_before_anything_is_opened(parts, run, tmp_path):
    parts.sinks["archive"] = Kept()
    parts.config = WithSecret
    with pytest.raises(ConfigError, match=r"sink\.archive\.key: the secret env:NOBODY_SETS_THIS is not set$"):
        run(table("sink", "archive") + 'key = "env:NOBODY_SETS_THIS"')
    assert parts.happened == []
    assert not (tmp_path / "hlmon.db").exists()


class WithSecret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A config with one secret."""

    key: Secret


@pytest.mark.parametrize("error", [RuntimeError("no idea"), SystemExit(1)], ids=lambda value: type(value).__name__)
def test_a_rule_that_cannot_be_opened_by_a_fault_of_its_own_is_failing_and_the_monitor_runs(parts, run, error):
    parts.rules["mine"] = DeriverFactory(
        name="mine", config=NoConfig, open=parts.opening("mine", error), kinds=frozenset({"fill"})
    )
    status = status_in(run(table("rule", "mine")))
    (rule,) = (each for each in status["components"] if each["part"] == "rule")
    assert rule["state"] == "failing"
    assert str(error) in rule["why"]
    assert rule["next_try_ms"] is None


def test_a_rule_whose_config_is_wrong_ends_the_start(parts, run):
    parts.rules["mine"] = DeriverFactory(
        name="mine", config=NoConfig, open=parts.opening("mine", ConfigError("no such coin")), kinds=frozenset()
    )
    with pytest.raises(ConfigError, match=r"^HLMON_CONFIG_TOML:1: rule\.mine: no such coin$"):
        run(table("rule", "mine"))


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
    lines = check(config, parts, connect=False)
    assert parts.happened == []
    assert f"account {ALICE}" in lines
    assert "sink archive (archive)" in lines


@pytest.mark.parametrize("error", [ConfigError("wrong key; renew it"), SystemExit(3), asyncio.CancelledError()])
def test_check_that_connects_fails_on_whatever_keeps_a_part_from_opening(parts, error):
    parts.sinks["archive"] = error
    config = load_config(None, environ={"HLMON_CONFIG_TOML": table("sink", "archive")}, accounts=[ALICE])
    with pytest.raises(ConfigError, match=r"sink\.archive: (wrong key; renew it|SystemExit: 3|CancelledError)"):
        check(config, parts, connect=True)


@pytest.mark.parametrize("connect", [False, True])
def test_check_proves_the_secret_of_the_watchdog(parts, connect):
    text = '[watchdog]\nping_url = "env:A_VARIABLE_THAT_NOBODY_SETS"'
    config = load_config(None, environ={"HLMON_CONFIG_TOML": text}, accounts=[ALICE])
    with pytest.raises(ConfigError, match="A_VARIABLE_THAT_NOBODY_SETS is not set"):
        check(config, parts, connect=connect)
