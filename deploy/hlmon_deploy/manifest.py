"""Which parts and plugins a deployment has: the config made whole, and proven against the chosen plugins at synth."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from hlmon.config import Config, load_config
from hlmon.errors import ConfigError
from hlmon.parts import EnabledParts, enable
from hlmon.plugins import Catalogue, PluginInfo
from hlmon.problems import TOML_VARIABLE
from hlmon_deploy.needs import is_own_arn
from hlmon_deploy.settings import DeploySettings
from hlmon_deploy.toml import to_toml

CORE: Final = "hlmon-core"
_KINDS: Final = {"source": "source", "rule": "deriver", "sink": "sink", "notifier": "notifier"}


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """One chosen plugin. `wheel` is a file that the operator brought, else it is installed as it is here."""

    name: str
    version: str
    wheel: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is deployed: `document` is the config as its TOML reads, `config` and `parts` are what it means."""

    document: Mapping[str, Any]
    config: Config
    parts: EnabledParts
    plugins: tuple[Plugin, ...]
    accounts: tuple[str, ...]  # none: they come from the secret

    def toml(self, shard: int, own_topic: str) -> str:
        """The config of one shard. Market trades are followed by the first alone; the own topic gets its real ARN."""
        document = {**self.document}
        if shard > 1 and "hyperliquid" in document:
            document["hyperliquid"] = {**document["hyperliquid"], "coins": []}
        return to_toml(_with_arn(document, own_topic))


def read_manifest(settings: DeploySettings, catalogue: Catalogue, folder: Path) -> Manifest:
    """The manifest of these settings; wheels are looked for in `folder`.

    Raises ConfigError for a config that is wrong, that names what is not installed, or what is not among the chosen.
    """
    document: dict[str, Any] = {}
    if settings.config is not None:
        enable(load_config(settings.config, environ={}), catalogue)  # they say what is wrong, and in which line
        document = tomllib.loads(settings.config.read_text(encoding="utf-8-sig"))
    _add_store(document, settings)
    config = load_config(None, environ={TOML_VARIABLE: to_toml(document)}, accounts=settings.accounts)
    parts = enable(config, catalogue)
    installed: dict[str, PluginInfo] = {canonicalize_name(each.distribution): each for each in catalogue.plugins}
    named = dict(_owners(config, catalogue.plugins))
    if settings.plugins is None:
        plugins = [Plugin(name=name, version=installed[name].version) for name in dict.fromkeys(named.values())]
    else:
        plugins = [_chosen(text, installed, folder) for text in settings.plugins]
        _check_chosen(named, {plugin.name for plugin in plugins})
    return Manifest(
        document=document,
        config=config,
        parts=parts,
        plugins=tuple(plugin for plugin in plugins if plugin.name != CORE),
        accounts=tuple(account.address for account in config.account),
    )


def _add_store(document: dict[str, Any], settings: DeploySettings) -> None:
    """The sink that `db_mode` stands for, unless the config has one of its type."""
    sinks = document.setdefault("sink", {})
    mode = settings.db_mode or ("dynamodb" if not sinks else None)
    if mode is None or any(table.get("type") == mode for table in sinks.values()):
        return
    if mode in sinks:
        raise ConfigError(f"sink.{mode}.type: is not {mode!r}, as --context db_mode={mode} wants; give it another name")
    sinks[mode] = {"type": mode}


def _owners(config: Config, plugins: tuple[PluginInfo, ...]) -> Iterator[tuple[str, str]]:
    """What the config names, e.g. `sink.archive: type 'acme'`, and the distribution it comes from."""
    sections: tuple[Any, ...] = ("source", "rule", "sink", "notifier")
    for section in sections:
        for table in config.parts(section):
            for plugin in plugins:
                if table.type in plugin.provides.get(_KINDS[section], ()):
                    yield f"{table.path}.type {table.type!r}", canonicalize_name(plugin.distribution)


def _check_chosen(named: Mapping[str, str], chosen: set[str]) -> None:
    problems = [
        f"{what} is of the plugin {owner}, which --context plugins does not choose; add it there"
        for what, owner in named.items()
        if owner not in chosen | {CORE}
    ]
    if problems:
        raise ConfigError("\n".join(problems))


def _chosen(text: str, installed: Mapping[str, PluginInfo], folder: Path) -> Plugin:
    """One entry of `plugins`: name, name==version, or the path of a wheel."""
    wheel: Path | None = None
    wanted: Version | None = None
    try:
        if text.endswith(".whl"):
            wheel = (folder / text).resolve()
            name, wanted, *_ = parse_wheel_filename(wheel.name)
        else:
            requirement = Requirement(text)
            name = canonicalize_name(requirement.name)
            exact = [one.version for one in requirement.specifier if one.operator == "=="]
            wanted = Version(exact[0]) if exact else None
    except (InvalidRequirement, InvalidWheelFilename) as error:
        raise ConfigError(f"--context plugins: {text!r} is no plugin: {error}") from error
    if wheel is not None and not wheel.is_file():
        raise ConfigError(f"--context plugins: there is no file {wheel}")
    if name not in installed:
        raise ConfigError(f"the plugin {name} is chosen but not installed beside cdk; needs: pip install {text}")
    found = installed[name]
    if found.broken:
        raise ConfigError(f"the plugin {name} is broken: {found.broken}")
    if wanted is not None and Version(found.version) != wanted:
        raise ConfigError(f"the plugin {name} is chosen as {wanted}, but {found.version} is installed beside cdk")
    return Plugin(name=name, version=found.version, wheel=wheel)


def _with_arn(value: Any, own_topic: str) -> Any:
    if isinstance(value, Mapping):
        return {name: _with_arn(each, own_topic) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_arn(each, own_topic) for each in value]
    return own_topic if isinstance(value, str) and is_own_arn(value) else value
