"""A plugin as it was written against the first contract (0.1). It is never changed: it has to keep working.

Every part takes and gives only what there was then: no field, method or keyword that came later.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from decimal import Decimal

import click
import msgspec

from hlmon import (
    Alert,
    Checkpoint,
    ConfigError,
    DeriverFactory,
    Fill,
    Need,
    NoConfig,
    NotifierFactory,
    Permanent,
    Secret,
    SinkFactory,
    SourceFactory,
    State,
    Transient,
    hookimpl,
)

KEPT = {}
TOLD = []


class StoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    shelf: str = "top"
    password: Secret | None = None


class Store:
    def write(self, events):
        for event in events:
            known = KEPT.get(event.name)
            if known is None or (isinstance(event, State) and event.version > known.version):
                KEPT[event.name] = event

    def load_checkpoints(self):
        return [event for event in KEPT.values() if isinstance(event, Checkpoint)]


def needs_of(config):
    return [Need(kind="secret", name="STORE_PASSWORD", why="to sign in", details={"shelf": config.shelf})]


@contextmanager
def open_store(config, settings):
    if config.shelf == "none":
        raise ConfigError(f"sink.{settings.name}.shelf: there is none")
    yield Store()


class Bell:
    def send(self, alerts):
        for alert in alerts:
            if alert.title == "refused":
                raise Permanent("the bell refuses")
            if alert.title == "busy":
                raise Transient("the bell is busy", retry_after=5)
            TOLD.append(alert.title)


@contextmanager
def open_bell(config, settings):
    yield Bell()


class Loud:
    def __call__(self, event):
        if isinstance(event, Fill) and event.price * event.size >= Decimal(1000):
            title = f"{event.side} {event.size} {event.coin}"
            named = {"rule": "loud", "subject": event.key, "severity": "info", "title": title}
            return [Alert(account=event.account, time_ms=event.time_ms, cause=event.name, **named)]
        return []


@contextmanager
def open_loud(config, settings):
    yield Loud()


class Once:
    def __init__(self, account):
        self.account = account

    async def run(self, ingest):
        seen = max((mark.time_ms for mark in ingest.states("checkpoint")), default=0)
        numbers = {"price": Decimal("100.5"), "size": Decimal(10), "order_id": 1, "trade_id": 2}
        ingest([Fill(account=self.account, time_ms=seen + 1, coin="BTC", side="buy", **numbers)])
        ingest([Checkpoint(account=self.account, time_ms=seen + 1, stream="once")])
        await asyncio.sleep(0)


@contextmanager
def open_once(config, settings):
    yield Once(next(iter(settings.accounts)))


@hookimpl
def hlmon_sinks():
    kinds = frozenset({"fill", "alert", "checkpoint"})
    return [SinkFactory(name="store", config=StoreConfig, open=open_store, needs=needs_of, kinds=kinds, max_batch=5)]


@hookimpl
def hlmon_notifiers():
    return [NotifierFactory(name="bell", config=NoConfig, open=open_bell, max_batch=3)]


@hookimpl
def hlmon_derivers():
    return [DeriverFactory(name="loud", config=NoConfig, open=open_loud, kinds=frozenset({"fill"}), always=False)]


@hookimpl
def hlmon_sources():
    return [SourceFactory(name="once", config=NoConfig, open=open_once)]


@hookimpl
def hlmon_commands():
    return [click.Command("first", callback=lambda: click.echo("still here"))]
