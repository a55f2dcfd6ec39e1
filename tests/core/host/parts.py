"""Parts made for a test, and what a monitor of them left in its journal."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import contextmanager

import msgspec

from hlmon.contract import DeriverFactory, NoConfig, SinkFactory, SourceFactory
from hlmon.errors import ConfigError
from hlmon.journal import Journal
from hlmon.status import Status
from hlmon.watchdog import reasons


class Parts:
    """A catalogue of this test's own parts; `happened` is what they did, in order."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.warnings: list[str] = []
        self.config: type = NoConfig
        self.sinks: dict[str, object] = {}
        self.sources: dict[str, object] = {}
        self.derivers: list[DeriverFactory] = []
        self.rules: dict[str, DeriverFactory] = {}

    def opening(self, name, part):
        @contextmanager
        def opened(config, settings):
            self.happened.append(f"open {name}")
            if isinstance(part, BaseException):
                raise part
            yield part
            self.happened.append(f"close {name}")

        return opened

    def sink(self, name):
        return SinkFactory(name=name, config=self.config, open=self.opening(name, self.sinks[name]))

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


def table(section: str, name: str) -> str:
    return f'[{section}.{name}]\ntype = "{name}"\n'


def events_in(path, kind: str) -> list:
    with Journal.open(path, read_only=True) as journal:
        return [entry.event for entry in journal.read_after(0, kinds=[kind])]


def status_in(path) -> dict:
    with Journal.open(path, read_only=True) as journal:
        return json.loads(journal.status())


def reasons_in(path) -> list[str]:
    """Why the monitor of this journal was not well when it last spoke, but that nothing is watched."""
    with Journal.open(path, read_only=True) as journal:
        status = msgspec.json.decode(journal.status(), type=Status)
    return [reason for reason in reasons(status, now_ms=status.updated_ms) if "nothing is watched" not in reason]
