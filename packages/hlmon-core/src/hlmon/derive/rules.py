"""Alert rules: what of the events is addressed to a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Final

import msgspec

from hlmon.contract import DeriverFactory, Settings
from hlmon.events import Alert, Event, PositionClosed, Severity

KINDS: Final = frozenset({"position_closed"})
_VERBS = {"liquidation": "liquidated", "adl": "auto-deleveraged", "settlement": "settled", "flip": "flipped"}
_CAUSES = {
    "order": "order",
    "liquidation": "liquidation",
    "adl": "auto-deleveraging",
    "settlement": "settlement of the market",
    "netting": "netting of vaults",
    "flip": "flip to the other side",
    "state": "gone from the account state, no closing fill known",
}
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))


class PositionClosedConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which closes are alerts; no accounts or no coins means all. An account is an address or a label."""

    severity: Severity = "info"
    accounts: tuple[str, ...] = ()
    coins: tuple[str, ...] = ()


class PositionClosedRule:
    """One alert per close; a close of cause `state` gives a second one when its figures are known."""

    def __init__(self, config: PositionClosedConfig, settings: Settings) -> None:
        self._rule = settings.name
        self._severity = config.severity
        self._labels = settings.accounts
        self._accounts = {account.lower() for account in config.accounts}
        self._coins = frozenset(config.coins)

    def __call__(self, event: Event, /) -> Sequence[Event]:
        """The alert about this close, if it is one of those asked for."""
        if not isinstance(event, PositionClosed) or (self._coins and event.coin not in self._coins):
            return ()
        label = self._labels.get(event.account, "")
        if self._accounts and not self._accounts & {event.account, label.lower()}:
            return ()
        return [
            Alert(
                account=event.account,
                time_ms=event.time_ms,
                rule=self._rule,
                subject=f"{event.account}:{event.coin}:{event.trigger}",
                severity=self._severity,
                title=title_of(event),
                body=body_of(event, label),
                labels={"coin": event.coin, "side": event.side, "cause": event.cause},
                cause=event.name,
            )
        ]


def title_of(close: PositionClosed) -> str:
    """One line, e.g. `BTC long closed: +123.45 USDC net`."""
    what = f"{close.coin} {close.side} {_VERBS.get(close.cause, 'closed')}"
    if close.completes:
        what += ", details"
    return (
        f"{what}: {_amount(close.net_pnl)} {close.fee_token} net"
        if close.net_pnl is not None
        else f"{what}: PnL not known yet"
    )


def body_of(close: PositionClosed, label: str) -> str:
    """The figures, one a line; what is not known is left out."""
    lines = [
        ("account", f"{label} {close.account}".strip()),
        ("size", _plain(close.size)),
        ("entry", close.entry_price and _price(close.entry_price)),
        ("exit", close.exit_price and _price(close.exit_price)),
        ("gross", close.gross_pnl is not None and _amount(close.gross_pnl)),
        ("fees", _amount(-close.fees)),
        ("funding", _amount(close.funding)),
        ("net", close.net_pnl is not None and _amount(close.net_pnl)),
        ("held", close.opened_ms is not None and duration_text(max(close.time_ms - close.opened_ms, 0))),
        ("cause", _CAUSES[close.cause]),
        ("note", "" if close.complete else "not every fill of this position is known"),
    ]
    return "\n".join(f"{name}: {text}" for name, text in lines if text)


def duration_text(duration_ms: int) -> str:
    """The two largest units of a time span, e.g. `3 h 12 min`."""
    parts: list[str] = []
    for unit_ms, unit in _UNITS:
        count, duration_ms = divmod(duration_ms, unit_ms)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "under 1 s"


def _amount(amount: Decimal) -> str:
    return f"{amount:+,.2f}"


def _price(price: Decimal) -> str:
    return _plain(Decimal(f"{price:.6g}") if abs(price) < 100_000 else round(price, 1))


def _plain(number: Decimal) -> str:
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@contextmanager
def _open(config: PositionClosedConfig, settings: Settings) -> Iterator[PositionClosedRule]:
    yield PositionClosedRule(config, settings)


FACTORY: Final = DeriverFactory(name="position_closed", open=_open, config=PositionClosedConfig, kinds=KINDS)
