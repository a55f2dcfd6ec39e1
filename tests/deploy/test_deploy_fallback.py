"""From Spot to on-demand capacity and back."""

from __future__ import annotations

import json

import pytest

from hlmon_deploy.functions import fallback

SERVICE = "arn:aws:ecs:us-east-1:1:service/hl-monitor-cluster/hl-monitor"


class Ecs:
    """The services' capacity, by name."""

    def __init__(self, **capacity: str) -> None:
        self.capacity = capacity

    def describe_services(self, cluster, services):
        return {"services": [{"capacityProviderStrategy": [{"capacityProvider": self.capacity[services[0]]}]}]}

    def update_service(self, cluster, service, **changes):
        assert changes["forceNewDeployment"]
        self.capacity[service] = changes["capacityProviderStrategy"][0]["capacityProvider"]


def failure(reason: str) -> dict:
    return {"detail": {"eventName": "SERVICE_TASK_PLACEMENT_FAILURE", "reason": reason}, "resources": [SERVICE]}


def test_a_service_that_found_no_capacity_goes_on_demand():
    assert fallback.wanted(failure("RESOURCE:FARGATE")) == ([SERVICE], "FARGATE")


def test_a_failure_of_another_kind_changes_nothing():
    assert fallback.wanted(failure("AGENT"))[0] == []


def test_the_schedule_brings_every_service_back_to_spot(monkeypatch):
    monkeypatch.setenv("SERVICES", json.dumps(["hl-monitor", "hl-monitor-2"]))
    assert fallback.wanted({"detail-type": "Scheduled Event"}) == (["hl-monitor", "hl-monitor-2"], "FARGATE_SPOT")


@pytest.mark.parametrize(("before", "moved"), [("FARGATE", ["a"]), ("FARGATE_SPOT", [])])
def test_only_what_has_another_capacity_is_deployed_anew(before, moved):
    ecs = Ecs(a=before)
    assert fallback.move(ecs, "cluster", ["a"], "FARGATE_SPOT") == moved
    assert ecs.capacity == {"a": "FARGATE_SPOT"}


def test_the_function_fits_into_the_template():
    from pathlib import Path

    assert len(Path(fallback.__file__).read_text()) < 4096
