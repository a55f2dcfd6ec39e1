"""Keeps docs/commands.md equal to the program; run as a script, it writes the help into that page."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hlmon.cli import program

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
WIDTH = 88
START, END = "<!-- help: start -->\n", "<!-- help: end -->\n"


def help_of_every_command() -> str:
    context = click.Context(program, info_name="hlmon", terminal_width=WIDTH, **program.context_settings)
    parts = [f"```text\n{program.get_help(context)}\n```\n"]
    return "\n".join([*parts, *help_of_commands(context)])


def help_of_commands(above: click.Context) -> Iterator[str]:
    """Of each command below, those of a group after the group."""
    group = above.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(above):
        command = group.get_command(above, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=above, terminal_width=WIDTH)
        yield f"### {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
        if isinstance(command, click.Group):
            yield from help_of_commands(context)


def written_help() -> str:
    return PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0]


def test_the_page_has_the_help_of_every_command():
    assert written_help() == help_of_every_command(), f"run: python {Path(__file__).name} (it writes the page)"


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 130, 141])
def test_the_page_explains_every_exit_code(code: int):
    assert f"\n| {code} | " in PAGE.read_text(encoding="utf-8")


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8").partition(START)[0]
    PAGE.write_text(f"{before}{START}{help_of_every_command()}{END}", encoding="utf-8")
