"""A plugin that does wrong in one way at one moment: its text is installed as a package where a test needs it.

BAD_MOMENT and BAD_WAY of the environment say when and how, BAD_KINDS which of its parts do so.
"""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import os
import sys
import threading
from contextlib import contextmanager

import click

from hlmon import DeriverFactory, NoConfig, NotifierFactory, SinkFactory, SourceFactory, hookimpl

MOMENT = os.environ["BAD_MOMENT"]
WAY = os.environ["BAD_WAY"]
KINDS = os.environ.get("BAD_KINDS", "source sink notifier rule").split()
REPEATS = WAY in {"raises", "panics", "hangs", "exits"}


class Panic(BaseException):
    """As pyo3's PanicException: no Exception."""


def act(moment: str, kind: str) -> None:
    """Do wrong, if it is time."""
    if moment != MOMENT or kind not in {*KINDS, "plugin"}:
        return
    if WAY == "raises":
        raise RuntimeError(f"{kind} out of order")
    if WAY == "panics":
        raise Panic(f"{kind} out of order")
    if WAY == "hangs":
        threading.Event().wait()
    if WAY == "exits":
        sys.exit(f"{kind} out of order")
    if WAY == "prints":
        print(f"{kind} prints", "\x1b[31m", flush=True)  # noqa: T201
        print(f"{kind} prints", file=sys.stderr, flush=True)  # noqa: T201
    if WAY == "leaves a thread":
        threading.Thread(target=threading.Event().wait, name=f"left by {kind}", daemon=False).start()
    if WAY == "hangs at exit":
        atexit.register(threading.Event().wait)
    if WAY == "blocks":
        ctypes.PyDLL(None).sleep(5)  # with the GIL in its hand


class Part:
    """What is common to the four kinds: doing wrong begins with the first call, or with the second one."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.calls = 0

    def called(self) -> None:
        self.calls += 1
        if self.calls == 1 or REPEATS:
            act("first call", self.kind)
        if self.calls == 2 or (self.calls > 2 and REPEATS):
            act("later call", self.kind)

    def write(self, _events) -> None:
        self.called()

    send = write

    def __call__(self, _event):
        self.called()
        return ()

    def load_checkpoints(self):
        act("side call", self.kind)
        return ()

    def dump_memory(self) -> bytes:
        act("side call", self.kind)
        return b""

    def load_memory(self, _memory: bytes) -> None:
        act("side call", self.kind)

    async def run(self, _ingest) -> None:
        while True:
            self.called()
            await asyncio.sleep(0.2)


class Source(Part):
    def status(self):
        act("side call", self.kind)
        from hlmon import SourceStatus

        return SourceStatus()


def opening(kind: str):
    @contextmanager
    def opened(_config, _settings):
        act("open", kind)
        yield (Source if kind == "source" else Part)(kind)
        act("close", kind)

    return opened


def provide(hook: str, made):
    act(hook, "plugin")
    return [made]


@hookimpl
def hlmon_sources():
    return provide("hlmon_sources", SourceFactory(name="bad_source", open=opening("source"), config=NoConfig))


@hookimpl
def hlmon_sinks():
    return provide("hlmon_sinks", SinkFactory(name="bad_sink", open=opening("sink"), config=NoConfig))


@hookimpl
def hlmon_notifiers():
    return provide("hlmon_notifiers", NotifierFactory(name="bad_notifier", open=opening("notifier"), config=NoConfig))


@hookimpl
def hlmon_derivers():
    kinds = frozenset({"fill", "account_state"})
    return provide(
        "hlmon_derivers", DeriverFactory(name="bad_rule", open=opening("rule"), config=NoConfig, kinds=kinds)
    )


@click.command("misbehave")
def command() -> None:
    """Do wrong when it is called."""
    act("command", "plugin")


@hookimpl
def hlmon_commands():
    return provide("hlmon_commands", command)


act("import", "plugin")
