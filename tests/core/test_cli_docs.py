"""Keeps docs/commands.md equal to the program; run as a script, it writes the help into that page."""

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
    for name in program.list_commands(context):
        command = program.get_command(context, name)
        assert command is not None
        text = command.get_help(click.Context(command, info_name=name, parent=context, terminal_width=WIDTH))
        parts.append(f"### hlmon {name}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


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
