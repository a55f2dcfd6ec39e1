"""The `hlmon` program: one file per command, each imported when it is called or listed."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any, Final

import click

from hlmon.deadline import is_interrupt
from hlmon.errors import ConfigError, HlmonError, JournalError, text_of
from hlmon.monitor.ending import end_soon
from hlmon.plain import plain_line
from hlmon.redaction import redact
from hlmon.stdout import answers

COMMANDS: Final = {
    "run": "Watch accounts until stopped.",
    "init": "Write a config file to change.",
    "check": "Say whether a config is right.",
    "watch": "Look at a running monitor, live.",
    "status": "Say what the monitor is doing.",
    "rules": "Try the alert rules out.",
    "notify": "Try out how people are told.",
    "silence": "Stop alerts for a while.",
    "explain": "Say how an alert reached people, or why not.",
    "health": "Say whether the monitor is well, by the exit code.",
    "gaps": "List the times that could not be seen.",
    "quarantine": "Deal with what could not be read.",
    "rejected": "Deliver what was refused after all.",
    "verify": "Prove that no fill is missing.",
    "replay": "Read recorded frames into a journal.",
    "record": "Run, and keep every frame in a file.",
    "plugins": "List the installed plugins.",
    "install": "Install plugins.",
    "uninstall": "Remove plugins.",
    "new-plugin": "Write the package of a new plugin.",
    "cost": "Estimate what running on AWS costs.",
}
"""The built-in commands as `hlmon --help` lists them; each is a module here, which that list need not import."""

OK, UNHEALTHY, WRONG_USE, JOURNAL_TROUBLE, RUNTIME_TROUBLE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 3, 4, 130, 141


class Failure(click.ClickException):
    """An error as the user sees it: one line on stderr and an exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares it for the class, and reads the error's

    def show(self, file: Any = None) -> None:
        """Print the line; a config with several faults gives a line for each."""
        for line in self.message.splitlines():
            click.echo(f"{click.style('error:', fg='red', bold=True)} {plain_line(redact(line))}", file=file, err=True)


class Program(click.Group):
    """Built-in commands, then those of plugins, which are loaded only for an unknown name and for the list."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """All names."""
        return [*COMMANDS, *_plugin_commands()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        """The command, imported now."""
        if cmd_name in COMMANDS:
            command: click.Command = import_module(f"hlmon.cli.{cmd_name.replace('-', '_')}").command
            return command
        return _plugin_commands().get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; about an unknown name it is said what to write or to install instead."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(_unknown_command(args[0]), ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list in `--help`."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        if plugged := _plugin_commands():
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(name, _short_help(command)) for name, command in plugged.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; whatever goes wrong becomes one line and an exit code, with `--debug` a traceback."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort):
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            os.dup2(
                os.open(os.devnull, os.O_WRONLY), (answers() or sys.stdout).fileno()
            )  # so that the last flush finds a reader
            ctx.exit(PIPE_CLOSED)
        except (SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # a command of a plugin may raise anything
            if ctx.params["debug"]:
                raise
            raise Failure(_explain(error), _exit_code(error)) from error


def _explain(error: BaseException) -> str:
    if isinstance(error, HlmonError):
        return str(error)
    kind = type(error).__name__
    return f"{kind}: {error} (this is a fault of the program; hlmon --debug … shows where)"


def _exit_code(error: BaseException) -> int:
    if isinstance(error, ConfigError):
        return WRONG_USE
    return JOURNAL_TROUBLE if isinstance(error, JournalError) else RUNTIME_TROUBLE


def _plugin_commands() -> dict[str, click.Command]:
    from hlmon.plugins import load_catalogue  # noqa: PLC0415  # most commands need no plugin

    found = {str(command.name): command for command in load_catalogue().commands}
    return {name: command for name, command in sorted(found.items()) if name not in COMMANDS}


def _short_help(command: click.Command) -> str:
    try:
        return command.get_short_help_str(70)
    except BaseException as error:
        if is_interrupt(error):
            raise
        return f"(broken: {text_of(error)})"


def _unknown_command(name: str) -> str:
    from hlmon.plugins import load_catalogue  # noqa: PLC0415  # as above

    message = load_catalogue().unknown_command(name, COMMANDS)
    return message[0].upper() + message[1:]


_START_HERE = """\
\b
Start here:
  hlmon run --account 0x…     watch an account, no config needed
  hlmon watch                 look at it, in a second terminal
  hlmon init                  write a config file to change
"""


@click.command(
    cls=Program,
    epilog=_START_HERE,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--debug", is_flag=True, help="Show tracebacks, and log in detail.")
@click.version_option(package_name="hlmon-core", message="hlmon %(version)s")
def program(*, debug: bool) -> None:  # read from the context
    """Watches Hyperliquid accounts and keeps every fill, order, position and account value."""


def main() -> None:
    """The entry point; ends the process with an exit code of docs/commands.md, whatever threads plugins leave."""
    try:
        program(prog_name="hlmon")
    except SystemExit as end:
        end_soon(end.code if isinstance(end.code, int) else int(bool(end.code)))
        raise
