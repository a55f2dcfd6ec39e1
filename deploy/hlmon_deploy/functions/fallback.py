"""Moves the services to on-demand capacity when Spot has none, and once a day back to Spot."""

from __future__ import annotations

import json
import os
from typing import Any

import boto3

SPOT = "FARGATE_SPOT"
ON_DEMAND = "FARGATE"


def wanted(event: dict[str, Any]) -> tuple[list[str], str]:
    """Which services, and the capacity that they get; a failure that capacity does not explain changes nothing."""
    detail = event.get("detail", {})
    if detail.get("eventName") == "SERVICE_TASK_PLACEMENT_FAILURE":
        lacks_capacity = detail.get("reason", "").startswith("RESOURCE:")
        return (list(event.get("resources", [])) if lacks_capacity else []), ON_DEMAND
    return json.loads(os.environ["SERVICES"]), SPOT


def move(client: Any, cluster: str, services: list[str], provider: str) -> list[str]:
    """Give these services this capacity; returns the ones that had another."""
    moved = []
    for service in services:
        (found,) = client.describe_services(cluster=cluster, services=[service])["services"]
        strategy = found.get("capacityProviderStrategy", [])
        if [each["capacityProvider"] for each in strategy] == [provider]:
            continue
        client.update_service(
            cluster=cluster,
            service=service,
            capacityProviderStrategy=[{"capacityProvider": provider, "weight": 1}],
            forceNewDeployment=True,
        )
        moved.append(service)
    return moved


def on_event(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The function's entry point."""
    services, provider = wanted(event)
    return {"provider": provider, "moved": move(boto3.client("ecs"), os.environ["CLUSTER"], services, provider)}
