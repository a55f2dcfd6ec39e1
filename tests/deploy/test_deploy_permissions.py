"""What each role of the stack may do, asked of an emulated AWS that enforces policies.

The stack is deployed with enforcement off, since cdk's own roles need more than the emulator knows; then the emulator
is started again with it on.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from functools import partial

import boto3
import pytest
from botocore.exceptions import ClientError

from hlmon import Settings
from hlmon.testing.builders import STORED_BUILDERS
from hlmon_deploy.functions import fallback, relay
from hlmon_deploy.names import CREDENTIALS, NOTIFY
from hlmon_dynamodb.config import DynamodbConfig
from hlmon_dynamodb.sink import FACTORY
from tests.servers.cdk import ENVIRONMENT, YES, assembled, cdk
from tests.servers.chat import Discord
from tests.servers.dynamodb import ministack
from tests.servers.process import Unavailable
from tests.servers.roles import ACCOUNT, DENIALS, REGION, ROOT, Account, Call

ROLES = {
    "task": "MonitorTaskTaskRole",
    "execution": "MonitorTaskExecutionRole",
    "fallback": "PlacementFallbackRole",
    "relay": "RelayRole",
}
ARN = f"arn:aws:{{}}:{REGION}:{ACCOUNT}:{{}}".format
TOPIC, QUEUE = ARN("sns", "hl-monitor-alerts"), "hl-monitor-relay-undelivered"
SERVICE = ARN("ecs", "service/hl-monitor-cluster/hl-monitor")
BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
CONFIG = """
[sink.store]
type = "dynamodb"
[notifier.chat]
type = "discord"
[notifier.topic]
type = "sns"
topic_arn = "arn:aws:sns:eu-west-1:123456789012:hl-monitor-alerts"
"""


OWN = {"TableName": "hl-events"}
OWN_KEY = {"series": {"S": "0"}, "key": {"S": "0"}}
OTHER_ITEM = {"id": {"S": "0"}}
EVENT = {"timestamp": 1_795_492_800_500, "message": "x"}
QUERY = {"KeyConditionExpression": "series = :s", "ExpressionAttributeValues": {":s": {"S": "0"}}}
ONE_SERVICE = {"cluster": "hl-monitor-cluster", "service": "hl-monitor"}
TASK, EXECUTION, FALLBACK, RELAY = (frozenset({role}) for role in ROLES)

CALLS = [
    Call("dynamodb", "put_item", OWN | {"Item": OWN_KEY}, TASK),
    Call("dynamodb", "query", OWN | QUERY, TASK),
    Call("dynamodb", "batch_get_item", {"RequestItems": {"hl-events": {"Keys": [OWN_KEY]}}}, TASK),
    Call("dynamodb", "batch_write_item", {"RequestItems": {"hl-events": [{"DeleteRequest": {"Key": OWN_KEY}}]}}, TASK),
    Call("dynamodb", "get_item", OWN | {"Key": OWN_KEY}),
    Call("dynamodb", "update_item", OWN | {"Key": OWN_KEY}),
    Call("dynamodb", "delete_item", OWN | {"Key": OWN_KEY}),
    Call("dynamodb", "scan", OWN),
    Call("dynamodb", "execute_statement", {"Statement": 'SELECT * FROM "hl-events"'}),
    Call("dynamodb", "describe_table", OWN),
    Call("dynamodb", "update_table", OWN | {"BillingMode": "PAY_PER_REQUEST"}),
    Call("dynamodb", "delete_table", {"TableName": "hl-fills"}, end="ValidationException"),  # protected, see `account`
    Call("dynamodb", "query", {"TableName": "hl-fills"} | QUERY, end="ValidationException"),  # of no such key
    Call("dynamodb", "put_item", {"TableName": "others", "Item": OTHER_ITEM}),
    Call("dynamodb", "batch_get_item", {"RequestItems": {"others": {"Keys": [OTHER_ITEM]}}}),
    Call("dynamodb", "batch_write_item", {"RequestItems": {"others": [{"PutRequest": {"Item": OTHER_ITEM}}]}}),
    Call("dynamodb", "transact_write_items", {"TransactItems": [{"Put": {"TableName": "others", "Item": OTHER_ITEM}}]}),
    Call("dynamodb", "list_tables", {}),
    Call("secretsmanager", "get_secret_value", {"SecretId": CREDENTIALS}, EXECUTION),
    Call("secretsmanager", "get_secret_value", {"SecretId": NOTIFY}, EXECUTION | RELAY),
    Call("secretsmanager", "get_secret_value", {"SecretId": "others"}),
    Call("secretsmanager", "put_secret_value", {"SecretId": NOTIFY, "SecretString": "{}"}),
    Call("secretsmanager", "list_secrets", {}),
    Call("sns", "get_topic_attributes", {"TopicArn": TOPIC}, TASK),
    Call("sns", "publish", {"TopicArn": TOPIC, "Message": "x"}, TASK | FALLBACK),
    Call("sns", "publish", {"TopicArn": ARN("sns", "others"), "Message": "x"}),
    Call("sns", "subscribe", {"TopicArn": TOPIC, "Protocol": "email", "Endpoint": "me@example.com"}),
    Call("sns", "set_topic_attributes", {"TopicArn": TOPIC, "AttributeName": "DisplayName", "AttributeValue": "hlmon"}),
    Call("sqs", "send_message", {"QueueUrl": QUEUE, "MessageBody": "x"}, RELAY),
    Call("sqs", "receive_message", {"QueueUrl": QUEUE}),
    Call("ecs", "describe_services", {"cluster": "hl-monitor-cluster", "services": ["hl-monitor"]}, FALLBACK),
    Call("ecs", "update_service", ONE_SERVICE | {"desiredCount": 1}, FALLBACK),
    Call("ecs", "list_tasks", {"cluster": "hl-monitor-cluster"}),
    Call("ecs", "run_task", {"cluster": "hl-monitor-cluster", "taskDefinition": "hl-monitor"}),
    Call("ecs", "delete_service", {"cluster": "others", "service": "others"}, end="ServiceNotFoundException"),
    Call(
        "logs",
        "put_log_events",
        {"logGroupName": "/ecs/hl-monitor", "logStreamName": "x", "logEvents": [EVENT]},
        EXECUTION,
    ),
    Call("logs", "filter_log_events", {"logGroupName": "/ecs/hl-monitor"}),
    Call("lambda", "invoke", {"FunctionName": "hl-monitor-fallback", "InvocationType": "DryRun"}),
    Call("lambda", "get_function", {"FunctionName": "hl-monitor-relay"}),
    Call("cloudwatch", "put_metric_data", {"Namespace": "x", "MetricData": [{"MetricName": "x", "Value": 0}]}),
    Call("cloudwatch", "set_alarm_state", {"AlarmName": "hl-monitor-cpu", "StateValue": "OK", "StateReason": "x"}),
    Call("s3", "list_buckets", {}),
    Call("s3", "list_objects_v2", {"Bucket": BUCKET}),
    Call("s3", "put_object", {"Bucket": BUCKET, "Key": "x", "Body": b"x"}),
    Call("iam", "list_roles", {}),
    Call("iam", "create_user", {"UserName": "me"}),
    Call("sts", "assume_role", {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/others", "RoleSessionName": "me"}),
    Call("ssm", "get_parameter", {"Name": "/cdk-bootstrap/hnb659fds/version"}),
    Call("cloudformation", "describe_stacks", {}),
    Call("ec2", "describe_instances", {}),
    Call("ecr", "get_authorization_token", {}),
    Call("events", "list_rules", {}),
    Call("kms", "list_keys", {}),
]


@pytest.fixture(scope="module")
def stack(deploy, tmp_path_factory):
    """The synthesized stack of a monitor whose every role has something to do."""
    folder = tmp_path_factory.mktemp("stack")
    with pytest.MonkeyPatch.context() as patch:
        deploy.relay_alone(patch)
        deploy.config(folder, CONFIG)
        plan = deploy.plan(folder, config="hlmon.toml", relay="chat", image="example/hlmon:1", budget="0")
        return deploy.synthesize(plan, folder=folder / "assembly")


def emulators_words(secrets) -> dict[str, str]:
    """What the emulator names otherwise than AWS; the template is asserted for these below."""
    arns = {name: secrets.describe_secret(SecretId=name)["ARN"] for name in (CREDENTIALS, NOTIFY)}
    return {
        **{f'"{name}"': f'"{arn}"' for name, arn in arns.items()},  # a reference to a secret is its ARN at AWS
        SERVICE: ARN("ecs", "cluster/hl-monitor-cluster"),  # a service is asked about at AWS, and its cluster here
        ':*"': '"',  # the streams of a log are written at AWS, and the log here
    }


@pytest.fixture(scope="module")
def account(stack, tmp_path_factory):
    """The stack in an account that enforces policies, beside things of the same kinds that are not the monitor's."""
    folder = tmp_path_factory.mktemp("aws")
    kept = {"PERSIST_STATE": "1", "STATE_DIR": f"{folder}/state", "S3_PERSIST": "1", "S3_DATA_DIR": f"{folder}/s3"}
    with ExitStack() as opened:
        with ministack(folder, **kept) as url:
            try:
                run = cdk(folder, folder / "cdk", url)
            except Unavailable as reason:
                pytest.skip(str(reason))
            run("bootstrap", ENVIRONMENT)
            run("deploy", *YES, *assembled(stack.folder.parent, stack.folder.name))
        account = Account(opened.enter_context(ministack(folder, AUTH="true", **kept)), opened, ROLES)
        root = partial(account.client, "root")
        for role in ROLES:
            account.reword(role, emulators_words(root("secretsmanager")))
        root("dynamodb").update_table(TableName="hl-fills", DeletionProtectionEnabled=True)
        root("dynamodb").create_table(
            TableName="others",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        root("secretsmanager").create_secret(Name="others", SecretString="{}")
        root("sns").create_topic(Name="others")
        root("ecs").create_cluster(clusterName="others")
        root("logs").create_log_stream(logGroupName="/ecs/hl-monitor", logStreamName="x")
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ACCOUNT}}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        root("iam").create_role(RoleName="others", AssumeRolePolicyDocument=document)
        yield account


@pytest.fixture
def acting(account, monkeypatch):
    """This process gets the credentials of a role as ECS and Lambda give them, from the environment."""

    def act(role: str) -> None:
        for name, value in account.credentials[role].items():
            monkeypatch.setenv(name.upper(), value)
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        monkeypatch.setenv("AWS_ENDPOINT_URL", account.url)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

    return act


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.service}-{call.operation}")
def test_a_call_is_made_by_the_roles_that_need_it_and_denied_to_all_others(account, call):
    answers = {role: account.answer(role, call) for role in ROLES}
    assert {role for role, answer in answers.items() if answer not in DENIALS} == call.may
    assert {answers[role] for role in call.may} <= {""}
    assert account.answer("root", call) == call.end


def test_with_its_role_the_monitor_proves_its_store_and_keeps_every_kind_of_event(acting):
    acting("task")
    with FACTORY.open(DynamodbConfig(), Settings(name="store")) as sink:
        sink.write([build() for build in STORED_BUILDERS.values()])
        assert len(list(sink.load_checkpoints())) == 1


def test_with_its_role_the_relay_reads_its_secret_and_tells_people(account, acting, monkeypatch):
    acting("relay")
    with Discord() as discord:
        secret = json.dumps({"DISCORD_WEBHOOK_URL": discord.webhook})
        account.client("root", "secretsmanager").put_secret_value(SecretId=NOTIFY, SecretString=secret)
        monkeypatch.setenv("DISCORD_WEBHOOK_URL", "")  # the function sets it, and this process is not to keep it
        for name, value in {"HLMON_CONFIG_TOML": CONFIG, "RELAY_TO": '["chat"]', "RELAY_SECRET": NOTIFY}.items():
            monkeypatch.setenv(name, value)
        message = {"Message": "over", "Subject": "Budget", "MessageId": "m", "Timestamp": "2026-11-24T04:00:00.500Z"}
        assert relay.on_event({"Records": [{"Sns": message}]}, None) == {"sent": 1}
        assert "Budget" in discord.accepted[-1]


def test_with_its_role_the_function_moves_the_service_to_on_demand_and_back(acting, monkeypatch):
    acting("fallback")
    monkeypatch.setenv("CLUSTER", "hl-monitor-cluster")
    monkeypatch.setenv("SERVICES", '["hl-monitor"]')
    detail = {"eventName": "SERVICE_TASK_PLACEMENT_FAILURE", "reason": "RESOURCE:FARGATE"}
    failure = {"detail": detail, "resources": [SERVICE]}
    assert fallback.on_event(failure, None) == {"provider": "FARGATE", "moved": [SERVICE]}
    assert fallback.on_event({}, None) == {"provider": "FARGATE_SPOT", "moved": ["hl-monitor"]}


def test_what_did_not_come_over_tls_the_topic_takes_from_nobody(account):
    message = {"TopicArn": TOPIC, "Message": "x"}
    with closing(boto3.client("sns", endpoint_url=account.url, region_name=REGION, **ROOT)) as plain:
        with pytest.raises(ClientError, match="AuthorizationError"):
            plain.publish(**message)
    account.client("root", "sns").publish(**message)


NAMES = {"Name", "LogGroupName", "ServiceName", "TopicName", "QueueName"}


def allowed(stack, role: str) -> dict[str, set[str]]:
    """What the template lets a role do, and to what by name."""
    resources = stack.template["Resources"]
    found: dict[str, set[str]] = {}
    for name, each in resources.items():
        if each["Type"] == "AWS::IAM::Policy" and ROLES[role] in name:
            for statement in each["Properties"]["PolicyDocument"]["Statement"]:
                assert statement.keys() == {"Action", "Effect", "Resource"}  # a condition would have to be probed
                targets = {_name_of(resources, target) for target in _listed(statement["Resource"])}
                for action in _listed(statement["Action"]):
                    found.setdefault(action, set()).update(targets)
    return found


def _listed(value) -> list:
    return value if isinstance(value, list) else [value]


def _name_of(resources, target) -> str:
    identity = target.get("Ref") or target["Fn::GetAtt"][0]
    (name,) = [value for key, value in resources[identity]["Properties"].items() if key in NAMES]
    return name


def test_where_the_emulator_is_coarse_the_template_names_just_these(stack):
    def writing(log):
        return {"logs:CreateLogStream": {log}, "logs:PutLogEvents": {log}}

    def reading(*secrets):
        return {f"secretsmanager:{action}": set(secrets) for action in ("DescribeSecret", "GetSecretValue")}

    assert allowed(stack, "execution") == writing("/ecs/hl-monitor") | reading(CREDENTIALS, NOTIFY)
    assert allowed(stack, "relay") == writing("/aws/lambda/hl-monitor-relay") | reading(NOTIFY) | {
        "sqs:SendMessage": {QUEUE}
    }
    assert allowed(stack, "fallback") == writing("/aws/lambda/hl-monitor-fallback") | {
        "ecs:DescribeServices": {"hl-monitor"},
        "ecs:UpdateService": {"hl-monitor"},
        "sns:Publish": {"hl-monitor-alerts"},
    }


def test_a_role_is_for_one_service_of_aws_and_has_no_policy_but_its_own(stack):
    roles = stack.all("IAM::Role")
    assert len(roles) == len(ROLES)
    for role in roles:
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Action"] == "sts:AssumeRole"
        assert trust["Principal"] in ({"Service": "ecs-tasks.amazonaws.com"}, {"Service": "lambda.amazonaws.com"})
        assert "ManagedPolicyArns" not in role
        assert "Policies" not in role
