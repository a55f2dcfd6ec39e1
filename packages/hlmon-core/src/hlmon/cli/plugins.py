"""`hlmon plugins`."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.markup import escape
from rich.table import Table

from hlmon.cli.options import example, json_option
from hlmon.cli.output import make_table, print_json, show
from hlmon.plugins import PluginInfo, load_catalogue


@click.command("plugins", epilog=example("hlmon plugins", "hlmon plugins --schema > hlmon.schema.json"))
@json_option
@click.option("--schema", is_flag=True, help="Print the JSON Schema of hlmon.toml, the installed plugins' tables too.")
def command(*, as_json: bool, schema: bool) -> None:
    """List the installed plugins and what they provide: the names that a config may use as type.

    Installed is not enabled: only what the config names is used. A plugin that cannot be loaded is listed with the
    reason. HLMON_DISABLE_PLUGINS names plugins that are not loaded at all.
    """
    catalogue = load_catalogue()
    if schema:
        from hlmon.cli.schema import schema_of  # noqa: PLC0415  # for this option only

        print_json(schema_of(catalogue))
    elif as_json:
        print_json(catalogue.plugins)
    else:
        show(_table(catalogue.plugins))


def _table(plugins: Sequence[PluginInfo]) -> Table:
    table = make_table("Plugin", "Package", "Version", "Stability", "Hooks", "Provides")
    for plugin in plugins:
        provided = [f"{kind}: {', '.join(names)}" for kind, names in plugin.provides.items()]
        broken = [f"[red]broken: {escape(plugin.broken)}[/]"] if plugin.broken else []
        table.add_row(
            plugin.name,
            plugin.distribution,
            plugin.version,
            plugin.stability,
            "\n".join(plugin.hooks),
            "\n".join([*map(escape, provided), *broken]),
        )
    return table
