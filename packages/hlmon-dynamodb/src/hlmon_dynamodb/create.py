"""Makes the tables, and brings those that are there up to what `tables.py` says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from hlmon import ConfigError
from hlmon_dynamodb.client import connect, place_of
from hlmon_dynamodb.config import DynamodbConfig
from hlmon_dynamodb.errors import code_of, when_opening
from hlmon_dynamodb.tables import TABLES, TTL_ATTRIBUTE, Table, definition

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


_RECOVERY_ATTEMPTS: Final = 20
_RECOVERY_WAIT_S: Final = 3.0  # AWS refuses for some seconds after a table was made


def create_tables(config: DynamodbConfig, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """Create what is missing, switch on point-in-time recovery and expiry; yields a line for each table.

    Run again it changes nothing. Raises ConfigError for a table of that name with other keys, and in place of every
    error of AWS.
    """
    try:
        with closing(connect(config)) as client:
            for table in TABLES:
                yield _ensure(client, table, config, sleep)
    except (ClientError, BotoCoreError) as error:
        raise when_opening(error, place=place_of(config), names=", ".join(config.table_names())) from error


def _ensure(client: DynamoDBClient, table: Table, config: DynamodbConfig, sleep: Callable[[float], None]) -> str:
    wanted = definition(table, config.prefix)
    name = str(wanted["TableName"])
    try:
        client.create_table(**wanted)
        was_there = False
    except ClientError as error:
        if code_of(error) != "ResourceInUseException":
            raise
        was_there = True
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    if was_there:
        _check_keys(client, name, wanted["KeySchema"], wanted["AttributeDefinitions"])
    changed = [_enable_recovery(client, name, sleep), _enable_expiry(client, name)]
    return f"{name}: {'was there' if was_there else 'created'}{''.join(changed)}"


def _check_keys(client: DynamoDBClient, name: str, keys: object, attributes: list[dict[str, str]]) -> None:
    found = client.describe_table(TableName=name)["Table"]
    types = {one["AttributeName"]: one["AttributeType"] for one in found.get("AttributeDefinitions", [])}
    right_types = all(types.get(one["AttributeName"]) == one["AttributeType"] for one in attributes)
    if found.get("KeySchema") != keys or not right_types:
        raise ConfigError(f"the table {name} is there with other keys than hlmon's; choose another prefix")


def _enable_recovery(client: DynamoDBClient, name: str, sleep: Callable[[float], None]) -> str:
    wanted: Any = {"TableName": name, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
    for attempts_left in reversed(range(_RECOVERY_ATTEMPTS)):
        try:
            found = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
            if found.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") == "ENABLED":
                return ""
            client.update_continuous_backups(**wanted)
            break
        except ClientError as error:
            if code_of(error) == "UnknownOperationException":
                return ", no point-in-time recovery (this is not AWS)"
            if code_of(error) != "ContinuousBackupsUnavailableException" or not attempts_left:
                raise
            sleep(_RECOVERY_WAIT_S)
    return ", point-in-time recovery on"


def _enable_expiry(client: DynamoDBClient, name: str) -> str:
    found = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if found.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}:
        return ""
    client.update_time_to_live(
        TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL_ATTRIBUTE}
    )
    return f", items expire at {TTL_ATTRIBUTE} if they have it"
