"""One shard of the monitor, an ECS service: one small task at a time, on Spot if there is any."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_logs as logs
from constructs import Construct

from hlmon.cost import Capacity
from hlmon_deploy.acknowledged import NO_OWN_KEY, acknowledge
from hlmon_deploy.container import ACCOUNTS, WANTED, variable_of
from hlmon_deploy.names import CLUSTER, JOURNAL, LOG_GROUP, PREFIX, of_shard
from hlmon_deploy.network import Network
from hlmon_deploy.plan import Plan
from hlmon_deploy.store import Store

STOP_SECONDS: Final = 120  # the longest that Fargate gives
WRITABLE: Final = {
    "journal": str(Path(JOURNAL).parent),
    "scratch": "/tmp",  # noqa: S108  # of the container alone
    "exec-state": "/var/lib/amazon",  # ECS Exec's agent writes there
    "exec-logs": "/var/log/amazon",
}
_PROVIDERS: Final[dict[Capacity, str]] = {"spot": "FARGATE_SPOT", "ondemand": "FARGATE"}
_CPUS: Final = {"arm64": ecs.CpuArchitecture.ARM64, "x86_64": ecs.CpuArchitecture.X86_64}


class MonitorCluster(ecs.Cluster):
    """The cluster; its capacity providers are its own property, so that nothing else has to be made for them."""

    def __init__(self, scope: Construct, name: str, *, vpc: ec2.IVpc) -> None:
        super().__init__(
            scope,
            name,
            vpc=vpc,
            cluster_name=CLUSTER,
            container_insights_v2=ecs.ContainerInsights.DISABLED,
            execute_command_configuration=ecs.ExecuteCommandConfiguration(logging=ecs.ExecuteCommandLogging.NONE),
        )
        cluster = self.node.default_child
        assert isinstance(cluster, ecs.CfnCluster)  # noqa: S101  # for the type checker
        cluster.capacity_providers = ["FARGATE", "FARGATE_SPOT"]
        reason = "Container Insights costs more than the task; the alarms do without it"
        acknowledge(self, {"ECS4": reason, "CKV_AWS_65": reason})


class Shard(Construct):
    """One shard: its log, its task and its service."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        plan: Plan,
        number: int,
        cluster: ecs.ICluster,
        network: Network,
        store: Store,
        image: ecs.ContainerImage,
        topic_arn: str,
    ) -> None:
        super().__init__(scope, name)
        self.number = number
        self.log_group = logs.LogGroup(
            self,
            "Log",
            log_group_name=of_shard(LOG_GROUP, number, "/"),
            retention=logs.RetentionDays.TWO_WEEKS,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        acknowledge(self.log_group, {"CKV_AWS_158": NO_OWN_KEY})
        self._plan, self._store = plan, store
        self.task = self._task(image, plan.manifest.toml(number, topic_arn))
        self.service = ecs.FargateService(
            self,
            "Service",
            service_name=of_shard(PREFIX, number),
            cluster=cluster,
            task_definition=self.task,
            desired_count=1,
            min_healthy_percent=0,  # the old task ends before the new one begins: two would count twice as users
            max_healthy_percent=100,
            availability_zone_rebalancing=ecs.AvailabilityZoneRebalancing.DISABLED,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            capacity_provider_strategies=[
                ecs.CapacityProviderStrategy(capacity_provider=_PROVIDERS[plan.settings.capacity], weight=1)
            ],
            enable_execute_command=True,
            assign_public_ip=True,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC),
            security_groups=[network.security_group],
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )

    def _task(self, image: ecs.ContainerImage, config: str) -> ecs.FargateTaskDefinition:
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            family=of_shard(PREFIX, self.number),
            cpu=256,
            memory_limit_mib=512,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=_CPUS[self._plan.settings.arch],
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
            volumes=[ecs.Volume(name=volume) for volume in WRITABLE],
        )
        container = task.add_container(
            "monitor",
            image=image,
            essential=True,
            environment=self._environment(config),
            secrets=self._secrets(),
            readonly_root_filesystem=True,
            stop_timeout=cdk.Duration.seconds(STOP_SECONDS),
            linux_parameters=ecs.LinuxParameters(self, "Init", init_process_enabled=True),
            logging=ecs.LogDriver.aws_logs(stream_prefix="monitor", log_group=self.log_group),
            health_check=_health_check(),
        )
        container.add_mount_points(
            *(
                ecs.MountPoint(container_path=path, source_volume=volume, read_only=False)
                for volume, path in WRITABLE.items()
            )
        )
        self._store.allow(task.task_role, self._plan.resources.grants)
        acknowledge(task, {"ECS2": "Secrets come from Secrets Manager; these variables are public settings"})
        acknowledge(task.task_role, {"IAM5[Resource::*]": "ECS Exec opens channels that have no ARN (ssmmessages)"})
        if not self._plan.settings.image:
            reason = "ecr:GetAuthorizationToken, which the image is fetched with, knows no resource"
            acknowledge(task.obtain_execution_role(), {"IAM5[Resource::*]": reason})
        return task

    def _environment(self, config: str) -> dict[str, str]:
        """Everything that is no secret."""
        known = self._plan.manifest.accounts
        return {
            **self._plan.resources.variables,
            **({ACCOUNTS: " ".join(known)} if known else {}),
            "AWS_DEFAULT_REGION": cdk.Stack.of(self).region,
            "HLMON_CONFIG_TOML": config,
            "HLMON_JOURNAL": JOURNAL,
            "HLMON_SHARD": f"{self.number}/{self._plan.settings.shards}",
            WANTED: json.dumps(dict(self._plan.resources.secrets)),
        }

    def _secrets(self) -> dict[str, ecs.Secret]:
        """Of the credentials the accounts alone, so that no private key that lies there comes near a process."""
        from_secrets = {
            variable_of(name): ecs.Secret.from_secrets_manager(one) for name, one in self._store.secrets.items()
        }
        if not self._plan.manifest.accounts:
            from_secrets[ACCOUNTS] = ecs.Secret.from_secrets_manager(self._store.credentials, ACCOUNTS)
        return from_secrets


def _health_check() -> ecs.HealthCheck:
    """The same as the image's own, which ECS does not read."""
    return ecs.HealthCheck(
        command=["CMD-SHELL", f"test -e /tmp/waiting || hlmon health --journal {JOURNAL}"],
        interval=cdk.Duration.seconds(60),
        timeout=cdk.Duration.seconds(30),
        start_period=cdk.Duration.seconds(120),
        retries=5,
    )
