"""`hlmon supabase sql` and `hlmon supabase check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hlmon import ConfigError, Secret
from hlmon_supabase.client import PASTE_SCHEMA, connected, translated
from hlmon_supabase.schema import expected_lines, is_required, missing, read_lines, schema_sql
from hlmon_supabase.sink import KEY_VARIABLE, URL_VARIABLE

if TYPE_CHECKING:
    SecretType = click.ParamType[Secret]
else:
    SecretType = click.ParamType  # it became generic with click 8.4 only


class Reference(SecretType):
    """`env:NAME` or `file:/path`; never the secret itself, which would be seen in the list of processes."""

    name = "reference"

    def convert(self, value: str | Secret, param: click.Parameter | None, ctx: click.Context | None) -> Secret:
        """The secret that is referred to."""
        try:
            return value if isinstance(value, Secret) else Secret(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group()
def supabase() -> None:
    """Keep everything in Supabase: the SQL to set it up, and a check of it."""


@supabase.command(epilog="\b\nExample:\n  hlmon supabase sql | pbcopy      # then paste it into the SQL editor")
def sql() -> None:
    """Print the SQL that makes or upgrades hlmon's tables.

    It may be run any number of times, and takes over tables of the founding specification with their rows.
    """
    click.echo(schema_sql(), nl=False)


@supabase.command(
    epilog="\b\nExample:\n  SUPABASE_URL=https://….supabase.co hlmon supabase check --key file:/run/secrets/key"
)
@click.option("--url", type=Reference(), default=f"env:{URL_VARIABLE}", show_default=True, help="Where the URL is.")
@click.option("--key", type=Reference(), default=f"env:{KEY_VARIABLE}", show_default=True, help="Where the key is.")
def check(*, url: Secret, key: Secret) -> None:
    """Compare a live project with the schema and say what is missing.

    Exit code 2 if something is that the sink needs, 0 if nothing or only realtime is.
    """
    with connected(url.reveal(), key.reveal()) as client, translated():
        lacking = missing(read_lines(client))
    for line in lacking:
        click.echo(f"missing: {line}")
    if any(map(is_required, lacking)):
        raise ConfigError(f"the schema is not whole; {PASTE_SCHEMA}")
    click.echo(f"The schema is whole: {len(expected_lines()) - len(lacking)} things are as they should be.")
