import asyncio
import json
import os
import signal
from contextlib import contextmanager

import pytest

from hlmon import host
from hlmon.config import load_config
from hlmon.contract import DeriverFactory, NoConfig, SinkFactory, SourceFactory
from hlmon.errors import ConfigError, JournalError
from hlmon.journal import Journal
from hlmon.status import AccountStatus, SourceStatus
from hlmon.testing.builders import ALICE, make_checkpoint, make_fill


class Parts:
    """A catalogue of this test's own parts; `happened` is what they did, in order."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.sinks: dict[str, object] = {}
        self.sources: dict[str, object] = {}
        self.derivers: list[DeriverFactory] = []
        self.rules: dict[str, DeriverFactory] = {}

    def opening(self, name, part):
        @contextmanager
        def opened(config, settings):
            self.happened.append(f"open {name}")
            if isinstance(part, Exception):
                raise part
            yield part
            self.happened.append(f"close {name}")

        return opened

    def sink(self, name):
        return SinkFactory(name=name, config=NoConfig, open=self.opening(name, self.sinks[name]))

    def source(self, name):
        return SourceFactory(name=name, config=NoConfig, open=self.opening(name, self.sources[name]))

    def rule(self, name):
        return self.rules[name]

    def notifier(self, name):
        raise ConfigError(f"no notifier {name}")

    def always_derivers(self):
        return self.derivers


class Kept:
    """A sink that keeps everything."""

    def __init__(self, checkpoints=()) -> None:
        self.events: list = []
        self.checkpoints = checkpoints

    def write(self, events) -> None:
        self.events += events

    def load_checkpoints(self):
        return self.checkpoints


class Script:
    """A source that does this, each time that it is started."""

    def __init__(self, act) -> None:
        self.act = act
        self.starts = 0

    async def run(self, ingest) -> None:
        self.starts += 1
        await self.act(self, ingest)


async def stop(script=None, ingest=None) -> None:
    """What a user does: SIGTERM."""
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()


@pytest.fixture
def parts():
    made = Parts()
    made.sources["hyperliquid"] = Script(stop)
    return made


@pytest.fixture
def run(parts, tmp_path, monkeypatch):
    """A function that runs a monitor with this config text to its end and returns its journal's path."""
    monkeypatch.setattr(host, "full_jitter", lambda: lambda attempt, retry_after: 0.0)

    def run(text: str = "", **config):
        environ = {"HLMON_CONFIG_TOML": text}
        journal = tmp_path / "hlmon.db"
        host.run(load_config(None, environ=environ, journal=journal, accounts=[ALICE]), parts, **config)
        return journal

    return run


def table(section: str, name: str) -> str:
    return f'[{section}.{name}]\ntype = "{name}"\n'


def events_in(path, kind: str) -> list:
    with Journal.open(path, read_only=True) as journal:
        return [entry.event for entry in journal.read_after(0, kinds=[kind])]


def status_in(path) -> dict:
    with Journal.open(path, read_only=True) as journal:
        return json.loads(journal.status())


@pytest.fixture
def deadline():
    """Turns a monitor that never ends into a failure."""

    def late(number, frame):
        raise AssertionError("the monitor did not end")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, 5)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


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


def test_a_source_that_fails_is_started_again(parts, run):
    async def fail_twice(script, ingest) -> None:
        if script.starts < 3:
            raise RuntimeError("out of order")
        await stop()

    source = parts.sources["hyperliquid"] = Script(fail_twice)
    run()
    assert source.starts == 3


def test_a_source_that_fails_is_named_in_the_status_while_it_does_not_run(parts, run, monkeypatch):
    monkeypatch.setattr(host, "STATUS_SECONDS", 0.0)
    monkeypatch.setattr(host, "full_jitter", lambda: lambda attempt, retry_after: 3600.0)

    async def fail(script, ingest) -> None:
        raise RuntimeError("out of order")

    async def watch(script, ingest) -> None:
        while not parts.sources["hyperliquid"].starts:
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        await stop()

    parts.sources |= {"hyperliquid": Script(fail), "second": Script(watch)}
    journal = run(table("source", "second"))
    assert status_in(journal)["problems"] == ["source hyperliquid failed: RuntimeError: out of order"]


@pytest.mark.usefixtures("deadline")
def test_derivers_feel_the_pulse_of_every_source_and_follower_while_it_beats(parts, run, monkeypatch):
    monkeypatch.setattr(host, "STATUS_SECONDS", 0.0)
    status = SourceStatus(accounts=[AccountStatus(address=ALICE, status="watched")])

    class Feed(Script):
        def status(self) -> SourceStatus:
            return status

    async def look(script, ingest) -> None:
        while len(felt) < 2:
            await asyncio.sleep(0)
        await stop()

    felt: list = []
    feel = parts.opening("feel", lambda pulse: felt.append(pulse) or ())
    parts.derivers = [DeriverFactory(name="feel", config=NoConfig, open=feel, kinds=frozenset({"pulse"}), always=True)]
    parts.sources["hyperliquid"] = Feed(look)
    parts.sinks["archive"] = Kept()
    journal = run(table("sink", "archive"))
    assert felt[0].sources == [status]
    assert [(follower.part, follower.name) for follower in felt[0].followers] == [("sink", "archive")]
    assert status_in(journal)["started_ms"] <= felt[0].time_ms <= felt[1].time_ms
    assert events_in(journal, "pulse") == []


@pytest.mark.usefixtures("deadline")
def test_a_source_that_cannot_say_how_it_is_stops_nothing(parts, run, monkeypatch):
    monkeypatch.setattr(host, "STATUS_SECONDS", 0.0)

    class Broken(Script):
        def status(self) -> SourceStatus:
            raise RuntimeError("no idea")

    async def watch(script, ingest) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        await stop()

    parts.sources["hyperliquid"] = Broken(watch)
    (source,) = status_in(run())["sources"]
    assert source["problems"] == ["source hyperliquid cannot say how it is: RuntimeError: no idea"]


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


def test_a_source_that_ends_leaves_the_monitor_running(parts, run):
    async def end(script, ingest) -> None:
        ingest([fill])

    async def wait_for_it(script, ingest) -> None:
        while not ended.starts:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        await stop()

    fill = make_fill()
    ended = Script(end)
    parts.sources |= {"hyperliquid": Script(wait_for_it), "finite": ended}
    assert events_in(run(table("source", "finite")), "fill") == [fill]
    assert ended.starts == 1


@pytest.mark.usefixtures("deadline")
@pytest.mark.parametrize("error", [None, RuntimeError("while tidying up")], ids=["returns", "raises"])
def test_a_source_that_answers_the_stop_in_its_own_way_is_not_started_again(error, parts, run):
    async def tidy_up(script, ingest) -> None:
        ingest([fill])
        try:
            await stop()
        except asyncio.CancelledError:
            if script.starts > 1:
                raise
            if error is not None:
                raise error from None

    fill = make_fill()
    source = parts.sources["hyperliquid"] = Script(tidy_up)
    assert events_in(run(), "fill") == [fill]
    assert source.starts == 1


def test_a_journal_that_fails_ends_the_monitor_with_its_error(parts, run, monkeypatch):
    def full(self, events, memories=None):
        raise JournalError("the disk is full")

    async def give(script, ingest) -> None:
        ingest([make_fill()])
        await asyncio.Event().wait()

    parts.sources["hyperliquid"] = Script(give)
    monkeypatch.setattr(Journal, "append", full)
    with pytest.raises(JournalError, match="the disk is full"):
        run()


def test_a_source_resumes_from_the_checkpoints_of_a_sink_when_the_disk_is_empty(parts, run):
    async def look(script, ingest) -> None:
        seen.extend(ingest.states("checkpoint"))
        await stop()

    seen: list = []
    checkpoint = make_checkpoint()
    parts.sinks["archive"] = Kept([checkpoint])
    parts.sources["hyperliquid"] = Script(look)
    run(table("sink", "archive"))
    assert seen == [checkpoint]


def test_raw_frames_are_shown_to_whoever_asks_for_them(parts, run):
    frames: list[bytes] = []

    class Feed(Script):
        on_frame = None

        async def run(self, ingest) -> None:
            self.on_frame(b"a frame")
            await stop()

    parts.sources["hyperliquid"] = Feed(None)
    run(on_frame=frames.append)
    assert frames == [b"a frame"]


def test_a_recording_has_one_frame_a_line(parts, tmp_path):
    class Feed(Script):
        on_frame = None

        async def run(self, ingest) -> None:
            for frame in (b"greeting", b'{\n"a": 1}', '{"b": "\u20ac"}'):
                self.on_frame(frame)
            await stop()

    parts.sources["hyperliquid"] = Feed(None)
    config = load_config(None, environ={}, journal=tmp_path / "hlmon.db", accounts=[ALICE])
    host.record(config, parts, tmp_path / "frames.jsonl")
    lines = (tmp_path / "frames.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines == ["greeting", '{ "a": 1}', '{"b": "\u20ac"}']


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
