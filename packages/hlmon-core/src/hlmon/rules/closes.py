"""Rules about the life of a position: opened, flipped, closed, liquidated, auto-deleveraged."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Annotated, ClassVar, Final

from msgspec import Meta

from hlmon.contract import Settings
from hlmon.derive.episode import cause_of, end_of
from hlmon.events import CloseCause, Fill, PositionClosed, Severity
from hlmon.rules.config import CoinRule, Words
from hlmon.rules.engine import Finding
from hlmon.rules.text import money, plain, price, span, word

_VERBS: Final = {"liquidation": "liquidated", "adl": "auto-deleveraged", "settlement": "settled", "flip": "flipped"}
_CAUSES: Final = {
    "order": "order",
    "liquidation": "liquidation",
    "adl": "auto-deleveraging",
    "settlement": "settlement of the market",
    "netting": "netting of vaults",
    "flip": "flip to the other side",
    "state": "gone from the account state, no closing fill known",
}


class ClosedConfig(CoinRule, frozen=True, kw_only=True):
    """Which closes are alerts."""

    speech: ClassVar[Words] = Words(
        title="{coin} {side} {ended}: {result}",
        words=("coin", "side", "ended", "result", "held", "cause", "note"),
        numbers=("size", "entry", "exit", "gross", "fees", "funding", "net"),
        details=("size", "entry", "exit", "gross", "fees", "funding", "net", "held", "cause", "note"),
    )

    causes: Annotated[
        tuple[CloseCause, ...],
        Meta(description="only closes that ended by one of these; left out: all"),
    ] = ()


class Closed:
    """One alert per close; a close of cause `state` gives a second one when its figures are known.

    A close that is stated anew gives one if its net PnL reads otherwise now: whoever was told the first is told that.
    """

    memory = None

    def __init__(self, config: ClosedConfig, _settings: Settings) -> None:
        self._causes = frozenset(config.causes)

    def __call__(self, close: PositionClosed, _standing: Collection[str], /) -> Iterable[Finding]:
        """The close."""
        if self._causes and close.cause not in self._causes:
            return
        unit = close.fee_token
        net = money(close.net_pnl, unit, signed=True)
        before = money(close.previous_net_pnl, unit, signed=True)
        if close.revision and before.text == net.text:
            return
        detail = ", corrected" if close.revision else ", details" if close.completes else ""
        result = f"{net.text} net" if net.text else "PnL not known yet"
        was = f" (was {before.text})" if before.text else ""
        held_ms = None if close.opened_ms is None else max(close.time_ms - close.opened_ms, 0)
        yield Finding(
            account=close.account,
            subject=f"{close.account}:{close.coin}:{close.trigger}" + (f":{close.revision}" if close.revision else ""),
            known_ms=close.stated_ms or 0,
            labels={"coin": close.coin, "side": close.side, "cause": close.cause}
            | ({"tx_hash": close.tx_hash} if close.tx_hash else {}),
            values={
                "coin": word(close.coin),
                "side": word(close.side),
                "ended": word(_VERBS.get(close.cause, "closed") + detail),
                "result": word(result + was),
                "size": plain(close.size),
                "entry": price(close.entry_price),
                "exit": price(close.exit_price),
                "gross": money(close.gross_pnl, unit, signed=True),
                "fees": money(-close.fees, unit, signed=True),
                "funding": money(close.funding, unit, signed=True),
                "net": net,
                "held": span(held_ms),
                "cause": word(_CAUSES[close.cause]),
                "note": word("" if close.complete else "not every fill of this position is known"),
            },
        )


class OpenedConfig(CoinRule, frozen=True, kw_only=True):
    """Which openings are alerts."""

    speech: ClassVar[Words] = Words(
        title="{coin} {side} opened at {price}",
        words=("coin", "side"),
        numbers=("price", "first_fill", "value"),
        details=("price", "first_fill", "value"),
    )


class Opened:
    """One alert for the fill that begins a position; a flip is none."""

    memory = None

    def __init__(self, _config: OpenedConfig, _settings: Settings) -> None:
        pass

    def __call__(self, fill: Fill, _standing: Collection[str], /) -> Iterable[Finding]:
        """The opening."""
        if fill.is_perp and not fill.self_trade and fill.start_position == 0 and fill.size:
            side = "long" if fill.side == "buy" else "short"
            yield Finding(
                account=fill.account,
                subject=_subject(fill),
                labels=_labels(fill, side),
                values={
                    "coin": word(fill.coin),
                    "side": word(side),
                    "price": price(fill.price),
                    "first_fill": plain(fill.size),
                    "value": money(fill.size * fill.price),
                },
            )


class FlippedConfig(CoinRule, frozen=True, kw_only=True):
    """Which flips are alerts."""

    speech: ClassVar[Words] = Words(
        title="{coin} flipped from {before} to {side} at {price}",
        words=("coin", "before", "side"),
        numbers=("price", "closed", "opened", "realized"),
        details=("price", "closed", "opened", "realized"),
    )


class Flipped:
    """One alert for a fill that turns a position around."""

    memory = None

    def __init__(self, _config: FlippedConfig, _settings: Settings) -> None:
        pass

    def __call__(self, fill: Fill, _standing: Collection[str], /) -> Iterable[Finding]:
        """The flip."""
        start = fill.start_position or Decimal(0)
        end = end_of(fill, start)
        if not fill.is_perp or start * end >= 0:
            return
        before, side = ("long", "short") if start > 0 else ("short", "long")
        yield Finding(
            account=fill.account,
            subject=_subject(fill),
            labels=_labels(fill, side),
            values={
                "coin": word(fill.coin),
                "before": word(before),
                "side": word(side),
                "price": price(fill.price),
                "closed": plain(abs(start)),
                "opened": plain(abs(end)),
                "realized": money(fill.closed_pnl, signed=True),
            },
        )


class ForcedConfig(CoinRule, frozen=True, kw_only=True):
    """Which forced reductions are alerts."""

    severity: Annotated[Severity, Meta(description="how urgent its alerts are")] = "critical"
    cooldown_seconds: Annotated[
        float, Meta(ge=0, description="one is many fills: for so long they are told once for each coin")
    ] = 60


class LiquidationConfig(ForcedConfig, frozen=True, kw_only=True):
    """Which liquidations are alerts."""

    speech: ClassVar[Words] = Words(
        title="{coin} {side} is being liquidated at {price}",
        words=("coin", "side", "method"),
        numbers=("price", "mark", "size", "left", "realized"),
        details=("price", "mark", "size", "left", "realized", "method"),
    )


class AdlConfig(ForcedConfig, frozen=True, kw_only=True):
    """Which auto-deleveragings are alerts."""

    speech: ClassVar[Words] = Words(
        title="{coin} {side} is being auto-deleveraged at {price}",
        words=LiquidationConfig.speech.words,
        numbers=LiquidationConfig.speech.numbers,
        details=("price", "mark", "size", "left", "realized"),
    )


class Forced:
    """One alert for a fill by which the exchange itself reduces a position of this account."""

    memory = None

    def __init__(self, cause: CloseCause) -> None:
        self._cause = cause

    def __call__(self, fill: Fill, _standing: Collection[str], /) -> Iterable[Finding]:
        """The forced fill; the exchange marks the counterparty's too, which is none."""
        if not fill.size or cause_of(fill) != self._cause:
            return
        start = fill.start_position
        side = "long" if fill.side == "sell" else "short"
        liquidation = fill.liquidation
        yield Finding(
            account=fill.account,
            subject=_subject(fill),
            labels=_labels(fill, side),
            values={
                "coin": word(fill.coin),
                "side": word(side),
                "price": price(fill.price),
                "mark": price(liquidation.mark_price or None if liquidation else None),
                "size": plain(fill.size),
                "left": plain(None if start is None else abs(end_of(fill, start))),
                "realized": money(fill.closed_pnl, signed=True),
                "method": word(liquidation.method if liquidation else ""),
            },
        )


def _subject(fill: Fill) -> str:
    return f"{fill.coin}:{fill.trade_id}:{fill.order_id}:{fill.side}"


def _labels(fill: Fill, side: str) -> dict[str, str]:
    labels = {"coin": fill.coin, "side": side, "order_id": str(fill.order_id), "tx_hash": fill.tx_hash}
    return {name: text for name, text in labels.items() if text and text != "0"}
