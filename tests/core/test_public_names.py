"""What a plugin author may import from `hlmon`, and what that costs."""

from __future__ import annotations

import inspect
import subprocess
import sys

import hlmon
from hlmon import contract, errors, events

HEAVY = ("asyncio", "click", "hlmon.hyperliquid", "hlmon.plugins", "hyperliquid", "rich", "sqlite3", "websockets")


def test_every_public_name_exists_is_named_once_and_is_all_that_is_public():
    assert len(set(hlmon.__all__)) == len(hlmon.__all__)
    modules = {name for name, value in vars(hlmon).items() if inspect.ismodule(value)}
    public = {name for name in vars(hlmon) if not name.startswith("_")} - modules - {"annotations"}
    assert public == set(hlmon.__all__)


def test_every_event_is_public():
    assert set(events.__all__) <= set(hlmon.__all__)


def test_the_whole_contract_is_public():
    own = {name for name, value in vars(contract).items() if getattr(value, "__module__", "") == contract.__name__}
    assert {name for name in own if not name.startswith("_")} - {"ConfigT", "PartT"} <= set(hlmon.__all__)


def test_the_errors_that_a_plugin_raises_are_public():
    assert {"ConfigError", "HlmonError", "Permanent", "Transient"} <= set(hlmon.__all__)
    assert hlmon.Transient is errors.Transient


def test_every_public_name_but_the_plain_types_says_what_it_promises():
    documented = [name for name in hlmon.__all__ if inspect.isclass(value := getattr(hlmon, name)) or callable(value)]
    aliases = {
        "AccountMode",
        "AlertState",
        "CloseCause",
        "Name",
        "PositionSide",
        "Role",
        "Severity",
        "Side",
        "WatchStatus",
    }
    assert [name for name in documented if name not in aliases and not inspect.getdoc(getattr(hlmon, name))] == []


def test_importing_hlmon_imports_nothing_heavy():
    code = "import sys, hlmon; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in HEAVY if name in loaded] == []
