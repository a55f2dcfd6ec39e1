"""What the user writes in the core's own tables of hlmon.toml. The descriptions are what editors and the docs show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from hlmon.routing import Inhibit, Route
from hlmon.routing.match import DEFAULT_INHIBIT
from hlmon.watchdog.section import WatchdogSection

MAINNET_URL: Final = "https://api.hyperliquid.xyz"
SECTIONS: Final = ("source", "sink", "notifier", "rule")

Section = Literal["source", "sink", "notifier", "rule"]


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One account to watch; the address is lower case once loaded."""

    address: Annotated[str, Meta(description="`0x` and 40 hexadecimal digits; an address twice is an error")]
    label: Annotated[str, Meta(description="your name for it in alerts, screens and routes")] = ""


class HyperliquidSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The exchange: where it is and what is taken from it."""

    url: Annotated[str, Meta(description="REST base; the WebSocket is at its `/ws`")] = MAINNET_URL
    testnet: Annotated[bool, Meta(description="use the test network; instead of `url`, not beside it")] = False
    coins: Annotated[
        tuple[str, ...],
        Meta(description='coins whose market trades are counted, e.g. `"BTC"`, `"xyz:SILVER"`, `"@107"`'),
    ] = ()
    snapshot_seconds: Annotated[int, Meta(ge=5, description="time between two account snapshots")] = 60
    cvd_seconds: Annotated[int, Meta(ge=1, description="length of a CVD bucket")] = 60
    weight_per_minute: Annotated[
        int,
        Meta(
            ge=200,
            description="how much of the 1,200 weight per minute that the exchange grants REST requests from one IP "
            "address is used; less if other programs share the address, more at a node without limits",
        ),
    ] = 1_080


class FileConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The shape of the file."""

    account: Annotated[tuple[Account, ...], Meta(description="the accounts to watch")] = ()
    hyperliquid: HyperliquidSection = HyperliquidSection()
    source: Annotated[dict[str, dict[str, Any]], Meta(description="further sources of events, by your names")] = {}
    sink: Annotated[dict[str, dict[str, Any]], Meta(description="stores that keep everything, by your names")] = {}
    notifier: Annotated[dict[str, dict[str, Any]], Meta(description="ways to tell people, by your names")] = {}
    rule: Annotated[dict[str, dict[str, Any]], Meta(description="what is told: alert rules, by your names")] = {}
    route: Annotated[tuple[Route, ...], Meta(description="which alerts go to which notifiers; they add up")] = ()
    inhibit: Annotated[tuple[Inhibit, ...], Meta(description="alerts that others make superfluous")] = DEFAULT_INHIBIT
    watchdog: WatchdogSection = WatchdogSection()
    plugins: Annotated[
        tuple[str, ...],
        Meta(description='plugins of one file each, e.g. `"./my_notifier.py"`: beside this file, or absolute'),
    ] = ()
    journal: Annotated[Path, Meta(description="path of the journal; `~` is your home directory")] = Path("hlmon.db")
    retention_days: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="facts older than this are removed once every sink and notifier has them; left out: all kept"),
    ] = None
    alert_max_age_seconds: Annotated[
        int, Meta(ge=1, description="older alerts are stored, not sent: a first start raises no storm")
    ] = 3600
