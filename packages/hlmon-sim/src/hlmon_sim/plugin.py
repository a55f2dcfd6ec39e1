"""What this package adds to the `hlmon` program."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from importlib import import_module
from typing import Any

import click

from hlmon.hookspecs import hookimpl


class Deferred(click.Command):
    """A command of which only the name and a line are known; the rest is imported when it is called or explained."""

    def __init__(self, name: str, module: str, short_help: str) -> None:
        super().__init__(name, short_help=short_help)
        self._module = module

    @cached_property
    def command(self) -> click.Command:
        """The command itself."""
        command: click.Command = getattr(import_module(self._module), str(self.name))
        return command

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        """What it is called with, read by the command itself, which then is the one that runs."""
        return self.command.make_context(*arguments, **extra)

    def get_help(self, ctx: click.Context) -> str:
        """The command's own help."""
        return self.command.get_help(ctx)


@hookimpl
def hlmon_commands() -> Iterable[click.Command]:
    """`hlmon sim` and `hlmon demo`; a server takes long to import, so not for the list of commands."""
    return [
        Deferred("sim", "hlmon_sim.command", "Run a simulated exchange on this machine."),
        Deferred("demo", "hlmon_sim.demo", "Show the monitor at work on a simulated exchange."),
    ]
