"""`hlmon plugins`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from hlmon import hookspecs
from hlmon.cli.options import config_option, example, json_option, keep_stdout
from hlmon.cli.output import coloured, make_table, print_json, show
from hlmon.config import Config, load_config
from hlmon.errors import ConfigError
from hlmon.plugins import PluginInfo, load_catalogue, trouble

_HOOKS: Final = [name for name in vars(hookspecs) if name.startswith("hlmon_")]


@click.command("plugins", epilog=example("hlmon plugins", "hlmon plugins --schema > hlmon.schema.json"))
@config_option
@json_option
@click.option(
    "--schema",
    is_flag=True,
    callback=keep_stdout,
    help="Print the JSON Schema of hlmon.toml, the installed plugins' tables too.",
)
def command(*, config_file: Path | None, as_json: bool, schema: bool) -> None:
    """List the plugins and what they provide: the names that a config may use as type.

    They are the installed ones, and the files that the config names. Installed is not enabled: only what the config
    names is used. A plugin that cannot be loaded is listed with the reason. HLMON_DISABLE_PLUGINS names plugins, or
    packages of them, that are not loaded at all.
    """
    catalogue = load_catalogue(config=_config(config_file))
    if schema:
        from hlmon.cli.schema import schema_of  # noqa: PLC0415  # for this option only

        print_json(schema_of(catalogue))
    elif as_json:
        print_json(catalogue.plugins)
    else:
        show(listing(catalogue.plugins))


def _config(file: Path | None) -> Config | None:
    """The config if there is one and it is right: the list is what somebody needs whose config is not."""
    try:
        return load_config(file)
    except ConfigError:
        if file is not None:
            raise
        return None


def listing(plugins: Sequence[PluginInfo]) -> Table:
    """A line for each hook of each plugin; beside the first two, where the plugin comes from."""
    table = make_table("Plugin", "Package", "Hook", "Provides")
    for plugin in plugins:
        about = [(plugin.name, plugin.distribution), ("", ", ".join(filter(None, (plugin.version, plugin.stability))))]
        for left, right in zip_longest(about, _provided(plugin), fillvalue=("", "")):
            table.add_row(*left, *right)
    return table


def _provided(plugin: PluginInfo) -> Iterator[tuple[str, str | Text]]:
    """A line for each hook with the names that a config may use, and one for what is wrong."""
    for hook in (hook for hook in _HOOKS if hook in plugin.hooks):
        names = plugin.provides.get(hook.removeprefix("hlmon_").removesuffix("s"), ())
        yield hook, ", ".join(names) or "nothing"
    if plugin.broken:
        yield "", coloured(trouble(plugin.broken), "red")
