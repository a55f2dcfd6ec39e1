"""`hlmon install`."""

from __future__ import annotations

import click

from hlmon.cli.installer import carry_out, install_command
from hlmon.cli.options import example


@click.command("install", epilog=example("hlmon install hlmon-supabase", "hlmon install ./dist/hlmon_box-0.1.0.whl"))
@click.argument("packages", metavar="PACKAGE…", nargs=-1, required=True)
@click.option("-U", "--upgrade", is_flag=True, help="Take the newest version if it is there already.")
def command(*, packages: tuple[str, ...], upgrade: bool) -> None:
    """Install plugins into the environment that hlmon runs in, by its pip or by uv, and list what is there.

    A package is a name, a name with a version, a wheel or a folder. Where to look for names is pip's or uv's own
    setting. Installed is not enabled: the config says what is used.
    """
    carry_out(install_command(packages, upgrade=upgrade))
