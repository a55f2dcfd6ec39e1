"""How commands print: tables that fit the terminal, JSON that programs read."""

from __future__ import annotations

import sys
from typing import Any

import click
import msgspec
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table


def print_json(value: Any) -> None:
    """One indented JSON document; decimals are text, so that they stay exact."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def show(renderable: RenderableType) -> None:
    """Print through click, which notices a closed pipe. Where no terminal is, lines are as wide as they need to be."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    with console.capture() as capture:
        console.print(renderable)
    for line in capture.get().splitlines():
        click.echo(line.rstrip())


def make_table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """A plain table; the columns named in `right` are aligned for numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table
