"""The life of one position: sums over its fills, and the statement made when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import msgspec

from hlmon.derive.figures import ratio
from hlmon.events import CloseCause, Fill, PositionClosed

ZERO = Decimal(0)
_FEE_STEP = Decimal("1e-8")
_CAUSES: dict[str, CloseCause] = {
    "Auto-Deleveraging": "adl",
    "Settlement": "settlement",
    "Net Child Vaults": "netting",
}


@dataclass(slots=True, kw_only=True)
class Episode:
    """One position from its opening on. `peak` is the largest signed position; amounts are sums over all fills."""

    is_long: bool
    first_ms: int  # of the first fill that was seen
    peak: Decimal
    opened_ms: int | None = None  # None: the opening fill was not seen
    complete: bool = True
    opening_size: Decimal = ZERO
    opening_notional: Decimal = ZERO
    closing_size: Decimal = ZERO
    closing_notional: Decimal = ZERO
    gross_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    fee_token: str = "USDC"
    funding: Decimal = ZERO
    fills: int = 0

    def increase(self, fill: Fill, end: Decimal) -> None:
        """Count a fill in the position's own direction, after which the position was `end`."""
        size = fill.size
        self.opening_size += size
        self.opening_notional += size * fill.price
        self.gross_pnl += fill.closed_pnl
        self.fees += fill.fee
        self.fills += 1
        if end > self.peak if self.is_long else end < self.peak:
            self.peak = end

    def reduce(self, fill: Fill) -> None:
        """Count a fill against the position's direction."""
        size = fill.size
        self.closing_size += size
        self.closing_notional += size * fill.price
        self.gross_pnl += fill.closed_pnl
        self.fees += fill.fee
        self.fills += 1

    def trade_with_itself(self, fill: Fill) -> None:
        """Count one side of a self-trade: it moves no position, but the exchange books its fee and its PnL."""
        self.gross_pnl += fill.closed_pnl
        self.fees += fill.fee
        self.fills += 1

    @property
    def entry_price(self) -> Decimal | None:
        """The average over the opening fills; without all of them, what the PnL of the closing fills implies."""
        if self.complete and self.opening_size:
            return ratio(self.opening_notional, self.opening_size)
        if not self.closing_size:
            return None
        gain = self.gross_pnl if self.is_long else -self.gross_pnl
        return ratio(self.closing_notional - gain, self.closing_size)

    def closed(self, fill: Fill, *, cause: CloseCause, completes: str) -> PositionClosed:
        """The statement that `fill`, already counted, ended this position."""
        return PositionClosed(
            account=fill.account,
            time_ms=fill.time_ms,
            coin=fill.coin,
            side="long" if self.is_long else "short",
            size=abs(self.peak),
            cause=cause,
            entry_price=self.entry_price,
            exit_price=ratio(self.closing_notional, self.closing_size),
            opened_ms=self.opened_ms,
            gross_pnl=self.gross_pnl,
            fees=self.fees,
            fee_token=self.fee_token,
            funding=self.funding,
            net_pnl=self.gross_pnl - self.fees + self.funding,
            fills=self.fills,
            complete=self.complete,
            trigger=fill.key,
            tx_hash=fill.tx_hash,
            completes=completes,
        )


def begin(fill: Fill, start: Decimal) -> Episode:
    """The life of the position that `fill` meets at `start`: a new one at 0, else one whose opening was not seen."""
    is_new = not start
    return Episode(
        is_long=fill.side == "buy" if is_new else start > 0,
        first_ms=fill.time_ms,
        peak=start,
        opened_ms=fill.time_ms if is_new else None,
        complete=is_new,
        fee_token=fill.fee_token,
    )


def end_of(fill: Fill, start: Decimal) -> Decimal:
    """The position after `fill`; a self-trade changes nothing."""
    if fill.self_trade:
        return start
    return start + fill.size if fill.side == "buy" else start - fill.size


def split(fill: Fill, start: Decimal) -> tuple[Fill, Fill]:
    """A fill that turns a position around, as the part that closed it and the part that opened the next one.

    The fee is shared by size; the closed PnL belongs to the closed part.
    """
    closing_size = abs(start)
    closing_fee = ratio(fill.fee * closing_size, fill.size).quantize(_FEE_STEP)
    closing = msgspec.structs.replace(fill, size=closing_size, fee=closing_fee)
    opening = msgspec.structs.replace(fill, size=fill.size - closing_size, fee=fill.fee - closing_fee, closed_pnl=ZERO)
    return closing, opening


def cause_of(fill: Fill) -> CloseCause:
    """Why a closing fill happened. The exchange marks a liquidation on the counterparty's fill too: that is none."""
    liquidated = fill.liquidation.user if fill.liquidation else ""
    if liquidated == fill.account or (not liquidated and fill.direction.startswith("Liquidated")):
        return "liquidation"
    return _CAUSES.get(fill.direction, "order")
