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
from hlmon_deploy.capacity import function_log, function_role
from hlmon_deploy.names import NOTIFY, PREFIX
from hlmon_deploy.plan import Plan
from hlmon_deploy.store import Store

RUNTIME = lambda_.Runtime.PYTHON_3_13  # wheels of everything that hlmon imports are there for it
_ARCHITECTURES = {"arm64": lambda_.Architecture.ARM_64, "x86_64": lambda_.Architecture.X86_64}


class Relay(Construct):
    """The function on the topic, its log, and the queue of what it could not pass on."""

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
        acknowledge(function, {"L1": "The newest runtime for which every dependency has wheels"})
