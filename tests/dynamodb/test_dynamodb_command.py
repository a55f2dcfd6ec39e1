"""`hlmon dynamodb create-tables`, and what `hlmon cost` learns from the sink."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from moto import mock_aws

from hlmon import Settings
from hlmon.cli import program
from hlmon.cost import REGIONS, Usage, dynamodb_lines, units_of, units_per_day
from hlmon_dynamodb import create
from hlmon_dynamodb.config import DynamodbConfig
from hlmon_dynamodb.create import create_tables
from hlmon_dynamodb.needs import needs
from hlmon_dynamodb.sink import FACTORY
from hlmon_dynamodb.tables import TABLES, TTL_ATTRIBUTE


@pytest.fixture
def aws():
    with mock_aws():
        yield


def hlmon(*arguments: str):
    return CliRunner().invoke(program, arguments)


@pytest.mark.usefixtures("aws")
def test_it_makes_every_table_as_it_is_defined_and_the_sink_opens_on_them(dynamodb):
    result = hlmon("dynamodb", "create-tables", "--prefix", "p-", "--region", "us-east-1")
    assert [line.split(":")[0] for line in result.output.splitlines()] == [f"p-{table.name}" for table in TABLES]
    with dynamodb.raw_client("") as client:
        for name in DynamodbConfig(prefix="p-").table_names():
            table = client.describe_table(TableName=name)["Table"]
            backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
            expiry = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
            assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
            assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
            assert (expiry["TimeToLiveStatus"], expiry["AttributeName"]) == ("ENABLED", TTL_ATTRIBUTE)
    with FACTORY.open(DynamodbConfig(prefix="p-", region="us-east-1"), Settings(name="aws")):
        pass


@pytest.mark.usefixtures("aws")
def test_run_again_it_changes_nothing():
    hlmon("dynamodb", "create-tables")
    result = hlmon("dynamodb", "create-tables")
    assert result.output.splitlines() == [f"hl-{table.name}: was there" for table in TABLES]


@pytest.mark.usefixtures("aws")
def test_a_table_of_that_name_with_other_keys_is_left_alone_and_named(dynamodb):
    with dynamodb.raw_client("") as client:
        client.create_table(
            TableName="hl-fills",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
    result = hlmon("dynamodb", "create-tables")
    assert result.exit_code == 2
    assert "hl-fills is there with other keys" in result.output


@pytest.mark.usefixtures("aws")
def test_backups_that_aws_is_not_ready_for_are_asked_for_again(monkeypatch):
    connect, refusals, waits = create.connect, [1, 1], []

    def reluctant(config):
        client = connect(config)
        describe = client.describe_continuous_backups

        def describe_later(**arguments):
            if refusals:
                refusals.pop()
                raise ClientError({"Error": {"Code": "ContinuousBackupsUnavailableException"}}, "Describe")
            return describe(**arguments)

        client.describe_continuous_backups = describe_later
        return client

    monkeypatch.setattr(create, "connect", reluctant)
    lines = list(create_tables(DynamodbConfig(region="us-east-1"), sleep=waits.append))
    assert (len(waits), len(lines)) == (2, len(TABLES))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--prefix", "a b"], "prefix"),
        (["--endpoint-url", "http://127.0.0.1:1"], "cannot be reached"),
        (["--endpoint-url", "nowhere"], "endpoint_url"),
    ],
)
def test_what_cannot_work_is_one_line_and_exit_code_2(options, words):
    result = hlmon("dynamodb", "create-tables", "--region", "us-east-1", *options)
    assert result.exit_code == 2
    assert words in result.output
    assert len(result.output.splitlines()) == 1


def test_the_cost_of_a_month_counts_the_units_that_the_sink_states():
    document = json.loads(hlmon("cost", "--json", "--accounts", "2", "--trades-per-day", "40").stdout)
    units, usage = units_of(needs(DynamodbConfig())), Usage(accounts=2, trades_per_day=40)
    writes, reads = units_per_day(usage, units)
    assert (document["write_units_per_day"], document["read_units_per_day"]) == (writes, reads)
    requests = dynamodb_lines(usage, units, REGIONS["us-east-1"])[0].monthly_usd
    assert document["lines"][0]["monthly_usd"] == pytest.approx(float(requests), abs=0.005)
    assert units.read["fill"] == units.write["fill"] == 1
