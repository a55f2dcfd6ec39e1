"""The template of a stack with the relay: what an emulator drops is asserted here."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def relayed(deploy, relayed_plan):
    return deploy.synthesize(relayed_plan(image="example/hlmon:1"))


def alarms_of(stack) -> dict[str, dict]:
    """Every alarm by the name of its resource."""
    resources = stack.template["Resources"].items()
    return {name: each["Properties"] for name, each in resources if each["Type"] == "AWS::CloudWatch::Alarm"}


def let_in(policy: dict, service: str) -> list[dict]:
    """The conditions on which this service of AWS is let in."""
    statements = policy["PolicyDocument"]["Statement"]
    return [each["Condition"] for each in statements if service in str(each["Principal"])]


def test_what_the_relay_could_not_pass_on_is_an_alarm_that_is_told_like_every_other(relayed):
    alarms = {alarm["AlarmName"]: alarm for alarm in alarms_of(relayed).values()}
    alarm = alarms["hl-monitor-undelivered"]
    (dimension,) = alarm["Dimensions"]
    queue = relayed.template["Resources"][dimension["Value"]["Fn::GetAtt"][0]]
    assert queue["Properties"]["QueueName"] == "hl-monitor-relay-undelivered"
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
    assert (alarm["Statistic"], alarm["ComparisonOperator"]) == ("Maximum", "GreaterThanThreshold")
    assert (alarm["Threshold"], alarm["TreatMissingData"]) == (0, "notBreaching")
    assert alarm["AlarmActions"] == alarm["OKActions"] == alarms["hl-monitor-silence"]["AlarmActions"]


def test_the_dashboard_shows_every_alarm(relayed):
    parts = relayed.one("CloudWatch::Dashboard")["DashboardBody"]["Fn::Join"][1]
    shown = [part["Fn::GetAtt"][0] for part in parts if isinstance(part, dict) and "Arn" in part.get("Fn::GetAtt", ())]
    assert shown == list(alarms_of(relayed))


def test_a_service_of_aws_is_let_in_for_this_account_or_for_one_of_its_resources(relayed):
    (topic,) = [name for name, each in relayed.template["Resources"].items() if each["Type"] == "AWS::SNS::Topic"]
    account = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert let_in(relayed.one("SNS::TopicPolicy"), "cloudwatch.") == [account]
    assert let_in(relayed.one("SQS::QueuePolicy"), "sns.") == [{"ArnEquals": {"aws:SourceArn": {"Ref": topic}}}]
    callers = [each["SourceArn"] for each in relayed.all("Lambda::Permission")]
    assert len(callers) == 3
    assert {"Ref": topic} in callers
