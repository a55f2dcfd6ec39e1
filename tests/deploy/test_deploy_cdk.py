"""The commands of the operator, run by the real cdk program against an emulated AWS."""

from __future__ import annotations

import json
import sys

from hlmon_deploy.names import STACK
from tests.servers.cdk import YES, assembled

READY = ("--context", "image=example/hlmon:1", "--context", "budget=0")  # it builds no images and knows no budgets


def test_a_monitor_on_dynamodb_from_nothing_to_running_changed_and_gone(place, deploy):
    cdk, aws, folder = place
    app = ("--app", f"{sys.executable} app.py", "--output", str(folder / "dynamodb"))
    said = cdk("deploy", *YES, *app, "--context", "db_mode=dynamodb", "--context", "data=delete", *READY)
    assert f"{STACK}.ClusterName = hl-monitor-cluster" in said
    made = deploy.plan(db_mode="dynamodb").resources.tables
    assert aws.tables() == sorted(table.name for table in made)
    assert aws.secret("hl-monitor/prod/credentials") == {"ACCOUNT_ADDRESS": "unset"}
    assert (aws.service()["status"], aws.service()["desiredCount"]) == ("ACTIVE", 1)
    assert [topic["TopicArn"].rpartition(":")[2] for topic in aws("sns").list_topics()["Topics"]] == [
        "hl-monitor-alerts"
    ]
    assert len(aws("cloudwatch").describe_alarms()["MetricAlarms"]) == 7
    assert "cron(10 4 * * ? *)" in [rule.get("ScheduleExpression") for rule in aws("events").list_rules()["Rules"]]

    assert "There were no differences" in cdk("diff", "--fail", *assembled(folder, "dynamodb"))

    filled = {"ACCOUNT_ADDRESS": "0x" + "aa" * 20, "HYPERLIQUID_API_KEY": "never read"}
    aws("secretsmanager").put_secret_value(SecretId="hl-monitor/prod/credentials", SecretString=json.dumps(filled))
    changed = deploy.plan(db_mode="dynamodb", data="delete", capacity="ondemand", image="example/hlmon:2", budget="0")
    deploy.synthesize(changed, folder=folder / "changed")
    cdk("deploy", *YES, *assembled(folder, "changed"))
    assert aws.secret("hl-monitor/prod/credentials") == filled
    assert aws.service()["capacityProviderStrategy"][0]["capacityProvider"] == "FARGATE"
    assert aws.service()["taskDefinition"].endswith("hl-monitor:2")

    cdk("destroy", "--force", *assembled(folder, "changed"))
    assert aws.tables() == []
    assert aws("ecs").list_clusters()["clusterArns"] == []


def test_a_monitor_on_supabase_with_its_secret_and_an_address_for_alarms(place, deploy):
    cdk, aws, folder = place
    plan = deploy.plan(db_mode="supabase", image="example/hlmon:1", budget="0", email="ops@example.com")
    deploy.synthesize(plan, folder=folder / "supabase")
    cdk("deploy", *YES, *assembled(folder, "supabase"))
    assert aws.tables() == []
    assert aws.secret("hl-monitor/supabase") == {}
    assert [each["Endpoint"] for each in aws("sns").list_subscriptions()["Subscriptions"]] == ["ops@example.com"]
    assert "There were no differences" in cdk("diff", "--fail", *assembled(folder, "supabase"))
    cdk("destroy", "--force", *assembled(folder, "supabase"))
    assert aws("secretsmanager").list_secrets()["SecretList"] == []


def test_what_is_wrong_is_said_in_one_line_and_nothing_is_deployed(place):
    cdk, _, _ = place
    done = cdk.attempt("synth", "--app", f"{sys.executable} app.py", "--context", "db_mode=mysql")
    assert done.returncode != 0
    assert "hlmon: --context db_mode: must be one of dynamodb, supabase" in done.stderr
    assert "Traceback" not in done.stderr
