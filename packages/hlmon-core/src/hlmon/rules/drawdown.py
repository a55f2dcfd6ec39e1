"""The rule `drawdown`: how far the account value is below its high, net of the money that came and went."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import Meta

from hlmon.contract import Settings
from hlmon.derive.ledger_flows import dollars_of, flow_of, stated_dollars
from hlmon.events import AccountSnapshot, AccountState, Event, Ledger, Prices
from hlmon.rules.config import Clear, Words, bound
from hlmon.rules.day import DayConfig, day_of
from hlmon.rules.engine import Finding
from hlmon.rules.text import Shown, money, percent, word

ZERO: Final = Decimal(0)
HUNDRED: Final = Decimal(100)
LAG_MS: Final = 15_000
"""So long after a movement of money a value may not show it: the spot state and the perp state come each about 5 s."""
EARLY_MS: Final = 3_000
"""So long before the time of a movement a value may show it already, since a spot state has no time of its own."""
KEPT_MS: Final = 300_000
"""So long single values are kept, to be put right when an entry of the ledger comes after them."""
PRICED_MS: Final = 600_000
"""Prices are those of an entry's time when they are no more than this apart from it."""
FLOW_SHARE: Final = Decimal("0.01")


class DrawdownConfig(DayConfig, frozen=True, kw_only=True):
    """When a fall of the account value is an alert."""

    speech: ClassVar[Words] = Words(
        title="Account value is {drawdown} below its {period} high",
        words=("period", "without"),
        numbers=("drawdown", "value", "high", "lost"),
        details=("drawdown", "value", "high", "lost", "without"),
    )

    for_seconds: Annotated[
        float, Meta(ge=0, description="how long it must hold before the alert; a transfer takes a moment to be known")
    ] = 60
    above: Annotated[Decimal, Meta(description="percent of the high that are lost")] = Decimal(10)
    high: Annotated[Literal["day", "all_time"], Meta(description="that of the day or of all time")] = "day"
    clear: Clear = None

    def __post_init__(self) -> None:
        """Raise ValueError for the first thing that is wrong."""
        super().__post_init__()
        bound(above=self.above, clear=self.clear)


class Point(msgspec.Struct):
    """An account value less the flows before it, and when it was measured."""

    time_ms: int
    value: Decimal


class Flow(msgspec.Struct, frozen=True):
    """Money that came (+) or went, in USDC."""

    time_ms: int
    amount: Decimal


class High(msgspec.Struct, omit_defaults=True):
    """One account in a period (the day, or ""). Values are net: less all flows since the period began.

    `value` is the highest of those that are not among the newest `points`, as of `value_ms`. `flows` are the newest
    ones, `net` their sum with all before. `unknown` counts ledger entries of the period whose effect is not known.
    """

    value: Decimal | None = None
    day: str = ""
    value_ms: int = 0
    since_ms: int = 0
    points: list[Point] = []
    flows: list[Flow] = []
    net: Decimal = ZERO
    unknown: int = 0

    def begin(self, day: str, time_ms: int) -> None:
        """A new period: what was reached before it counts no more."""
        self.value, self.day, self.points, self.since_ms, self.unknown = None, day, [], time_ms, 0

    def flow(self, flow: Flow) -> None:
        """Money came or went; values that were measured after it and before it was known are put right."""
        for point in self.points:
            if point.time_ms >= flow.time_ms:
                point.value -= flow.amount
        if self.value is not None and self.value_ms >= flow.time_ms:
            self.value -= flow.amount
        self.net += flow.amount
        self.flows.append(flow)

    def measure(self, time_ms: int, account_value: Decimal) -> None:
        """Take the account value of now."""
        while self.points and self.points[0].time_ms < time_ms - KEPT_MS:
            self._settle(self.points.pop(0))
        self.flows = [flow for flow in self.flows if flow.time_ms >= time_ms - 2 * KEPT_MS]
        self.points.append(Point(time_ms, account_value - self.net))

    def top(self) -> Decimal:
        """The highest net value of the period."""
        return max([self._surely(point) for point in self.points] + ([] if self.value is None else [self.value]))

    def is_moving(self, time_ms: int, account_value: Decimal) -> bool:
        """Whether so much money moved around this time that the value may not be what it seems."""
        least = max(abs(account_value), Decimal(1)) * FLOW_SHARE
        return any(_is_near(flow, time_ms) and abs(flow.amount) >= least for flow in self.flows)

    def _settle(self, point: Point) -> None:
        sure = self._surely(point)
        if self.value is None or sure > self.value:
            self.value, self.value_ms = sure, point.time_ms

    def _surely(self, point: Point) -> Decimal:
        """What it was at least: near a flow the value may be from before it, or from after it."""
        doubtful = ZERO
        for flow in self.flows:
            if _is_near(flow, point.time_ms):
                is_later = flow.time_ms > point.time_ms
                doubtful += max(flow.amount if is_later else -flow.amount, ZERO)
        return point.value - doubtful


def _is_near(flow: Flow, time_ms: int) -> bool:
    return -LAG_MS <= flow.time_ms - time_ms <= EARLY_MS


class Highs(msgspec.Struct, omit_defaults=True):
    """All accounts by address, the time of each one's newest state, and the prices of spot tokens."""

    accounts: dict[str, High] = {}
    states: dict[str, int] = {}
    prices: dict[str, Decimal] = {}
    prices_ms: int = 0


class Drawdown:
    """How far the account value is below its high. Money that comes or goes raises and lowers the high with the value.

    It is valued at the price of its time: entries that are read back later by what the exchange states, if it does.
    """

    def __init__(self, config: DrawdownConfig, settings: Settings) -> None:
        self._bound = bound(above=config.above, clear=config.clear)
        self._zone = config.zone if config.high == "day" else ""
        self._interval_ms = settings.snapshot_ms
        self.memory: Any = Highs()

    def __call__(self, event: Event, _standing: Collection[str], /) -> Iterable[Finding]:
        """The drawdown at a snapshot."""
        match event:
            case Prices():
                self.memory.prices |= event.prices
                self.memory.prices_ms = event.time_ms
            case AccountState():
                self.memory.states[event.account] = event.time_ms
            case Ledger():
                yield from self._note(event)
            case AccountSnapshot():
                yield from self._measure(event)

    def _note(self, entry: Ledger) -> Iterable[Finding]:
        """Money came or went: if it explains the fall that the newest value shows, that is over at once."""
        high = self.memory.accounts.setdefault(entry.account, High())
        amount = self._dollars(entry)
        if amount is None:
            high.unknown += entry.time_ms >= high.since_ms
        elif amount:
            high.flow(Flow(entry.time_ms, amount))
            if high.points and abs(entry.time_ms - high.points[-1].time_ms) <= KEPT_MS:
                finding = self._judge(entry.account, high)
                if finding.verdict != "holds":
                    yield finding

    def _dollars(self, entry: Ledger) -> Decimal | None:
        flow = flow_of(entry)
        if not flow:
            return flow
        priced = dollars_of(entry, flow, self.memory.prices)
        if priced and entry.token in self.memory.prices and abs(entry.time_ms - self.memory.prices_ms) > PRICED_MS:
            return stated_dollars(entry, flow) or priced
        return priced

    def _measure(self, snapshot: AccountSnapshot) -> Iterable[Finding]:
        account, time_ms = snapshot.account, snapshot.time_ms
        high = self.memory.accounts.setdefault(account, High())
        day = day_of(time_ms, self._zone) if self._zone else ""
        if day < high.day:
            return
        if day > high.day or (high.value is None and not high.points):
            high.begin(day, time_ms)
        state_ms = self.memory.states.get(account, 0)
        # A snapshot carries the start of its interval as its time; the state that it was taken from came with it.
        measured_ms = state_ms if time_ms <= state_ms < time_ms + self._interval_ms else time_ms
        high.measure(measured_ms, snapshot.account_value)
        yield self._judge(account, high)

    def _judge(self, account: str, high: High) -> Finding:
        """The drawdown of the newest value; it neither begins nor ends while money is moving."""
        newest, highest = high.points[-1], high.top()
        lost, value = max(highest - newest.value, ZERO), newest.value + high.net
        share = lost / (highest + high.net) * HUNDRED if highest + high.net > 0 else ZERO
        return Finding(
            account=account,
            subject="drawdown",
            verdict="between" if high.is_moving(newest.time_ms, value) else self._bound.judge(share),
            values={
                "drawdown": percent(share),
                "period": word("day's" if self._zone else "all-time"),
                "value": money(value),
                "high": money(highest + high.net),
                "lost": money(lost),
                "without": unknown_entries(high.unknown),
            },
        )


def unknown_entries(count: int) -> Shown:
    """What a figure leaves out, "" if nothing: entries that cannot be valued."""
    return word("" if not count else f"{count} ledger {'entry' if count == 1 else 'entries'} of unknown type or price")
