"""Everything that is known before a single resource is declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hlmon.errors import ConfigError
from hlmon.fields import nearest
from hlmon.parts import needs_of, secrets_in
from hlmon.plugins import Catalogue
from hlmon.problems import shown
from hlmon_deploy.manifest import Manifest, read_manifest
from hlmon_deploy.needs import Resources, resources_of
from hlmon_deploy.settings import DeploySettings


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One deployment: the operator's settings, the parts with their plugins, and what those need."""

    settings: DeploySettings
    manifest: Manifest
    resources: Resources

    @property
    def shards(self) -> range:
        """The numbers of the services, from 1."""
        return range(1, self.settings.shards + 1)


def read_plan(settings: DeploySettings, catalogue: Catalogue, folder: Path, environ: Mapping[str, str]) -> Plan:
    """The plan of these settings. Raises ConfigError with a line for each thing that is wrong."""
    manifest = read_manifest(settings, catalogue, folder)
    if manifest.accounts and len(manifest.accounts) < settings.shards:
        raise ConfigError(f"--context shards: {settings.shards} are more than the {len(manifest.accounts)} accounts")
    _check_relay(settings, {part.name: part.factory.name for part in manifest.parts.notifiers})
    _check_secrets(manifest)
    resources = resources_of(needs_of(manifest.config, manifest.parts), environ)
    return Plan(settings=settings, manifest=manifest, resources=resources)


def _check_relay(settings: DeploySettings, notifiers: Mapping[str, str]) -> None:
    """Whether the relay can tell whom it is to tell; what publishes to the topic would only tell the relay again."""
    for name in settings.relay:
        if name not in notifiers:
            raise ConfigError(f"--context relay: the config has no [notifier.{name}]{nearest(name, notifiers)}")
        if notifiers[name] == "sns":
            raise ConfigError(f"--context relay: {name} publishes to a topic; name notifiers that tell people")


def _check_secrets(manifest: Manifest) -> None:
    """Whether every secret comes from a variable: the files of this machine are not in the container."""
    configs = {f"{part.name} ({part.factory.name})": part.config for part in manifest.parts.every}
    problems = [
        f"{owner}.{shown(path)}: {secret.reference} is a file that the container does not have; use env:NAME"
        for owner, config in {**configs, "watchdog": manifest.config.watchdog}.items()
        for path, secret in secrets_in(config, ())
        if secret.reference.startswith("file:")
    ]
    if problems:
        raise ConfigError("\n".join(problems))
