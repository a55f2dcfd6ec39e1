"""What this package adds to hlmon: the sink "dynamodb" and the command `hlmon dynamodb`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from hlmon import SinkFactory, hookimpl
from hlmon_dynamodb.commands import dynamodb
from hlmon_dynamodb.sink import FACTORY


@hookimpl
def hlmon_sinks() -> Iterable[SinkFactory[Any]]:
    """The sink "dynamodb"."""
    return [FACTORY]


@hookimpl
def hlmon_commands() -> Iterable[click.Command]:
    """`hlmon dynamodb`."""
    return [dynamodb]
