"""What the sink keeps in DynamoDB, read as any client does."""

from __future__ import annotations

from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer

from hlmon_dynamodb.tables import TABLE_OF


class Items:
    """The stored events, by their kind."""

    def __init__(self, url: str) -> None:
        self.url = url
        session = boto3.Session(aws_access_key_id="AKIATEST", aws_secret_access_key="test", region_name="us-east-1")
        self.client = session.client("dynamodb", endpoint_url=url)
        self.plain = TypeDeserializer().deserialize

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        """Every event of this kind, with the names that its fields have."""
        pages = self.client.get_paginator("scan").paginate(
            TableName=f"hl-{TABLE_OF[kind].name}",
            ConsistentRead=True,
            FilterExpression="#kind = :kind",
            ExpressionAttributeNames={"#kind": "kind"},
            ExpressionAttributeValues={":kind": {"S": kind}},
        )
        items = [item for page in pages for item in page["Items"]]
        return [{name: self.plain(value) for name, value in item.items()} for item in items]
