"""The five hooks. Each is called once, before anything opens, and returns descriptions of what a plugin has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

from hlmon.contract import DeriverFactory, NotifierFactory, SinkFactory, SourceFactory

if TYPE_CHECKING:
    import click

hookspec = pluggy.HookspecMarker("hlmon")
hookimpl = pluggy.HookimplMarker("hlmon")


@hookspec
def hlmon_sources() -> Iterable[SourceFactory[Any]]:  # type: ignore[empty-body]
    """Sources that this plugin provides."""


@hookspec
def hlmon_derivers() -> Iterable[DeriverFactory[Any]]:  # type: ignore[empty-body]
    """Derived events and alert rules that this plugin provides."""


@hookspec
def hlmon_sinks() -> Iterable[SinkFactory[Any]]:  # type: ignore[empty-body]
    """Stores that this plugin can write to."""


@hookspec
def hlmon_notifiers() -> Iterable[NotifierFactory[Any]]:  # type: ignore[empty-body]
    """Services through which this plugin tells people."""


@hookspec
def hlmon_commands() -> Iterable[click.Command]:  # type: ignore[empty-body]
    """Further commands of the `hlmon` program."""
