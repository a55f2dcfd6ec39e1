"""The test kit for plugin authors: contracts to inherit and builders of events. Needs pytest."""

from __future__ import annotations

from hlmon.testing.command_contract import CommandContract
from hlmon.testing.contract_case import Contract
from hlmon.testing.deriver_contract import DeriverContract
from hlmon.testing.notifier_contract import NotifierContract
from hlmon.testing.plugin_contract import PluginContract
from hlmon.testing.promises import BrokenPromise
from hlmon.testing.sink_contract import SinkContract
from hlmon.testing.source_contract import SourceContract

__all__ = [
    "BrokenPromise",
    "CommandContract",
    "Contract",
    "DeriverContract",
    "NotifierContract",
    "PluginContract",
    "SinkContract",
    "SourceContract",
]
