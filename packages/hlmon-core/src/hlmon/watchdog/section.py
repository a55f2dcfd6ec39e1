"""What the user writes in [watchdog]."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from hlmon.secret import Secret


class WatchdogSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who watches the watcher: a URL that is told that all is well, and an address that can be asked.

    Whoever knows the ping URL can say that all is well, so it is a secret.
    """

    ping_url: Annotated[
        Secret | None,
        Meta(description="refers to the URL that is told each minute that all is well; left out: no ping"),
    ] = None
    ping_seconds: Annotated[int, Meta(ge=10, description="time between two pings")] = 60
    healthz: Annotated[
        str | None,
        Meta(
            description='address and port where `GET /healthz` is answered, e.g. `"127.0.0.1:8731"` or `"[::1]:8731"`'
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.healthz is not None:
            split_address(self.healthz)


def split_address(text: str) -> tuple[str, int]:
    """The address and the port of `127.0.0.1:8731` or `[::1]:8731`. Raises ValueError."""
    address, colon, port = text.rpartition(":")
    inside = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    if not (colon and inside and port.isdecimal() and port.isascii() and int(port) < 65_536):
        raise ValueError('healthz must be an address and a port, e.g. "127.0.0.1:8731"')
    if inside == address and ":" in address:
        raise ValueError('healthz must have an IPv6 address in brackets, e.g. "[::1]:8731"')
    return inside, int(port)
