"""What all notifiers of this package let the user choose, and how it becomes the look of their messages."""

from __future__ import annotations

import re
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from hlmon import Settings
from hlmon_notify.render import Look

MAINNET_EXPLORER: Final = "https://app.hyperliquid.xyz/explorer"
TESTNET_EXPLORER: Final = "https://app.hyperliquid-testnet.xyz/explorer"

MAX_BATCH: Final = 500
"""The alerts of one call become one message; rows of a burst beyond this become a second one."""

_WEB = re.compile(r"https?://[^\s\"<>()\\]+")


class LookConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How messages look."""

    zone: Annotated[
        str, Meta(description='times are told in this time zone, e.g. `"Europe/Berlin"`, with UTC beside')
    ] = "UTC"
    explorer: Annotated[
        str | None,
        Meta(
            description="begins the links to the account and the transaction; left out: the network's own; "
            '`""`: no links'
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse a zone that is not known and an explorer that is no address."""
        try:
            ZoneInfo(self.zone)
        except (LookupError, ValueError, OSError):
            raise ValueError('zone: no such time zone; use a name such as "Europe/Berlin"') from None
        if self.explorer and not _WEB.fullmatch(self.explorer):
            raise ValueError('explorer: must begin with https:// (or be "" for no links)')


def look_of(config: LookConfig, settings: Settings) -> Look:
    """The look of the messages of one notifier."""
    own = TESTNET_EXPLORER if "testnet" in settings.url else MAINNET_EXPLORER
    explorer = own if config.explorer is None else config.explorer
    return Look(zone=ZoneInfo(config.zone), explorer=explorer.rstrip("/"), labels=settings.accounts)
