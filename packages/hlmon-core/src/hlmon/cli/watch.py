"""`hlmon watch`, and the live screen for whoever else wants to show one."""

from __future__ import annotations

import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from rich.console import Console, RenderableType
from rich.live import Live

from hlmon.cli.board import BoardReader
from hlmon.cli.options import example, journal_options
from hlmon.cli.output import Plain
from hlmon.cli.running import judge, read_status
from hlmon.cli.screen import render
from hlmon.cli.sections import View
from hlmon.config import load_config
from hlmon.journal import Journal
from hlmon.uptime import present_ms

REFRESH_SECONDS: Final = 1.0
LEAVING_KEYS: Final = frozenset({"q", "Q", "\x04"})


@click.command("watch", epilog=example("hlmon watch --journal hlmon.db"))
@journal_options
def command(*, config_file: Path | None, journal: Path | None) -> None:
    """Look at accounts, positions, fills and the state of the streams, live. q or Ctrl-C leaves; the monitor goes on.

    The screen reads the journal of a monitor that runs elsewhere on this machine. Where no terminal is, it is printed
    once.
    """
    config = load_config(config_file, journal=journal)
    watch(config.journal, labels=config.labels)


def watch(
    journal_path: Path,
    *,
    labels: dict[str, str] | None = None,
    title: str = "hlmon",
    until: Callable[[], bool] = lambda: False,
) -> None:
    """Show a journal until q, Ctrl-C or `until` says so; on no terminal, once. Raises JournalError."""
    console = Console()
    with Journal.open(journal_path, read_only=True) as journal:
        reader = BoardReader(journal)

        def draw() -> RenderableType:
            return _draw(journal, reader, console, labels or {}, title)

        if not console.is_terminal:
            console.print(draw())
            return
        try:
            _live(console, draw, until)
        except KeyboardInterrupt:
            return


def _draw(
    journal: Journal, reader: BoardReader, console: Console, labels: dict[str, str], title: str
) -> RenderableType:
    status = read_status(journal)
    now_ms = present_ms(status)
    watched = [account for source in status.sources for account in source.accounts] if status else []
    said = {account.address: account.label for account in watched}
    width, height = console.size
    skews_ms = [source.clock_skew_ms or 0 for source in status.sources] if status else []
    view = View(
        now_ms=now_ms, skew_ms=next(iter(skews_ms), 0), width=width, height=height, title=title, labels=labels | said
    )
    return Plain(render(status, judge(status, now_ms=now_ms), reader.update(), view))


def _live(console: Console, draw: Callable[[], RenderableType], until: Callable[[], bool]) -> None:
    live = Live(console=console, screen=True, auto_refresh=False)
    with _keys() as pressed:
        try:  # and not `with live`: Ctrl-C inside its start would leave the terminal on the wrong screen
            live.start()
            live.update(draw(), refresh=True)
            while not until() and pressed(REFRESH_SECONDS) not in LEAVING_KEYS:
                live.update(draw(), refresh=True)
        finally:
            live.stop()


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """A function that waits so many seconds for a key and returns it, "" if none came."""
    if not sys.stdin.isatty():
        yield _no_key
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)

    def pressed(seconds: float) -> str:
        return sys.stdin.read(1) if select.select([sys.stdin], [], [], seconds)[0] else ""

    try:
        yield pressed
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""
