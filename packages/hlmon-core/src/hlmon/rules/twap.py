"""The rule about TWAP orders: finished, stopped, failed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Annotated, ClassVar, Final, Literal

import msgspec
from msgspec import Meta

from hlmon.contract import Settings
from hlmon.events import AccountSnapshot, AccountState, Twap
from hlmon.rules.config import CoinRule, Words
from hlmon.rules.engine import Finding
from hlmon.rules.text import percent, plain, span, word

LATE_MS: Final = 120_000
"""How much older than the newest account state a row may be that is told: its time is cut to the second."""

TwapEnd = Literal["finished", "stopped", "error"]
_ENDS: Final[dict[str, TwapEnd]] = {"finished": "finished", "terminated": "stopped", "stopped": "stopped"}


class TwapConfig(CoinRule, frozen=True, kw_only=True):
    """Which ends of TWAP orders are alerts."""

    speech: ClassVar[Words] = Words(
        title="TWAP to {side} {size} {coin}: {status}",
        words=("coin", "side", "status", "reason"),
        numbers=("size", "executed", "share", "duration"),
        details=("reason", "executed", "share", "duration"),
    )

    statuses: Annotated[
        tuple[TwapEnd, ...],
        Meta(
            min_length=1,
            description="`finished`, `stopped` (by the user or by the exchange), `error`",
        ),
    ] = ("finished", "stopped", "error")


class TwapMemory(msgspec.Struct, omit_defaults=True):
    """The time of the newest state of each account: what ended well before it was told, or was before the rule."""

    seen_ms: dict[str, int] = {}


class TwapEnded:
    """One alert when a TWAP order ends.

    With every subscription the exchange shows old rows again. What ended while hlmon was down is told then; what is
    older than the last account state before that is not, nor anything before the first one.
    """

    def __init__(self, config: TwapConfig, _settings: Settings) -> None:
        self._statuses = frozenset(config.statuses)
        self.memory = TwapMemory()

    def __call__(
        self, event: Twap | AccountState | AccountSnapshot, _standing: Collection[str], /
    ) -> Iterable[Finding]:
        """The TWAP, if its status is one of those asked for and new."""
        seen_ms = self.memory.seen_ms.get(event.account)
        if not isinstance(event, Twap):
            self.memory.seen_ms[event.account] = max(event.time_ms, seen_ms or 0)
        elif twap_end(event.status) in self._statuses and seen_ms and event.time_ms >= seen_ms - LATE_MS:
            yield _finding(event)


def twap_end(status: str) -> TwapEnd | None:
    """What a status of the exchange means; None while the TWAP runs, or if nobody knows the word."""
    return "error" if status.lower().startswith("error") else _ENDS.get(status)


def _finding(twap: Twap) -> Finding:
    return Finding(
        account=twap.account,
        subject=f"{twap.twap_id or twap.coin}:{twap.status}",
        labels={"coin": twap.coin, "side": twap.side, "twap_id": str(twap.twap_id)},
        values={
            "coin": word(twap.coin),
            "side": word(twap.side),
            "status": word(twap.status),
            "reason": word(twap.description),
            "size": plain(twap.size),
            "executed": plain(twap.executed_size),
            "share": percent(twap.executed_size / twap.size * 100 if twap.size else None),
            "duration": span(twap.minutes * 60_000),
        },
    )
