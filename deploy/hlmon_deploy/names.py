"""Names of AWS resources that people and documents know by heart."""

from __future__ import annotations

from typing import Final

STACK: Final = "HyperliquidMonitorStack"
CLUSTER: Final = "hl-monitor-cluster"
DASHBOARD: Final = "HyperliquidMonitor"
PREFIX: Final = "hl-monitor"
LOG_GROUP: Final = "/ecs/hl-monitor"
TOPIC: Final = "hl-monitor-alerts"
NAMESPACE: Final = "HyperliquidMonitor"

CREDENTIALS: Final = "hl-monitor/prod/credentials"
NOTIFY: Final = "hl-monitor/notify"

JOURNAL: Final = "/var/lib/hlmon/hlmon.db"


def of_shard(name: str, shard: int, separator: str = "-") -> str:
    """The name for this shard, counted from 1; the first one's is the plain name."""
    return name if shard == 1 else f"{name}{separator}{shard}"
