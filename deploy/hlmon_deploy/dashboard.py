"""What an operator wants to see first, on one page."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from hlmon_deploy.names import DASHBOARD
from hlmon_deploy.shard import Shard
from hlmon_deploy.watch import ShardAlarms

_TROUBLE = ["fields @timestamp, level, message", "filter level != 'info'", "sort @timestamp desc", "limit 50"]


def add_dashboard(
    scope: Construct,
    every: Sequence[cloudwatch.IAlarm],
    alarms: Sequence[ShardAlarms],
    monitors: Sequence[Shard],
    tables: Sequence[str],
) -> cloudwatch.Dashboard:
    """Every alarm first, then how alive each service is, then what it costs the machine and the store, then trouble."""

    def graph(title: str, metrics: Sequence[cloudwatch.IMetric], width: int = 12) -> cloudwatch.GraphWidget:
        return cloudwatch.GraphWidget(title=title, left=list(metrics), width=width, height=6)

    dashboard = cloudwatch.Dashboard(
        scope, "Dashboard", dashboard_name=DASHBOARD, default_interval=cdk.Duration.hours(6)
    )
    dashboard.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(every), width=24, height=3))
    dashboard.add_widgets(
        graph("Seconds since the exchange was heard", [each.silence for each in alarms]),
        graph("Seconds since the slowest delivery", [each.lag for each in alarms]),
    )
    dashboard.add_widgets(
        graph("Running tasks", [each.running for each in alarms], 8),
        graph("CPU %", [each.cpu for each in alarms], 8),
        graph("Memory %", [each.memory for each in alarms], 8),
    )
    consumed = [_consumed(table) for table in tables]
    if consumed:
        dashboard.add_widgets(
            graph("Write units", consumed), graph("Errors in the log", [each.errors for each in alarms])
        )
    dashboard.add_widgets(
        cloudwatch.LogQueryWidget(
            title="What the monitor warned of",
            log_group_names=[monitor.log_group.log_group_name for monitor in monitors],
            query_lines=_TROUBLE,
            width=24,
            height=8,
        )
    )
    return dashboard


def _consumed(table: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/DynamoDB",
        metric_name="ConsumedWriteCapacityUnits",
        dimensions_map={"TableName": table},
        statistic="Sum",
        period=cdk.Duration.minutes(5),
        label=table,
    )
