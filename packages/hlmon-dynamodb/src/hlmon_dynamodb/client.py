"""The one place that makes boto3 clients; boto3 is imported only now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from hlmon_dynamodb.config import DynamodbConfig

_SETTINGS = Config(
    # The core decides when to try again; a product of two policies would help nobody.
    retries={"mode": "standard", "total_max_attempts": 1},
    connect_timeout=5,
    read_timeout=15,
    tcp_keepalive=True,
    # Our own items need no check against the service model; it would take half of the time of a batch.
    parameter_validation=False,
    user_agent_extra="hlmon",
)


def connect(config: DynamodbConfig) -> DynamoDBClient:
    """A client with the credentials that AWS's own chain finds now (environment, files, container, instance)."""
    session = boto3.Session()  # not the default one, which keeps the credentials of its first use
    return session.client(
        "dynamodb",
        region_name=config.region or None,
        endpoint_url=config.endpoint_url or None,
        config=_SETTINGS,
    )


def place_of(config: DynamodbConfig) -> str:
    """Where the tables are, for messages: the URL if one is set, else the region."""
    return config.endpoint_url or config.region or boto3.Session().region_name or "no region"
