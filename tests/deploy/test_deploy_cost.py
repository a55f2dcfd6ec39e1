"""The estimate of `hlmon cost` and the template name the same things."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

from hlmon.cli import program

ALICE = "0x" + "aa" * 20
BOB = "0x" + "bb" * 20

PRICED = {
    "DynamoDB::Table": "DynamoDB requests",
    "ECS::Service": "Fargate Spot",
    "SecretsManager::Secret": "Secrets Manager",
    "CloudWatch::Alarm": "CloudWatch",
    "Logs::MetricFilter": "CloudWatch",
    "Logs::LogGroup": "CloudWatch",
}
FREE = {
    "Budgets::Budget": "the first two",
    "CloudWatch::Dashboard": "the first three",
    "Events::Rule": "events of AWS's own services, and schedules",
    "Lambda::Function": "seconds a month, of the million calls that are free",
    "Lambda::Permission": "",
    "Lambda::EventInvokeConfig": "",
    "SQS::Queue": "the first million messages",
    "SQS::QueuePolicy": "",
    "SNS::Topic": "the first million messages and thousand mails",
    "SNS::TopicPolicy": "",
    "SNS::Subscription": "",
    "EC2::VPC": "",
    "EC2::Subnet": "",
    "EC2::RouteTable": "",
    "EC2::SubnetRouteTableAssociation": "",
    "EC2::Route": "",
    "EC2::InternetGateway": "traffic into AWS, of which a monitor's nearly all is",
    "EC2::VPCGatewayAttachment": "",
    "EC2::VPCEndpoint": "of the kind gateway",
    "EC2::SecurityGroup": "",
    "ECS::Cluster": "without Container Insights",
    "ECS::TaskDefinition": "",
    "IAM::Role": "",
    "IAM::Policy": "",
    "CDK::Metadata": "",
}


def estimate(*options: str) -> dict[str, dict]:
    result = CliRunner().invoke(program, ["cost", "--json", *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return {line["name"]: line for line in json.loads(result.stdout)["lines"]}


def kinds_of(stack) -> set[str]:
    return {each["Type"].removeprefix("AWS::") for each in stack.template["Resources"].values()}


@pytest.mark.parametrize("mode", ["dynamodb", "supabase"])
def test_every_resource_is_a_line_of_the_estimate_or_known_to_be_free(deploy, mode):
    stack = deploy.synthesized(db_mode=mode, email="ops@example.com")
    lines = estimate("--db-mode", mode)
    kinds = kinds_of(stack)
    assert kinds - PRICED.keys() - FREE.keys() == set()
    assert {PRICED[kind] for kind in kinds & PRICED.keys()} <= lines.keys()
    assert all(endpoint["VpcEndpointType"] == "Gateway" for endpoint in stack.all("EC2::VPCEndpoint"))


def test_every_line_of_the_estimate_is_something_in_the_template(deploy):
    stack = deploy.synthesize(deploy.plan(db_mode="dynamodb"))
    made = {PRICED[kind] for kind in kinds_of(stack) & PRICED.keys()}
    made |= {"DynamoDB storage"} if stack.all("DynamoDB::Table") else set()
    made |= {"Public IPv4"} if "ENABLED" in str(stack.all("ECS::Service")) else set()
    made |= {"ECR"} if any(stack.folder.glob("asset.*/Dockerfile")) else set()
    assert made == estimate("--db-mode", "dynamodb").keys()


@pytest.mark.parametrize("shards", ["1", "2"])
def test_alarms_metrics_tasks_and_secrets_are_as_many_as_in_the_template(deploy, shards):
    stack = deploy.synthesized(db_mode="dynamodb", shards=shards, accounts=f"{ALICE},{BOB}", data="delete")
    lines = estimate("--shards", shards, "--accounts", "2")
    alarms, metrics = map(int, re.search(r"(\d+) alarms, (\d+) custom", lines["CloudWatch"]["detail"]).groups())
    assert (alarms, metrics) == (len(stack.all("CloudWatch::Alarm")), len(stack.all("Logs::MetricFilter")))
    assert lines["Fargate Spot"]["detail"].startswith(f"{len(stack.all('ECS::Service'))} × 0.25 vCPU, 0.5 GB")
    assert lines["Secrets Manager"]["detail"] == "1 secret"


def test_on_demand_capacity_has_a_price_of_its_own(deploy):
    stack = deploy.synthesized(db_mode="dynamodb", capacity="ondemand")
    (strategy,) = stack.one("ECS::Service")["CapacityProviderStrategy"]
    assert strategy["CapacityProvider"] == "FARGATE"
    spot, on_demand = estimate()["Fargate Spot"], estimate("--capacity", "ondemand")["Fargate"]
    assert f"${on_demand['monthly_usd']} on demand" in spot["detail"]


def test_the_alarm_of_the_relay_is_counted_with_it(deploy, relayed_plan):
    plan = relayed_plan(image="example/hlmon:1")
    stack, file = deploy.synthesize(plan), plan.settings.config
    without, relayed = (estimate("--config", str(file), *option)["CloudWatch"] for option in ([], ["--relay"]))
    assert f" {len(stack.all('CloudWatch::Alarm'))} alarms" in relayed["detail"]
    assert round(relayed["monthly_usd"] - without["monthly_usd"], 2) == 0.10
    assert kinds_of(stack) <= PRICED.keys() | FREE.keys()


@pytest.mark.parametrize(
    "text",
    [
        '[sink.a]\ntype = "supabase"',
        '[notifier.a]\ntype = "acme-pager"\naddress = "env:ACME_PAGER"',
        '[sink.a]\ntype = "supabase"\n[notifier.b]\ntype = "discord"\n[watchdog]\nping_url = "env:PING"',
    ],
)
def test_a_config_is_estimated_with_the_secrets_that_its_stack_has(deploy, tmp_path, acme, text):
    file = deploy.config(tmp_path, text)
    stack = deploy.synthesize(deploy.plan(tmp_path, config="hlmon.toml", image="example/hlmon:1"))
    secrets = len(stack.all("SecretsManager::Secret"))
    assert estimate("--config", str(file))["Secrets Manager"]["detail"] == f"{secrets} secrets"


def test_a_config_says_how_much_there_is_to_watch(deploy, tmp_path):
    accounts = "".join(f'[[account]]\naddress = "0x{number:040x}"\n' for number in range(12))
    file = deploy.config(tmp_path, f'{accounts}\n[hyperliquid]\ncoins = ["BTC", "ETH"]\nsnapshot_seconds = 30')
    result = CliRunner().invoke(program, ["cost", "--json", "--config", str(file)], catch_exceptions=False)
    document = json.loads(result.stdout)
    assert (document["accounts"], document["coins"], document["snapshot_seconds"]) == (12, 2, 30)
    assert "2 × 0.25 vCPU" in str(document["lines"])
