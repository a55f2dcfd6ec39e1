"""What happens when a task cannot be placed: people are told, and Spot gives way to on-demand capacity for a day."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from hlmon_deploy.acknowledged import NO_OWN_KEY, acknowledge
from hlmon_deploy.names import PREFIX
from hlmon_deploy.shard import Shard

RUNTIME = lambda_.Runtime.PYTHON_3_14
_CODE = Path(__file__).parent / "functions" / "fallback.py"
_RETURN_HOUR = 4  # UTC; when the services try Spot again
FUNCTION_FINDINGS: Final = {
    "CKV_AWS_115": "A new account has ten executions at a time, of which AWS lets none be reserved",
    "CKV_AWS_117": "It calls the outside only, which in a VPC would take a NAT gateway",
    "CKV_AWS_173": "Nothing secret is in its variables, which AWS encrypts with a key of its own",
}
"""Of checkov, in every function."""


class Placement(Construct):
    """The rule on placement failures; with `fallback` also the function that moves the services, and its schedule."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        cluster: ecs.ICluster,
        monitors: Sequence[Shard],
        topic: sns.ITopic,
        fallback: bool,
    ) -> None:
        super().__init__(scope, name)
        rule = events.Rule(
            self,
            "PlacementFailure",
            description="A task of hlmon could not be placed",
            event_pattern=events.EventPattern(
                source=["aws.ecs"],
                detail_type=["ECS Service Action"],
                detail={"eventName": ["SERVICE_TASK_PLACEMENT_FAILURE"], "clusterArn": [cluster.cluster_arn]},
            ),
        )
        rule.add_target(targets.SnsTopic(topic))
        if fallback:
            function = self._function(cluster, monitors, topic)
            daily = events.Rule(
                self,
                "BackToSpot",
                description="Once a day hlmon tries Spot again",
                schedule=events.Schedule.cron(minute="10", hour=str(_RETURN_HOUR)),
            )
            for each in (rule, daily):
                each.add_target(targets.LambdaFunction(function))

    def _function(self, cluster: ecs.ICluster, monitors: Sequence[Shard], topic: sns.ITopic) -> lambda_.Function:
        """The function that moves the services; a move that failed three times is told to the topic."""
        role = function_role(self, "FallbackRole")
        log = function_log(self, "FallbackLog", "fallback", role)
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["ecs:DescribeServices", "ecs:UpdateService"],
                resources=[monitor.service.service_arn for monitor in monitors],
            )
        )
        function = lambda_.Function(
            self,
            "Fallback",
            function_name=f"{PREFIX}-fallback",
            runtime=RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            handler="index.on_event",
            code=lambda_.Code.from_inline(_CODE.read_text(encoding="utf-8")),
            timeout=cdk.Duration.seconds(60),
            dead_letter_topic=topic,
            role=role,
            log_group=log,
            environment={
                "CLUSTER": cluster.cluster_name,
                "SERVICES": json.dumps([monitor.service.service_name for monitor in monitors]),
            },
        )
        acknowledge(function, FUNCTION_FINDINGS)
        return function


def function_role(scope: Construct, name: str) -> iam.Role:
    """A role for one function that may do nothing yet."""
    return iam.Role(scope, name, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


def function_log(scope: Construct, name: str, function: str, role: iam.Role) -> logs.LogGroup:
    """The log of a function, which its role may write and nothing else."""
    log = logs.LogGroup(
        scope,
        name,
        log_group_name=f"/aws/lambda/{PREFIX}-{function}",
        retention=logs.RetentionDays.TWO_WEEKS,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    log.grant_write(role)
    acknowledge(log, {"CKV_AWS_158": NO_OWN_KEY})
    return log
