"""`hlmon new-plugin`."""

from __future__ import annotations

from pathlib import Path

import click

from hlmon.cli import COMMANDS
from hlmon.cli.new_plugin.project import PARTS, project_files, project_name, write_project
from hlmon.cli.options import example
from hlmon.cli.output import echo
from hlmon.errors import ConfigError
from hlmon.plugins import load_catalogue


@click.command("new-plugin", epilog=example("hlmon new-plugin box", "hlmon new-plugin pager --notifier --rule"))
@click.argument("name")
@click.option("--sink", "parts", flag_value="sink", multiple=True, help="With a sink: keeps events.")
@click.option("--notifier", "parts", flag_value="notifier", multiple=True, help="With a notifier: tells people.")
@click.option("--rule", "parts", flag_value="rule", multiple=True, help="With an alert rule.")
@click.option("--source", "parts", flag_value="source", multiple=True, help="With a source of events.")
@click.option("--deriver", "parts", flag_value="deriver", multiple=True, help="With a deriver that is always on.")
@click.option("--command", "parts", flag_value="command", multiple=True, help="With a command of `hlmon`.")
def command(*, name: str, parts: tuple[str, ...]) -> None:
    """Write a complete package, hlmon-NAME, into a new folder of that name: a working example to change.

    It has the parts that the options name, a sink if there is none, each with a typed config and tests that hold it to
    its contract. The package passes its own tests, ruff and mypy --strict as it is written.
    """
    chosen = [part for part in PARTS if part in parts] or ["sink"]
    project = project_name(name)
    if "command" in chosen and project.name in COMMANDS:
        raise ConfigError(f"{project.name!r} is a command of hlmon itself; choose another name")
    owner = load_catalogue(disabled=frozenset()).owner_of(project.name)
    if owner not in {None, project.distribution}:
        raise ConfigError(f"{project.name!r} is taken: {owner} has something of this name")
    folder = Path(project.distribution)
    write_project(folder, project_files(project, chosen))
    echo(f"Wrote {folder}: {', '.join(chosen)}. Its README says how to go on:")
    echo(f"  cd {folder} && python -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pytest")
