"""What a deployment must provide, as plain data."""

from __future__ import annotations

from hlmon import Need, Secret


def secrets(*wanted: tuple[Secret | None, str]) -> list[Need]:
    """A need for each secret that is read from the environment: (the secret, why)."""
    return [need for secret, why in wanted if secret is not None for need in secret.needs(why)]


def permission(resource: str, why: str, *actions: str) -> Need:
    """A need for actions of AWS on one resource, named by its ARN."""
    return Need(kind="permission", name=resource, why=why, details={"resource": resource, "actions": list(actions)})
