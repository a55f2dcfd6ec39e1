"""`hlmon plugins`."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.markup import escape
from rich.table import Table

from hlmon.cli.options import example, json_option
from hlmon.cli.output import make_table, print_json, show
from hlmon.plugins import PluginInfo, load_catalogue


@click.command("plugins", epilog=example("hlmon plugins"))
@json_option
def command(*, as_json: bool) -> None:
    """List the installed plugins and what they provide: the names that a config may use as type.

    Installed is not enabled: only what the config names is used. A plugin that cannot be loaded is listed with the
    reason.
    """
    plugins = load_catalogue().plugins
    if as_json:
        print_json(plugins)
    else:
        show(_table(plugins))


def _table(plugins: Sequence[PluginInfo]) -> Table:
    table = make_table("Plugin", "Package", "Version", "Provides")
    for plugin in plugins:
        provided = [f"{kind}: {', '.join(names)}" for kind, names in plugin.provides.items()]
        broken = [f"[red]broken: {escape(plugin.broken)}[/]"] if plugin.broken else []
        table.add_row(plugin.name, plugin.distribution, plugin.version, "\n".join([*map(escape, provided), *broken]))
    return table
