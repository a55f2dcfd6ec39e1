"""`hlmon uninstall`."""

from __future__ import annotations

import click

from hlmon.cli.installer import carry_out, uninstall_command
from hlmon.cli.options import example


@click.command("uninstall", epilog=example("hlmon uninstall hlmon-supabase"))
@click.argument("packages", metavar="PACKAGE…", nargs=-1, required=True)
def command(*, packages: tuple[str, ...]) -> None:
    """Remove plugins from the environment that hlmon runs in, and list what is left. The journal keeps everything."""
    carry_out(uninstall_command(packages))
