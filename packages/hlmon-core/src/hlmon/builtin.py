"""The parts that come with hlmon, through the same door as everyone's.

Each is imported when its hook is called, so that a command which needs none of them starts fast.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hlmon.contract import DeriverFactory, NotifierFactory, SinkFactory, SourceFactory
from hlmon.hookspecs import hookimpl


@hookimpl
def hlmon_sources() -> Iterable[SourceFactory[Any]]:
    """The exchange, and recorded frames of it."""
    from hlmon.hyperliquid import feed
    from hlmon.sources import replay

    return (feed.FACTORY, replay.FACTORY)


@hookimpl
def hlmon_derivers() -> Iterable[DeriverFactory[Any]]:
    """Position closes, positions, open orders, account snapshots and CVD, always on; every type of rule."""
    from hlmon.derive import closes, cvd, orders, positions, snapshots
    from hlmon.rules import types

    return (closes.FACTORY, positions.FACTORY, orders.FACTORY, snapshots.FACTORY, cvd.FACTORY, *types.FACTORIES)


@hookimpl
def hlmon_sinks() -> Iterable[SinkFactory[Any]]:
    """A file with one event a line."""
    from hlmon.sinks import jsonl

    return (jsonl.FACTORY,)


@hookimpl
def hlmon_notifiers() -> Iterable[NotifierFactory[Any]]:
    """The program's own log."""
    from hlmon.notifiers import log

    return (log.FACTORY,)
