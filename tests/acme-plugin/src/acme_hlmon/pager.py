"""A notifier: posts texts to Acme's pager, whose address is a secret."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from hlmon import Alert, ConfigError, Need, NotifierFactory, Permanent, Secret, Settings, Transient


class PagerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`address` refers to the secret."""

    address: Secret


class Pager:
    """Posts to one address."""

    def __init__(self, address: str) -> None:
        self._address = address

    def send(self, alerts: Sequence[Alert], /) -> None:
        """One page for each alert."""
        for alert in alerts:
            text = f"{alert.severity}: {alert.title}\n{alert.body}"
            try:
                urllib.request.urlopen(self._address, text.encode(), timeout=5).close()
            except urllib.error.HTTPError as error:
                with error:
                    kind = Permanent if 400 <= error.code < 500 else Transient
                    raise kind(f"the pager answered {error.code}") from None
            except OSError as error:
                raise Transient(f"the pager cannot be reached: {type(error).__name__}") from None


def needs_of(config: PagerConfig) -> Sequence[Need]:
    """The secret."""
    return config.address.needs("the address of the pager")


@contextmanager
def open_pager(config: PagerConfig, settings: Settings) -> Iterator[Pager]:
    """Prove that the secret is an address."""
    address = config.address.reveal()
    if not address.startswith(("http://", "https://")):
        raise ConfigError(f"notifier.{settings.name}.address: must begin with https://")
    yield Pager(address)


FACTORY = NotifierFactory(name="acme-pager", config=PagerConfig, open=open_pager, needs=needs_of)
