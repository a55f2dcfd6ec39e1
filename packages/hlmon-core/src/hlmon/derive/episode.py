"""The life of one position: sums over its fills."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from hlmon.derive.figures import ratio
from hlmon.events import CloseCause, Fill

ZERO = Decimal(0)
_FEE_STEP = Decimal("1e-8")
_CAUSES: dict[str, CloseCause] = {
    "Auto-Deleveraging": "adl",
    "Settlement": "settlement",
    "Net Child Vaults": "netting",
}
_SUMS = (
    "opening_size",
    "opening_notional",
    "closing_size",
    "closing_notional",
    "gross_pnl",
    "fees",
    "fills",
)


class Episode(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One position from its opening on. `peak` is the largest signed position; amounts are sums over all fills.

    None of it depends on the order in which the fills came. `missing` tells which fills were not seen: how many of them
    start (+) or end (-) at a position. Each fill of a life leads from one position to the next, from 0 to where it is
    now, so when nothing is left in `missing` every fill is known.
    """

    is_long: bool
    first_ms: int  # of the first fill that was seen
    peak: Decimal
    last_ms: int = 0  # of the newest fill that was seen
    opened_ms: int | None = None  # None: the opening fill was not seen
    complete: bool = True  # False for good where a fill did not say how it starts or could not be placed
    missing: dict[Decimal, int] = msgspec.field(default_factory=dict)
    opening_size: Decimal = ZERO
    opening_notional: Decimal = ZERO
    closing_size: Decimal = ZERO
    closing_notional: Decimal = ZERO
    gross_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    fee_token: str = "USDC"
    funding: Decimal = ZERO  # beside the payments that are kept one by one
    fills: int = 0
    parts: list[Fill] = msgspec.field(default_factory=list)  # the newest by time, lest the life was two
    forgotten_peak: Decimal = ZERO  # the peak of the fills that are in the sums only

    def count(self, fill: Fill, start: Decimal, end: Decimal, part: Fill | None = None) -> None:
        """Count a fill that took the position from `start` to `end`; `part` is what is kept of it, if not itself.

        A self-trade moves no position, but the exchange books its fee and its PnL.
        """
        self.gross_pnl += fill.closed_pnl
        self.fees += fill.fee
        self.fills += 1
        farthest = start
        if not fill.self_trade:
            size = fill.size
            if (fill.side == "buy") is self.is_long:
                self.opening_size += size
                self.opening_notional += size * fill.price
                farthest = end
            else:
                self.closing_size += size
                self.closing_notional += size * fill.price
        if farthest > self.peak if self.is_long else farthest < self.peak:
            self.peak = farthest
        if fill.time_ms > self.last_ms:  # noqa: PLR1730  # the hot path, as in Chain
            self.last_ms = fill.time_ms
        self.parts.append(part or fill)

    def miss(self, start: Decimal, end: Decimal) -> None:
        """Note that fills which lead from `start` to `end` were not seen; the other way round, that one was."""
        if start != end:
            for position, number in ((start, 1), (end, -1)):
                if left := self.missing.pop(position, 0) + number:
                    self.missing[position] = left

    @property
    def is_complete(self) -> bool:
        """Whether every fill since the opening one was seen."""
        return self.complete and not self.missing

    def forget_oldest(self, number: int) -> Fill:
        """Keep so many of the oldest kept fills in the sums only; returns the last of them."""
        gone, self.parts = self.parts[:number], self.parts[number:]
        if not self.parts:
            self.forgotten_peak = self.peak
            return gone[-1]
        for part in gone:
            start = part.start_position or ZERO
            farthest = max(start, end_of(part, start)) if self.is_long else min(start, end_of(part, start))
            if farthest > self.forgotten_peak if self.is_long else farthest < self.forgotten_peak:
                self.forgotten_peak = farthest
        return gone[-1]

    def forgotten(self) -> Episode | None:
        """What is in the sums and not among the kept fills, as an episode whose `missing` leads back to 0."""
        if self.fills <= len(self.parts):
            return None
        base = msgspec.structs.replace(
            self,
            peak=self.forgotten_peak,
            last_ms=self.parts[0].time_ms if self.parts else self.last_ms,
            missing=dict(self.missing),
            parts=[],
        )
        kept = Episode(is_long=self.is_long, first_ms=0, peak=ZERO)
        for part in self.parts:
            fill, start, end = portion(part)
            kept.count(fill, start, end)
            base.miss(start, end)
        for name in _SUMS:
            setattr(base, name, getattr(self, name) - getattr(kept, name))
        return base

    @property
    def entry_price(self) -> Decimal | None:
        """The average over the opening fills; without all of them, what the PnL of the closing fills implies."""
        if self.is_complete and self.opening_size:
            return ratio(self.opening_notional, self.opening_size)
        if not self.closing_size:
            return None
        gain = self.gross_pnl if self.is_long else -self.gross_pnl
        return ratio(self.closing_notional - gain, self.closing_size)

    @property
    def exit_price(self) -> Decimal | None:
        """The average over the closing fills that were seen."""
        return ratio(self.closing_notional, self.closing_size) if self.closing_size else None


def begin(fill: Fill, start: Decimal) -> Episode:
    """The life of the position that `fill` meets at `start`: a new one at 0, else one whose opening was not seen."""
    is_new = not start
    return Episode(
        is_long=fill.side == "buy" if is_new else start > 0,
        first_ms=fill.time_ms,
        peak=start,
        opened_ms=fill.time_ms if is_new else None,
        fee_token=fill.fee_token,
    )


def portion(part: Fill) -> tuple[Fill, Decimal, Decimal]:
    """What a kept fill is in its life, and the positions before and after it there: of a flip the part that closes."""
    start = part.start_position or ZERO
    end = end_of(part, start)
    return (split(part, start)[0], start, ZERO) if start * end < 0 else (part, start, end)


def end_of(fill: Fill, start: Decimal) -> Decimal:
    """The position after `fill`; a self-trade changes nothing."""
    if fill.self_trade:
        return start
    return start + fill.size if fill.side == "buy" else start - fill.size


def split(fill: Fill, start: Decimal) -> tuple[Fill, Fill]:
    """A fill that turns a position around, as the part that closed it and the part that opened the next one.

    The fee is shared by size; the closed PnL belongs to the closed part. The opening part starts at 0.
    """
    closing_size = abs(start)
    closing_fee = ratio(fill.fee * closing_size, fill.size).quantize(_FEE_STEP)
    closing = msgspec.structs.replace(fill, size=closing_size, fee=closing_fee)
    opening = msgspec.structs.replace(
        fill, size=fill.size - closing_size, fee=fill.fee - closing_fee, closed_pnl=ZERO, start_position=ZERO
    )
    return closing, opening


def cause_of(fill: Fill) -> CloseCause:
    """Why a closing fill happened. The exchange marks a liquidation on the counterparty's fill too: that is none.

    The directions of liquidations are `Liquidated Cross Long` and the like, of spot that was borrowed or lent
    `Partial Borrow Liquidation` and `Backstop Borrow Liquidation`; they are display text, so any further one counts.
    """
    liquidated = fill.liquidation.user if fill.liquidation else ""
    if liquidated == fill.account or (not liquidated and "liquidat" in fill.direction.lower()):
        return "liquidation"
    return _CAUSES.get(fill.direction, "order")
