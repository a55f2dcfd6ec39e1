"""Sources that fail, end or resist the stop, and what the monitor tells about them."""

from __future__ import annotations

import asyncio

import pytest

from hlmon import host
from hlmon.config import load_config
from hlmon.contract import DeriverFactory, NoConfig
from hlmon.status import AccountStatus, SourceStatus
from hlmon.testing.builders import ALICE, make_checkpoint, make_fill
from tests.core.host.parts import Kept, Script, events_in, reasons_in, status_in, stop, table


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
    (problem,) = reasons_in(journal)
    assert problem.startswith("source hyperliquid fails since 0 s: RuntimeError: out of order (tried again in 3")


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
