"""The notifier "apprise": any of the services that Apprise knows, by its URLs. Needs hlmon-notify[apprise].

Apprise says only whether a service took a message, not why it did not, so everything that fails is tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final

from msgspec import Meta

from hlmon import Alert, ConfigError, Name, Need, NotifierFactory, Secret, Settings, Transient
from hlmon_notify.config import MAX_BATCH, LookConfig, look_of
from hlmon_notify.needs import secrets
from hlmon_notify.render import Look, message_of
from hlmon_notify.render.message import Tone
from hlmon_notify.render.plain import body_of

_TYPES: Final[Mapping[Tone, str]] = {
    "info": "info",
    "resolved": "success",
    "warning": "warning",
    "critical": "failure",
}
_LONGEST_BODY: Final = 200_000


class AppriseConfig(LookConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which places."""

    urls: Annotated[
        tuple[Secret, ...],
        Meta(description="refer to [Apprise URLs](https://github.com/caronc/apprise/wiki), one for each place"),
    ]

    def __post_init__(self) -> None:
        """Refuse a list of nothing."""
        super().__post_init__()
        if not self.urls:
            raise ValueError("urls: must not be empty")


class AppriseNotifier:
    """Tells every place, whichever of them fails; a repetition tells each only what it has not taken yet."""

    def __init__(self, look: Look, places: Mapping[str, Any]) -> None:
        self._look, self._places = look, places
        self._taken: dict[str, set[Name]] = {}  # place -> alerts of the last call, if that failed at another place

    def send(self, alerts: Sequence[Alert], /) -> None:
        """Transient if a place did not take the message."""
        taken, self._taken = self._taken, {}
        failed = []
        for place in self._places:
            known = taken.get(place, set())
            left = [alert for alert in alerts if alert.name not in known]
            if not left or self._tell(place, left):
                self._taken[place] = {alert.name for alert in alerts}
            else:
                self._taken[place] = known
                failed.append(place)
        if failed:
            raise Transient(f"Apprise could not deliver to {', '.join(failed)}")
        self._taken.clear()

    def _tell(self, place: str, alerts: Sequence[Alert]) -> bool:
        message = message_of(alerts, self._look)
        accepted: bool | None = self._places[place].notify(
            title=message.heading,
            body=body_of(message)[:_LONGEST_BODY],
            notify_type=_TYPES[message.tone],
            body_format="text",
        )
        return bool(accepted)


@contextmanager
def open_apprise(config: AppriseConfig, settings: Settings) -> Iterator[AppriseNotifier]:
    """Prove that Apprise is there and understands every URL; it cannot ask a service without sending."""
    try:
        import apprise  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise ConfigError("Apprise is not installed; run: pip install 'hlmon-notify[apprise]'") from error
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its lines below have addresses and tokens in them
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    places = {secret.reference: apprise.Apprise() for secret in config.urls}
    for secret in config.urls:
        if not places[secret.reference].add(secret.reveal()):
            raise ConfigError(f"Apprise does not understand the URL in {secret.reference}")
    yield AppriseNotifier(look_of(config, settings), places)


def needs(config: AppriseConfig) -> Sequence[Need]:
    """The URLs, as far as they come from the environment."""
    return secrets(*((secret, "an Apprise URL") for secret in config.urls))


FACTORY: Final = NotifierFactory(
    name="apprise", config=AppriseConfig, open=open_apprise, needs=needs, max_batch=MAX_BATCH
)
