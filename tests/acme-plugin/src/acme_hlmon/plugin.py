"""The plugin's one door."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from acme_hlmon import pager, report, shelf, tape, whales
from hlmon import DeriverFactory, NotifierFactory, SinkFactory, SourceFactory, hookimpl


@hookimpl
def hlmon_sources() -> Iterable[SourceFactory[Any]]:
    """The tape."""
    return [tape.FACTORY]


@hookimpl
def hlmon_derivers() -> Iterable[DeriverFactory[Any]]:
    """The alert rule about whales."""
    return [whales.FACTORY]


@hookimpl
def hlmon_sinks() -> Iterable[SinkFactory[Any]]:
    """The shelf."""
    return [shelf.FACTORY]


@hookimpl
def hlmon_notifiers() -> Iterable[NotifierFactory[Any]]:
    """The pager."""
    return [pager.FACTORY]


@hookimpl
def hlmon_commands() -> Iterable[click.Command]:
    """`hlmon acme-report`."""
    return [report.command]
