"""The sink "jsonl"."""

from __future__ import annotations

import errno
import io
import os
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from hlmon.contract import Settings
from hlmon.errors import ConfigError
from hlmon.events import State, decode, encode
from hlmon.sinks.jsonl import FACTORY, JsonlConfig
from hlmon.testing import SinkContract
from hlmon.testing.builders import make_checkpoint, make_fill, make_position

SETTINGS = Settings(name="archive")


def events_in(path: Path):
    lines = path.read_bytes().splitlines()
    return [decode(line.split(b'"')[3].decode(), line) for line in lines]


class TestJsonlSink(SinkContract):
    excused: ClassVar = {
        "test_two_writers_on_one_store_agree": "one sink holds the file locked; a second one is refused at opening",
        "test_a_refused_event_raises_permanent": "a file takes every line",
    }

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path, monkeypatch):
        self.path = tmp_path / "events.jsonl"
        self.monkeypatch = monkeypatch

    def factory(self):
        return FACTORY

    def config(self):
        return JsonlConfig(path=str(self.path))

    def wrong_configs(self):
        return {
            "a folder that does not exist": JsonlConfig(path=str(self.path.parent / "none" / "events.jsonl")),
            "a folder instead of a file": JsonlConfig(path=str(self.path.parent)),
            "no file of a disk": JsonlConfig(path=os.devnull),
        }

    def stored(self):
        """Facts as often as they are there; of a state, the line that holds."""
        events = events_in(self.path)
        states = {event.name: event for event in events if isinstance(event, State)}
        return [event for event in events if not isinstance(event, State)] + list(states.values())

    @contextmanager
    def outage(self):
        with self.monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(errno.ENOSPC, "disk full")))
            yield


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.jsonl"


def write(path, *events):
    with FACTORY.open(JsonlConfig(path=str(path)), SETTINGS) as sink:
        sink.write(events)


def test_an_event_is_one_line_as_encoded(path):
    fills = [make_fill(), make_fill()]
    write(path, *fills)
    assert path.read_bytes() == b"".join(encode(fill) + b"\n" for fill in fills)


@pytest.mark.parametrize("kept", range(1, 60, 7))
def test_a_line_that_a_kill_cut_off_is_dropped_and_comes_again(path, kept):
    first, second = make_fill(), make_fill()
    write(path, first)
    with path.open("ab") as file:
        file.write(encode(second)[:kept])
    write(path, second)
    assert events_in(path) == [first, second]


def test_a_whole_line_without_its_end_is_written_once(path):
    fill = make_fill()
    path.write_bytes(encode(fill))
    write(path, fill)
    assert events_in(path) == [fill]


def test_zeros_that_a_power_cut_left_are_dropped(path):
    first, second = make_fill(), make_fill()
    path.write_bytes(encode(first) + b"\n" + b"\0" * 100)
    write(path, second)
    assert events_in(path) == [first, second]


@pytest.mark.parametrize(
    "content", [b"precious notes", b"precious\nnotes\n", b'{"kind":"fill"}\n', b'{"kind":"x"}\n{"kin', b"\n"]
)
def test_a_file_of_something_else_is_refused_and_left_as_it_is(path, content):
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"events.jsonl, line 1: not an event"):
        write(path, make_fill())
    assert path.read_bytes() == content


def test_a_file_is_written_by_one_sink_only(path):
    with FACTORY.open(JsonlConfig(path=str(path)), SETTINGS), pytest.raises(ConfigError, match="another sink"):
        write(path, make_fill())


def test_a_write_that_failed_half_way_leaves_no_trace(path, monkeypatch):
    first, second, third = make_fill(), make_fill(), make_fill()
    with FACTORY.open(JsonlConfig(path=str(path)), SETTINGS) as sink:
        sink.write([first])
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(errno.EIO, "lost")))
            with pytest.raises(OSError, match="lost"):
                sink.write([second, third])
        sink.write([third])
    assert events_in(path) == [first, third]


def test_only_a_newer_version_of_a_state_is_a_further_line(path):
    old, new = make_position(coin="ETH", time_ms=1), make_position(coin="ETH", time_ms=2)
    write(path, old)
    write(path, new)
    write(path, old)
    assert events_in(path) == [old, new]


def test_checkpoints_are_read_back_from_the_file(path):
    old, new = make_checkpoint(time_ms=1), make_checkpoint(time_ms=2)
    write(path, old, make_fill())
    write(path, new)
    with FACTORY.open(JsonlConfig(path=str(path)), SETTINGS) as sink:
        assert list(sink.load_checkpoints()) == [new]


def test_a_home_folder_may_be_written_short(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write("~/events.jsonl", make_fill())
    assert len(events_in(tmp_path / "events.jsonl")) == 1


def test_short_writes_of_the_system_are_completed(path, monkeypatch):
    fill = make_fill()
    with FACTORY.open(JsonlConfig(path=str(path)), SETTINGS) as sink:
        whole = sink._file

        class Dripping(io.FileIO):
            def write(self, data):
                return super().write(data[:5])

        sink._file = Dripping(os.dup(whole.fileno()), "r+")
        sink.write([fill])
        sink._file.close()
    assert events_in(path) == [fill]


GROWING = """
import sys
from pathlib import Path
from hlmon.contract import Settings
from hlmon.sinks.jsonl import FACTORY, JsonlConfig
from hlmon.testing.builders import make_fill

def write(sink, batches):
    for _ in range(batches):
        sink.write([make_fill() for _ in range(500)])
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])

with FACTORY.open(JsonlConfig(path=sys.argv[1]), Settings(name="archive")) as sink:
    first_kb = write(sink, 40)
    last_kb = write(sink, 160)
with FACTORY.open(JsonlConfig(path=sys.argv[1]), Settings(name="archive")) as sink:
    again_kb = write(sink, 1)
print(last_kb - first_kb, again_kb - first_kb)
"""


def test_memory_does_not_grow_with_the_file_neither_while_it_is_written_nor_at_the_next_start(path):
    command = [sys.executable, "-c", GROWING, path]
    grown_kb = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert all(int(each) < 8_000 for each in grown_kb), grown_kb  # 80,000 names alone would take 30,000


def test_the_index_leaves_nothing_in_the_folder(path):
    with FACTORY.open(JsonlConfig(path=str(path)), SETTINGS) as sink:
        sink.write([make_fill()])
        assert list(path.parent.iterdir()) == [path]


def test_after_trouble_with_the_index_every_event_is_written_once(path):
    first, second = make_fill(), make_fill()
    with FACTORY.open(JsonlConfig(path=str(path)), SETTINGS) as sink:
        sink.write([first])
        sink._versions._table.set_authorizer(
            lambda action, *_: sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_INSERT else sqlite3.SQLITE_OK
        )
        with pytest.raises(OSError, match="the index beside"):
            sink.write([second])
        sink.write([first, second])
    assert events_in(path) == [first, second]
