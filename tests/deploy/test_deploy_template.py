"""The template: what AWS is asked to make. Much of this an emulator drops, so it is asserted here."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace

import pytest

from hlmon.status import Status
from hlmon.watchdog.heartbeat import heartbeat
from hlmon_dynamodb.tables import TABLES, definition

ALICE = "0x" + "aa" * 20
BOB = "0x" + "bb" * 20


@pytest.fixture(scope="module")
def dynamodb(deploy):
    return deploy.synthesized(db_mode="dynamodb")


@pytest.fixture(scope="module")
def supabase(deploy):
    return deploy.synthesized(
        db_mode="supabase", capacity="ondemand", arch="x86_64", email="ops@example.com", budget="0"
    )


@pytest.fixture(scope="module")
def sharded(deploy):
    return deploy.synthesized(db_mode="dynamodb", shards="2", accounts=f"{ALICE},{BOB}", data="delete")


def container_of(stack) -> dict:
    (found,) = stack.one("ECS::TaskDefinition")["ContainerDefinitions"]
    return found


def environment_of(container) -> dict:
    return {each["Name"]: each["Value"] for each in container["Environment"]}


def test_the_tables_are_those_of_the_sink_with_recovery_and_expiry(dynamodb):
    made = {table["TableName"]: table for table in dynamodb.all("DynamoDB::Table")}
    assert list(made) == [f"hl-{table.name}" for table in TABLES]
    for table in TABLES:
        properties = made[f"hl-{table.name}"]
        assert {name: properties[name] for name in definition(table, "hl-")} == definition(table, "hl-")
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_tables_outlive_the_stack_unless_the_operator_says_otherwise(dynamodb, sharded):
    def policies(stack):
        found = [each for each in stack.template["Resources"].values() if each["Type"] == "AWS::DynamoDB::Table"]
        return {each["DeletionPolicy"] for each in found}

    assert policies(dynamodb) == {"Retain"}
    assert policies(sharded) == {"Delete"}


def test_the_secrets_have_their_names_and_hold_nothing_secret(dynamodb, supabase):
    def first(stack):
        return {secret["Name"]: json.loads(secret["SecretString"]) for secret in stack.all("SecretsManager::Secret")}

    credentials = {"hl-monitor/prod/credentials": {"ACCOUNT_ADDRESS": "unset"}}
    assert first(dynamodb) == credentials
    assert first(supabase) == credentials | {"hl-monitor/supabase": {}}


def test_of_the_credentials_the_container_gets_the_accounts_alone(dynamodb, supabase):
    (accounts,) = container_of(dynamodb)["Secrets"]
    assert accounts["Name"] == "ACCOUNT_ADDRESS"
    assert accounts["ValueFrom"]["Fn::Join"][1][1] == ":ACCOUNT_ADDRESS::"
    assert {each["Name"] for each in container_of(supabase)["Secrets"]} == {
        "ACCOUNT_ADDRESS",
        "HLMON_SECRET_HL_MONITOR_SUPABASE",
    }
    assert json.loads(environment_of(container_of(supabase))["HLMON_WANTED_SECRETS"]) == {
        "hl-monitor/supabase": ["SUPABASE_URL", "SUPABASE_SERVICE_KEY"]
    }


def test_accounts_that_are_known_need_no_secret(sharded):
    for task in sharded.all("ECS::TaskDefinition"):
        (container,) = task["ContainerDefinitions"]
        assert "Secrets" not in container
        assert environment_of(container)["ACCOUNT_ADDRESS"] == f"{ALICE} {BOB}"


def test_the_task_is_small_and_arm_by_default(dynamodb, supabase):
    task = dynamodb.one("ECS::TaskDefinition")
    assert (task["Cpu"], task["Memory"]) == ("256", "512")
    assert task["RuntimePlatform"]["CpuArchitecture"] == "ARM64"
    assert supabase.one("ECS::TaskDefinition")["RuntimePlatform"]["CpuArchitecture"] == "X86_64"


def test_the_container_writes_to_its_volumes_only_and_has_all_the_time_to_stop(dynamodb):
    container = container_of(dynamodb)
    assert container["ReadonlyRootFilesystem"] is True
    assert {each["ContainerPath"] for each in container["MountPoints"]} == {
        "/var/lib/hlmon",
        "/tmp",
        "/var/lib/amazon",
        "/var/log/amazon",
    }
    assert container["StopTimeout"] == 120
    assert container["LinuxParameters"]["InitProcessEnabled"] is True
    assert "hlmon health" in container["HealthCheck"]["Command"][1]


def test_the_config_of_the_container_is_the_one_that_was_checked(dynamodb):
    environment = environment_of(container_of(dynamodb))
    assert tomllib.loads(environment["HLMON_CONFIG_TOML"]) == {"sink": {"dynamodb": {"type": "dynamodb"}}}
    assert environment["HLMON_SHARD"] == "1/1"
    assert environment["AWS_DEFAULT_REGION"] == {"Ref": "AWS::Region"}


def test_one_task_at_a_time_with_rollback_and_exec_on_public_subnets(dynamodb):
    service = dynamodb.one("ECS::Service")
    deployment = service["DeploymentConfiguration"]
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"], service["DesiredCount"]) == (0, 100, 1)
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert service["AvailabilityZoneRebalancing"] == "DISABLED"
    assert service["EnableExecuteCommand"] is True
    assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "ENABLED"


def test_capacity_is_spot_unless_on_demand_is_asked_for(dynamodb, supabase):
    def providers(stack):
        return [each["CapacityProvider"] for each in stack.one("ECS::Service")["CapacityProviderStrategy"]]

    assert (providers(dynamodb), providers(supabase)) == (["FARGATE_SPOT"], ["FARGATE"])
    assert dynamodb.one("ECS::Cluster")["CapacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
    assert dynamodb.one("ECS::Cluster")["ClusterName"] == "hl-monitor-cluster"
    assert dynamodb.one("ECS::Cluster")["ClusterSettings"] == [{"Name": "containerInsights", "Value": "disabled"}]


def test_there_is_no_nat_gateway_and_nobody_may_connect(dynamodb):
    assert (
        dynamodb.all("EC2::NatGateway") == dynamodb.all("EC2::EIP") == dynamodb.all("EC2::SecurityGroupIngress") == []
    )
    assert "SecurityGroupIngress" not in dynamodb.one("EC2::SecurityGroup")
    assert all(subnet["MapPublicIpOnLaunch"] for subnet in dynamodb.all("EC2::Subnet"))


def test_dynamodb_is_reached_without_leaving_aws(dynamodb, supabase):
    assert dynamodb.one("EC2::VPCEndpoint")["VpcEndpointType"] == "Gateway"
    assert supabase.all("EC2::VPCEndpoint") == []


def test_logs_are_kept_two_weeks(dynamodb):
    logs = {each["LogGroupName"]: each["RetentionInDays"] for each in dynamodb.all("Logs::LogGroup")}
    assert logs == {"/ecs/hl-monitor": 14, "/aws/lambda/hl-monitor-fallback": 14}


def test_seven_alarms_tell_the_topic_when_it_begins_and_when_it_ends(dynamodb):
    alarms = {each["AlarmName"]: each for each in dynamodb.all("CloudWatch::Alarm")}
    assert set(alarms) == {
        f"hl-monitor-{name}" for name in ("cpu", "memory", "running", "silence", "delivery", "well", "errors")
    }
    topic = [
        {"Ref": next(n for n, each in dynamodb.template["Resources"].items() if each["Type"] == "AWS::SNS::Topic")}
    ]
    assert all(each["AlarmActions"] == each["OKActions"] == topic for each in alarms.values())
    missing = {
        name.removeprefix("hl-monitor-") for name, each in alarms.items() if each["TreatMissingData"] == "breaching"
    }
    assert missing == {"running", "silence"}


def test_running_tasks_are_counted_without_container_insights(dynamodb):
    (running,) = [each for each in dynamodb.all("CloudWatch::Alarm") if each["AlarmName"] == "hl-monitor-running"]
    assert (running["Namespace"], running["MetricName"], running["Statistic"]) == (
        "AWS/ECS",
        "CPUUtilization",
        "SampleCount",
    )
    assert (running["ComparisonOperator"], running["Threshold"]) == ("LessThanThreshold", 1)


def test_the_metrics_of_the_log_read_what_the_monitor_writes(dynamodb):
    filters = {each["MetricTransformations"][0]["MetricName"]: each for each in dynamodb.all("Logs::MetricFilter")}
    values = {name: each["MetricTransformations"][0]["MetricValue"] for name, each in filters.items()}
    assert values == {
        "SilentSeconds": "$.silent_seconds",
        "DeliverySeconds": "$.delivery_seconds",
        "Well": "$.well",
        "Errors": "1",
    }
    read = {value.removeprefix("$.") for value in values.values() if value.startswith("$")}
    said = heartbeat(Status(pid=1, version="1", started_ms=0, updated_ms=0), now_ms=0)
    assert {type(said[name]) for name in read} == {int}  # metrics take numbers only
    assert filters["SilentSeconds"]["FilterPattern"] == '{ $.message = "heartbeat" }'
    assert filters["Errors"]["FilterPattern"] == '{ ($.level = "error") || ($.level = "critical") }'


def test_one_heartbeat_that_is_well_in_ten_minutes_keeps_the_alarm_of_what_is_not_well_from_going_off(dynamodb):
    (well,) = [each for each in dynamodb.all("CloudWatch::Alarm") if each["AlarmName"] == "hl-monitor-well"]
    assert (well["Statistic"], well["ComparisonOperator"], well["Threshold"]) == ("Maximum", "LessThanThreshold", 1)
    assert (well["Period"], well["EvaluationPeriods"], well["DatapointsToAlarm"]) == (60, 10, 10)
    assert "`hlmon status`" in well["AlarmDescription"]


def test_the_topic_takes_messages_over_tls_only_and_from_this_accounts_services(dynamodb):
    statements = dynamodb.one("SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    denied = [each for each in statements if each["Effect"] == "Deny"]
    assert [each["Condition"] for each in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]
    named = {name for each in statements if each["Effect"] == "Allow" for name in _services(each)}
    assert named == {"cloudwatch.amazonaws.com", "budgets.amazonaws.com", "events.amazonaws.com"}
    assert dynamodb.one("SNS::Topic")["TopicName"] == "hl-monitor-alerts"


def _services(statement) -> list[str]:
    services = statement["Principal"]["Service"]
    return [services] if isinstance(services, str) else services


def test_an_operator_with_an_address_gets_every_alarm_by_mail(dynamodb, supabase):
    assert dynamodb.all("SNS::Subscription") == []
    subscription = supabase.one("SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "ops@example.com")


def test_a_budget_tells_before_it_is_spent_and_can_be_left_out(dynamodb, supabase):
    budget = dynamodb.one("Budgets::Budget")
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 20, "Unit": "USD"}
    kinds = {each["Notification"]["NotificationType"] for each in budget["NotificationsWithSubscribers"]}
    assert kinds == {"FORECASTED", "ACTUAL"}
    assert supabase.all("Budgets::Budget") == []


def test_a_task_that_cannot_be_placed_is_told_and_moves_to_on_demand(dynamodb, supabase):
    rules = {bool(rule.get("ScheduleExpression")): rule for rule in dynamodb.all("Events::Rule")}
    assert rules[False]["EventPattern"]["detail"]["eventName"] == ["SERVICE_TASK_PLACEMENT_FAILURE"]
    assert len(rules[False]["Targets"]) == 2
    assert len(rules[True]["Targets"]) == 1
    assert supabase.all("Lambda::Function") == []
    assert len(supabase.one("Events::Rule")["Targets"]) == 1


def test_a_move_that_failed_is_told_to_the_topic(dynamodb):
    (topic,) = [name for name, each in dynamodb.template["Resources"].items() if each["Type"] == "AWS::SNS::Topic"]
    assert dynamodb.one("Lambda::Function")["DeadLetterConfig"] == {"TargetArn": {"Ref": topic}}


def test_the_dashboard_has_its_name_and_valid_widgets(dynamodb):
    dashboard = dynamodb.one("CloudWatch::Dashboard")
    assert dashboard["DashboardName"] == "HyperliquidMonitor"
    parts = dashboard["DashboardBody"]["Fn::Join"][1]
    body = json.loads("".join(part if isinstance(part, str) else "x" for part in parts))
    kinds = [widget["type"] for widget in body["widgets"]]
    assert kinds[0] == "alarm"
    assert kinds.count("metric") == 7
    assert kinds[-1] == "log"


def test_each_shard_has_a_service_an_address_a_log_and_alarms_of_its_own(sharded):
    assert [each["ServiceName"] for each in sharded.all("ECS::Service")] == ["hl-monitor", "hl-monitor-2"]
    shards = [
        environment_of(task["ContainerDefinitions"][0])["HLMON_SHARD"] for task in sharded.all("ECS::TaskDefinition")
    ]
    assert shards == ["1/2", "2/2"]
    logs = {each["LogGroupName"] for each in sharded.all("Logs::LogGroup")}
    assert {"/ecs/hl-monitor", "/ecs/hl-monitor/2"} <= logs
    assert len(sharded.all("CloudWatch::Alarm")) == 14
    assert len(sharded.all("DynamoDB::Table")) == len(TABLES)
    metrics = [each["MetricTransformations"][0]["MetricName"] for each in sharded.all("Logs::MetricFilter")]
    assert len(set(metrics)) == 8


def test_the_task_may_do_what_its_plugins_need_and_nothing_else(dynamodb):
    policies = {
        name: each["Properties"]
        for name, each in dynamodb.template["Resources"].items()
        if each["Type"] == "AWS::IAM::Policy"
    }
    (task,) = [each for name, each in policies.items() if "TaskTaskRole" in name]
    statements = task["PolicyDocument"]["Statement"]
    free = [each for each in statements if each["Resource"] == "*"]
    assert [action for each in free for action in each["Action"] if not action.startswith("ssmmessages:")] == []
    store = {action for each in statements if each["Resource"] != "*" for action in _actions(each)}
    assert store == {f"dynamodb:{name}" for name in ("BatchGetItem", "BatchWriteItem", "PutItem", "Query")}


def _actions(statement) -> list[str]:
    actions = statement["Action"]
    return [actions] if isinstance(actions, str) else actions


def test_an_independent_plugin_gets_its_table_its_secret_and_what_it_may_do(deploy, tmp_path, acme):
    pager = '[notifier.pager]\ntype = "acme-pager"\naddress = "env:ACME_PAGER"'
    deploy.config(tmp_path, f'[sink.far]\ntype = "acme-shelf"\npath = "shelf.db"\n{pager}')
    stack = deploy.synthesize(deploy.plan(tmp_path, config="hlmon.toml", image="example/hlmon:1"))
    (table,) = stack.all("DynamoDB::Table")
    assert (table["TableName"], table["KeySchema"]) == ("shelf", [{"AttributeName": "name", "KeyType": "HASH"}])
    assert "hl-monitor/notify" in {secret["Name"] for secret in stack.all("SecretsManager::Secret")}
    statements = [each for policy in stack.all("IAM::Policy") for each in policy["PolicyDocument"]["Statement"]]
    assert [each["Effect"] for each in statements if each["Action"] == "dynamodb:PutItem"] == ["Allow"]


def test_a_variable_that_a_plugin_needs_is_in_the_environment(deploy):
    plan = deploy.plan(db_mode="dynamodb", image="example/hlmon:1")
    plan = replace(plan, resources=replace(plan.resources, variables={"ACME_MODE": "fast"}))
    assert environment_of(container_of(deploy.synthesize(plan)))["ACME_MODE"] == "fast"
