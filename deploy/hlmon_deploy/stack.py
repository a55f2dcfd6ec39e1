"""The whole deployment, readable on one screen."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from hlmon_deploy.capacity import Placement
from hlmon_deploy.dashboard import add_dashboard
from hlmon_deploy.image import stage_image, stage_relay
from hlmon_deploy.names import TOPIC, of_shard
from hlmon_deploy.network import Network
from hlmon_deploy.plan import Plan
from hlmon_deploy.relay import Relay
from hlmon_deploy.shard import MonitorCluster, Shard
from hlmon_deploy.store import Store
from hlmon_deploy.watch import Alerts, ShardAlarms, add_budget

_PLATFORMS = {"arm64": ecr_assets.Platform.LINUX_ARM64, "x86_64": ecr_assets.Platform.LINUX_AMD64}


class HyperliquidMonitorStack(cdk.Stack):
    """hlmon on AWS: what the plan says, and no other resource."""

    def __init__(self, scope: Construct, name: str, *, plan: Plan, env: cdk.Environment | None = None) -> None:
        super().__init__(scope, name, env=env, description="hlmon: watches Hyperliquid accounts")
        cdk.Tags.of(self).add("project", "hlmon")
        tables = [table.name for table in plan.resources.tables]
        network = Network(self, "Network", uses_dynamodb=bool(tables))
        store = Store(self, "Store", resources=plan.resources, data=plan.settings.data)
        topic = Alerts(self, "Alerts", email=plan.settings.email)
        cluster = MonitorCluster(self, "Cluster", vpc=network.vpc)
        image = _image(plan)
        own_arn = self.format_arn(service="sns", resource=TOPIC)
        monitors = [
            Shard(
                self,
                of_shard("Monitor", shard, ""),
                plan=plan,
                number=shard,
                cluster=cluster,
                network=network,
                store=store,
                image=image,
                topic_arn=own_arn,
            )
            for shard in plan.shards
        ]
        alarms = [
            ShardAlarms(self, of_shard("Alarms", monitor.number, ""), monitor=monitor, topic=topic)
            for monitor in monitors
        ]
        Placement(
            self,
            "Placement",
            cluster=cluster,
            monitors=monitors,
            topic=topic,
            fallback=plan.settings.capacity == "spot",
        )
        every = [alarm for each in alarms for alarm in each.alarms]
        if plan.settings.relay:
            code = stage_relay(plan.manifest, plan.settings.arch, _scratch() / "relay")
            relay = Relay(self, "Relay", plan=plan, store=store, topic=topic, code=code, topic_arn=own_arn)
            every.append(relay.alarm)
        add_dashboard(self, every, alarms, monitors, tables)
        if plan.settings.budget:
            add_budget(self, plan.settings.budget, topic)
        cdk.CfnOutput(self, "TopicArn", value=topic.topic_arn, description="Where alarms and alerts go")
        cdk.CfnOutput(self, "ClusterName", value=cluster.cluster_name)


def _image(plan: Plan) -> ecs.ContainerImage:
    """A ready image, or one whose folder is made now."""
    if plan.settings.image:
        return ecs.ContainerImage.from_registry(plan.settings.image)
    staged = stage_image(plan.manifest, plan.settings.arch, _scratch() / "image")
    return ecs.ContainerImage.from_asset(str(staged), platform=_PLATFORMS[plan.settings.arch])


def _scratch() -> Path:
    """A folder that goes with this process: CDK reads it as late as in `synth`."""
    folder = Path(tempfile.mkdtemp(prefix="hlmon-deploy-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
