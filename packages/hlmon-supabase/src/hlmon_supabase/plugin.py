"""What this package adds to hlmon."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from hlmon import SinkFactory, hookimpl
from hlmon_supabase.command import supabase
from hlmon_supabase.sink import FACTORY


@hookimpl
def hlmon_sinks() -> Iterable[SinkFactory[Any]]:
    """The sink `supabase`."""
    return [FACTORY]


@hookimpl
def hlmon_commands() -> Iterable[click.Command]:
    """`hlmon supabase`."""
    return [supabase]
