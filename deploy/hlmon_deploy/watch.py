"""Watching the watcher: alarms without Container Insights, all to one topic, a budget, and the dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from hlmon_deploy.acknowledged import acknowledge
from hlmon_deploy.names import NAMESPACE, PREFIX, TOPIC, of_shard
from hlmon_deploy.shard import Shard

PUBLISHERS: Final = ("cloudwatch", "budgets")  # EventBridge is let in by its rule
_MINUTE: Final = cdk.Duration.minutes(1)


@dataclass(frozen=True, kw_only=True)
class Watch:
    """One alarm: in ALARM when `metric` is beyond `threshold` for `minutes` minutes; `missing` data may count too."""

    name: str
    says: str
    metric: cloudwatch.Metric
    threshold: float
    minutes: int
    who: str = "monitor"
    below: bool = False
    missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING


class Alerts(sns.Topic):
    """Where every alarm and every alert goes; it takes and gives messages over TLS only."""

    def __init__(self, scope: Construct, name: str, *, email: str | None) -> None:
        super().__init__(scope, name, topic_name=TOPIC, display_name="hlmon", enforce_ssl=True)
        self.add_to_resource_policy(
            iam.PolicyStatement(
                sid="ThisAccountsServices",
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal(f"{service}.amazonaws.com") for service in PUBLISHERS],
                resources=[self.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            )
        )
        reason = "CloudWatch may not use the key that AWS manages for topics; one of ours would cost a dollar a month"
        acknowledge(self, {"CKV_AWS_26": reason})
        if email:
            self.add_subscription(subscriptions.EmailSubscription(email))


class ShardAlarms(Construct):
    """The seven alarms of one service; three read metrics that ECS gives, four the monitor's log."""

    def __init__(self, scope: Construct, name: str, *, monitor: Shard, topic: sns.ITopic) -> None:
        super().__init__(scope, name)
        self._monitor = monitor
        self.cpu = monitor.service.metric_cpu_utilization(period=_MINUTE, statistic="Average")
        self.memory = monitor.service.metric_memory_utilization(period=_MINUTE, statistic="Maximum")
        self.running = self.cpu.with_(statistic="SampleCount")  # each running task sends one sample a minute
        heartbeat = logs.FilterPattern.string_value("$.message", "=", "heartbeat")
        failed = logs.FilterPattern.any(
            *(logs.FilterPattern.string_value("$.level", "=", level) for level in ("error", "critical"))
        )
        self.silence = self._from_log("SilentSeconds", heartbeat, "$.silent_seconds", "Maximum")
        self.lag = self._from_log("DeliverySeconds", heartbeat, "$.delivery_seconds", "Maximum")
        self.well = self._from_log("Well", heartbeat, "$.well", "Maximum")
        self.errors = self._from_log("Errors", failed, "1", "Sum")
        self.alarms = [add_alarm(self, watch, topic, monitor.number) for watch in self._watches()]

    def _watches(self) -> tuple[Watch, ...]:
        breaching = cloudwatch.TreatMissingData.BREACHING
        return (
            Watch(name="cpu", says="uses its whole CPU", metric=self.cpu, threshold=90, minutes=15),
            Watch(name="memory", says="is short of memory", metric=self.memory, threshold=85, minutes=5),
            Watch(
                name="running",
                says="does not run",
                metric=self.running,
                threshold=1,
                minutes=10,
                below=True,
                missing=breaching,
            ),
            Watch(
                name="silence",
                says="waits for its secrets, or hears nothing from the exchange",
                metric=self.silence,
                threshold=300,
                minutes=5,
                missing=breaching,
            ),
            Watch(
                name="delivery",
                says="cannot deliver to a store or a notifier",
                metric=self.lag,
                threshold=600,
                minutes=5,
            ),
            Watch(
                name="well",
                says="is not well: the reasons are in the heartbeat lines of its log, and in `hlmon status`",
                metric=self.well,
                threshold=1,
                minutes=10,
                below=True,
            ),
            Watch(name="errors", says="logs errors", metric=self.errors, threshold=5, minutes=5),
        )

    def _from_log(self, name: str, pattern: logs.IFilterPattern, value: str, statistic: str) -> cloudwatch.Metric:
        """A metric of this shard's own log; metrics of this kind are charged for."""
        metric_name = of_shard(name, self._monitor.number)
        logs.MetricFilter(
            self,
            f"{name}InLog",
            log_group=self._monitor.log_group,
            filter_pattern=pattern,
            metric_namespace=NAMESPACE,
            metric_name=metric_name,
            metric_value=value,
        )
        return cloudwatch.Metric(namespace=NAMESPACE, metric_name=metric_name, statistic=statistic, period=_MINUTE)


def add_alarm(scope: Construct, watch: Watch, topic: sns.ITopic, shard: int = 1) -> cloudwatch.Alarm:
    """The alarm, which tells the topic when it begins and when it ends."""
    operator = cloudwatch.ComparisonOperator
    alarm = cloudwatch.Alarm(
        scope,
        watch.name.capitalize(),
        alarm_name=of_shard(f"{PREFIX}-{watch.name}", shard),
        alarm_description=f"The {watch.who} {watch.says}.",
        metric=watch.metric,
        threshold=watch.threshold,
        evaluation_periods=watch.minutes,
        datapoints_to_alarm=watch.minutes,
        comparison_operator=operator.LESS_THAN_THRESHOLD if watch.below else operator.GREATER_THAN_THRESHOLD,
        treat_missing_data=watch.missing,
    )
    tell = actions.SnsAction(topic)
    alarm.add_alarm_action(tell)
    alarm.add_ok_action(tell)
    return alarm


def add_budget(scope: Construct, limit: Decimal, topic: sns.ITopic) -> budgets.CfnBudget:
    """Tells the topic when the account is about to cost more than this in a month."""
    notification = budgets.CfnBudget.NotificationProperty(
        comparison_operator="GREATER_THAN", notification_type="FORECASTED", threshold=100, threshold_type="PERCENTAGE"
    )
    spent = budgets.CfnBudget.NotificationProperty(
        comparison_operator="GREATER_THAN", notification_type="ACTUAL", threshold=80, threshold_type="PERCENTAGE"
    )
    subscriber = budgets.CfnBudget.SubscriberProperty(address=topic.topic_arn, subscription_type="SNS")
    return budgets.CfnBudget(
        scope,
        "Budget",
        budget=budgets.CfnBudget.BudgetDataProperty(
            budget_name=PREFIX,
            budget_type="COST",
            time_unit="MONTHLY",
            budget_limit=budgets.CfnBudget.SpendProperty(amount=float(limit), unit="USD"),
        ),
        notifications_with_subscribers=[
            budgets.CfnBudget.NotificationWithSubscribersProperty(notification=each, subscribers=[subscriber])
            for each in (notification, spent)
        ],
    )
