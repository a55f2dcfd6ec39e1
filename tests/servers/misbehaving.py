"""A plugin that does wrong in one way at one moment: its text is installed as a package where a test needs it.

BAD_MOMENT and BAD_WAY of the environment say when and how, BAD_KINDS which of its parts do so. What did wrong is noted
in the file BAD_DONE, a line each.
"""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import os
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import click

from hlmon import DeriverFactory, NoConfig, NotifierFactory, SinkFactory, SourceFactory, SourceStatus, hookimpl

MOMENT = os.environ["BAD_MOMENT"]
WAY = os.environ["BAD_WAY"]
KINDS = os.environ.get("BAD_KINDS", "source sink notifier rule").split()
DONE = Path(os.environ["BAD_DONE"])
REPEATS = WAY in {"raises", "panics", "hangs", "exits", "returns nonsense"}
NONSENSE = 7


class Panic(BaseException):
    """As pyo3's PanicException: no Exception."""


def act(call: str, kind: str, *moments: str) -> bool:
    """Do wrong, if this is one of the moments for it; whether the call shall return nonsense."""
    if MOMENT not in moments or kind not in {*KINDS, "plugin"}:
        return False
    with DONE.open("a") as done:
        done.write(f"{call}: {WAY}\n")
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
    return WAY == "returns nonsense"


class Part:
    """What is common to the four kinds: doing wrong begins with the first call, or with the second one."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.calls = 0

    def called(self, call: str) -> bool:
        self.calls += 1
        if self.calls == 1 or (self.calls == 2 and MOMENT == "later call") or REPEATS:
            return act(call, self.kind, "first call" if self.calls == 1 or MOMENT == "first call" else "later call")
        return False


class Sink(Part):
    def write(self, _events) -> None:
        self.called("Sink.write")

    def load_checkpoints(self):
        return [NONSENSE] if act("Sink.load_checkpoints", self.kind, "side call") else ()


class Notifier(Part):
    def send(self, _alerts) -> None:
        self.called("Notifier.send")


class Rule(Part):
    def __call__(self, _event):
        return [NONSENSE] if self.called("Deriver.__call__") else ()

    def dump_memory(self):
        return NONSENSE if act("RemembersDeriver.dump_memory", self.kind, "side call") else b"memory"

    def load_memory(self, _memory: bytes) -> None:
        act("RemembersDeriver.load_memory", self.kind, "load_memory")


class Source(Part):
    async def run(self, ingest) -> None:
        while True:
            if self.called("Source.run"):
                ingest([NONSENSE])
            await asyncio.sleep(0.2)

    def status(self):
        is_nonsense = act("ReportsStatus.status", self.kind, "side call")
        return SourceStatus(accounts=[NONSENSE]) if is_nonsense else SourceStatus()

    async def check_connection(self):
        return NONSENSE if act("ChecksConnection.check_connection", self.kind, "check_connection") else ()


PARTS = {"source": Source, "sink": Sink, "notifier": Notifier, "rule": Rule}


def factory(kind: str, cls, **more):
    """The factory of a kind of part; its class is what the moments of a part's life are noted by."""

    @contextmanager
    def opened(_config, _settings):
        yield NONSENSE if act(f"{cls.__name__}.open", kind, "open") else PARTS[kind](kind)
        act(f"{cls.__name__}.close", kind, "close")

    def needs(_config):
        return [NONSENSE] if act(f"{cls.__name__}.needs", kind, "needs") else ()

    def check(_config):
        return NONSENSE if act(f"{cls.__name__}.check", kind, "check") else {}

    return cls(name=f"bad_{kind}", open=opened, config=NoConfig, needs=needs, check=check, **more)


def provide(hook: str, made):
    return NONSENSE if act(hook, "plugin", hook, "hooks") else [made]


@hookimpl
def hlmon_sources():
    return provide("hlmon_sources", factory("source", SourceFactory))


@hookimpl
def hlmon_sinks():
    return provide("hlmon_sinks", factory("sink", SinkFactory))


@hookimpl
def hlmon_notifiers():
    return provide("hlmon_notifiers", factory("notifier", NotifierFactory))


@hookimpl
def hlmon_derivers():
    kinds = frozenset({"fill", "account_state"})
    return provide("hlmon_derivers", factory("rule", DeriverFactory, kinds=kinds))


@click.command("misbehave")
def command() -> None:
    """Do wrong when it is called."""
    act("a command", "plugin", "command")


@hookimpl
def hlmon_commands():
    return provide("hlmon_commands", command)


act("an import", "plugin", "import")
