"""The command `hlmon dynamodb`."""

from __future__ import annotations

import click

from hlmon import ConfigError
from hlmon_dynamodb.config import DynamodbConfig


@click.group()
def dynamodb() -> None:
    """Prepare Amazon DynamoDB as a store."""


@dynamodb.command("create-tables")
@click.option("--prefix", default="hl-", show_default=True, help="What the tables' names begin with.")
@click.option("--region", default="", help="The AWS region.  [default: what the AWS settings say]")
@click.option("--endpoint-url", default="", metavar="URL", help="Another DynamoDB than AWS's, for tests.")
def create_tables(*, prefix: str, region: str, endpoint_url: str) -> None:
    """Create the tables that are missing.

    On-demand billing, point-in-time recovery on. Tables that are there keep their items. The credentials are those of
    the AWS settings (environment, ~/.aws, role).
    """
    from hlmon_dynamodb.create import create_tables as create  # noqa: PLC0415  # boto3 is for those who use it

    try:
        config = DynamodbConfig(prefix=prefix, region=region, endpoint_url=endpoint_url)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    for line in create(config):
        click.echo(line)
