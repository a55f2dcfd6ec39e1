"""A sink on a thread of its own: opened, called, left to itself when it hangs."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest

from hlmon.contract import NoConfig, Settings, SinkFactory
from hlmon.errors import Transient
from hlmon.monitor import opened
from hlmon.monitor.opened import MOST_HANGING, OpenedPart
from hlmon.monitor.plugin_thread import Abandoned
from hlmon.parts import EnabledPart
from hlmon.testing.builders import make_checkpoint
from tests.core.host.parts import Kept

LONG_S = 10.0


class Plugin:
    """A sink whose steps may be held up; `happened` is what it did, and on which thread."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.threads: set[str] = set()
        self.go_on = threading.Event()
        self.go_on.set()
        self.arrived = threading.Event()
        self.closed = threading.Event()
        self.sink = Kept([make_checkpoint()])

    def step(self, name: str) -> None:
        self.happened.append(name)
        self.threads.add(threading.current_thread().name)
        self.arrived.set()
        self.go_on.wait(LONG_S)

    @contextmanager
    def open(self, _config, _settings):
        self.step("open")
        yield self
        self.step("close")
        self.closed.set()

    def write(self, events) -> None:
        self.step("write")
        self.sink.write(events)

    def load_checkpoints(self):
        self.step("load")
        return self.sink.load_checkpoints()

    def part(self, **options) -> OpenedPart:
        factory = SinkFactory(name="kept", config=NoConfig, open=self.open)
        return OpenedPart(
            EnabledPart(name="archive", factory=factory, config=NoConfig()), Settings(name="x"), **options
        )


@pytest.fixture
def plugin():
    made = Plugin()
    yield made
    made.go_on.set()


def test_it_is_opened_called_and_closed_on_one_thread_that_is_not_ours(plugin):
    part = plugin.part()
    part.open()
    part.write([])
    part.close()
    assert plugin.happened == ["open", "write", "close"]
    assert plugin.threads == {"plugin archive"}


def test_checkpoints_are_read_only_where_they_are_wanted(plugin):
    part = plugin.part()
    part.open()
    assert part.load_checkpoints() == ()
    recalls = plugin.part(recalls=True)
    recalls.open()
    assert list(recalls.load_checkpoints()) == plugin.sink.checkpoints


def test_an_open_that_hangs_is_transient_and_closed_if_it_comes_back_after_all(plugin, monkeypatch):
    monkeypatch.setattr(opened, "OPEN_SECONDS", 0.01)
    plugin.go_on.clear()
    part = plugin.part()
    with pytest.raises(Transient, match="its open did not return within"):
        part.open()
    plugin.go_on.set()
    assert plugin.closed.wait(LONG_S)


def test_not_more_than_three_opens_hang_at_a_time(plugin, monkeypatch):
    monkeypatch.setattr(opened, "OPEN_SECONDS", 0.01)
    plugin.go_on.clear()
    part = plugin.part()
    for _ in range(MOST_HANGING):
        with pytest.raises(Transient, match="its open did not return"):
            part.open()
    with pytest.raises(Transient, match="3 attempts to open it have not returned"):
        part.open()
    assert plugin.happened == ["open"] * MOST_HANGING


def test_whoever_waits_for_a_write_goes_on_when_it_is_abandoned(plugin):
    part = plugin.part()
    part.open()
    plugin.go_on.clear()
    plugin.arrived.clear()
    threading.Thread(target=lambda: plugin.arrived.wait(LONG_S) and part.abandon()).start()
    with pytest.raises(Abandoned):
        part.write([])
    with pytest.raises(Abandoned):
        part.write([])


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(1), TimeoutError("slow"), KeyboardInterrupt()])
def test_what_a_plugin_raises_comes_to_its_courier_as_it_is(plugin, error):
    def fail(events) -> None:
        raise error

    part = plugin.part()
    plugin.sink.write = fail
    part.open()
    with pytest.raises(type(error)) as caught:
        part.write([])
    assert caught.value is error
