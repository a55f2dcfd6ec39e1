"""The function that passes alarms and alerts on to people, where the operator names notifiers for it."""

from __future__ import annotations

import json
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from hlmon_deploy.acknowledged import acknowledge
from hlmon_deploy.capacity import FUNCTION_FINDINGS, function_log, function_role
from hlmon_deploy.names import NOTIFY, PREFIX
from hlmon_deploy.plan import Plan
from hlmon_deploy.store import Store
from hlmon_deploy.watch import Watch, add_alarm

RUNTIME = lambda_.Runtime.PYTHON_3_13  # wheels of everything that hlmon imports are there for it
_ARCHITECTURES = {"arm64": lambda_.Architecture.ARM_64, "x86_64": lambda_.Architecture.X86_64}


class Relay(Construct):
    """The function on the topic, its log, and the queue of what it could not pass on, with its alarm.

    The alarm goes to the topic as every other: to those whom the relay still reaches, and to whoever subscribed beside
    it. That the relay fails once more then changes nothing, since the alarm is on already.
    """

    def __init__(
        self, scope: Construct, name: str, *, plan: Plan, store: Store, topic: sns.ITopic, code: Path, topic_arn: str
    ) -> None:
        super().__init__(scope, name)
        role = function_role(self, "Role")
        log = function_log(self, "Log", "relay", role)
        undelivered = sqs.Queue(
            self,
            "Undelivered",
            queue_name=f"{PREFIX}-relay-undelivered",
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
        )
        default = "SQS encrypts it with a key of its own; SNS could not write with one of KMS that AWS manages"
        acknowledge(undelivered, {"CKV_AWS_27": default})
        secret = store.secrets.get(NOTIFY)
        if secret:
            secret.grant_read(role)
        function = lambda_.Function(
            self,
            "Function",
            function_name=f"{PREFIX}-relay",
            runtime=RUNTIME,
            architecture=_ARCHITECTURES[plan.settings.arch],
            handler="hlmon_relay.on_event",
            code=lambda_.Code.from_asset(str(code)),
            timeout=cdk.Duration.seconds(60),
            memory_size=256,
            retry_attempts=2,
            dead_letter_queue=undelivered,
            role=role,
            log_group=log,
            environment={
                "HLMON_CONFIG_TOML": plan.manifest.toml(1, topic_arn),
                "RELAY_TO": json.dumps(plan.settings.relay),
                **({"RELAY_SECRET": NOTIFY} if secret else {}),
            },
        )
        topic.add_subscription(subscriptions.LambdaSubscription(function, dead_letter_queue=undelivered))
        newest = "The newest runtime for which every dependency has wheels"
        acknowledge(function, {"L1": newest, **FUNCTION_FINDINGS})
        self.alarm = add_alarm(undelivered, _watch(undelivered), topic)


def _watch(undelivered: sqs.Queue) -> Watch:
    return Watch(
        name="undelivered",
        who="relay",
        says=f"did not reach everybody; what they were not told lies in {PREFIX}-relay-undelivered",
        metric=undelivered.metric_approximate_number_of_messages_visible(
            period=cdk.Duration.minutes(1), statistic="Maximum"
        ),
        threshold=0,
        minutes=1,
    )
