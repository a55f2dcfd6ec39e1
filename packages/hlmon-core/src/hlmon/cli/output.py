"""How commands print: lines, tables that fit the terminal, JSON that programs read. All text is plain."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import click
from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from hlmon.commands import print_json
from hlmon.plain import plain_line

__all__ = [
    "Plain",
    "PlainTable",
    "coloured",
    "echo",
    "escaped",
    "joined",
    "make_table",
    "print_json",
    "show",
]


def echo(line: str) -> None:
    """Print one line, whatever the text holds."""
    click.echo(plain_line(line))


def show(renderable: RenderableType) -> None:
    """Print through click, which notices a closed pipe. Where no terminal is, lines are as wide as they need to be."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    with console.capture() as capture:
        console.print(Plain(renderable))
    for line in capture.get().splitlines():
        click.echo(line.rstrip())


def make_table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """A plain table; the columns named in `right` are aligned for numbers."""
    table = PlainTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def coloured(text: str, colour: str, rest: str = "") -> Text:
    """A cell whose beginning has a colour."""
    return Text.assemble((plain_line(text), colour), plain_line(rest))


def joined(cells: Iterable[Text]) -> Text:
    """Several coloured texts in one cell."""
    return Text(", ").join(cells)


def escaped(text: str) -> str:
    """Any text as markup that shows it and nothing else."""
    return escape(plain_line(text))


class PlainTable(Table):
    """A table in whose cells a text is only that, without markup; what has a colour is given as `Text`."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row of plain cells."""
        super().add_row(*(Text(plain_line(cell)) if isinstance(cell, str) else cell for cell in cells), **options)


class Plain:
    """Whatever it shows is plain: what a part of it forgot is replaced when it is drawn."""

    def __init__(self, shown: RenderableType) -> None:
        self._shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The segments of what it shows."""
        for segment in console.render(self._shown, options):
            text, style, control = segment
            yield segment if control or text == "\n" else Segment(plain_line(text), style)
