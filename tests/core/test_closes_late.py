"""Closes of fills that come late, in batches, in the wrong order or never, across restarts: what is said in the end."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec
import pytest

from hlmon.derive.closes import Closes
from hlmon.events import Event, Fill, InputEnded, PositionClosed, Reading, Rebuilt
from hlmon.testing.builders import START_MS, make_account_state, make_fill, make_funding

FRESH = random.SystemRandom().randrange(1 << 30)
FIXED = 60
SEEDS = [*range(FIXED), *range(FRESH, FRESH + int(os.environ.get("HLMON_CLOSES_SEEDS", "20")))]
COINS = ("BTC", "xyz:SILVER")


def history_of(rng: random.Random, *, hidden: bool = True) -> list[Event]:
    """Fills and funding of two coins in the order of time. Fills of one coin and millisecond are of one side.

    `hidden`: with fills whose absence cannot be seen, for without them the others follow on each other just as well.
    """
    events: list[Event] = []
    position, time_ms, number = dict.fromkeys(COINS, Decimal(0)), START_MS, 0
    for _ in range(rng.randrange(5, 60)):
        time_ms += rng.choice([1, 30, 800, 4_000, 20_000])
        coin = rng.choice(COINS)
        held = position[coin]
        if rng.random() < 0.15 and held:
            events.append(make_funding(coin=coin, time_ms=time_ms, amount=Decimal(rng.randrange(-99, 99)) / 100))
            continue
        if rng.random() < 0.1 and held and hidden:
            number += 1
            legs = {"coin": coin, "time_ms": time_ms, "trade_id": number, "start_position": held, "self_trade": True}
            pnl = Decimal(rng.randrange(-99, 99)) / 10
            events += [
                make_fill(side="buy", order_id=1, fee=Decimal(1), **legs),
                make_fill(side="sell", order_id=2, closed_pnl=pnl, **legs),
            ]
            continue
        half = (held / rng.choice([2, 3])).quantize(Decimal("1e-9"))
        known = [-half, half] if hidden else []
        wanted = rng.choice([Decimal(0), random_size(rng), -random_size(rng), *known])
        share = Decimal(1) if hidden else Decimal(rng.randrange(500, 1_000)) / 1_000
        for fill in order_of(rng, coin, held, wanted, share):
            number += 1
            events.append(msgspec.structs.replace(fill, time_ms=time_ms, trade_id=number))
        position[coin] = wanted
    return events or history_of(rng, hidden=hidden)


def order_of(rng: random.Random, coin: str, held: Decimal, wanted: Decimal, share: Decimal) -> Iterator[Fill]:
    """The one to three fills of an order that takes the position from `held` to `wanted`."""
    is_buy, pieces = wanted > held, rng.choice([1, 1, 2, 3])
    step = (abs(wanted - held) / pieces * share).quantize(Decimal("1e-9"))
    while held != wanted:
        pieces -= 1
        size = step if pieces else abs(wanted - held)
        reduces = held != 0 and (held > 0) is not is_buy
        yield make_fill(
            coin=coin,
            side="buy" if is_buy else "sell",
            size=size,
            price=Decimal(rng.randrange(1, 99_999)) / 10,
            start_position=held,
            closed_pnl=Decimal(rng.randrange(-900, 900)) / 10 if reduces else Decimal(0),
            fee=Decimal(rng.randrange(-5, 90)) / 100,
            order_id=1,
        )
        held = held + size if is_buy else held - size


def random_size(rng: random.Random) -> Decimal:
    return Decimal(rng.randrange(1, 10**9)) / 10**6


@dataclass
class Monitor:
    """A deriver as ingest runs it: what it derives comes back to it, is stored, and gives it its memory back."""

    deriver: Closes = field(default_factory=Closes)
    stored: list[Event] = field(default_factory=list)
    saved: bytes = b""
    saved_at: int = 0

    def see(self, event: Event) -> None:
        if not isinstance(event, Reading):
            self.stored.append(event)
        names = {close.name for close in self.closes}
        for close in self.deriver(event):
            if close.name not in names:  # ingest drops a fact that is known
                names.add(close.name)
                self.stored.append(close)
                assert list(self.deriver(close)) == []

    def save(self) -> None:
        self.saved, self.saved_at = self.deriver.dump_memory(), len(self.stored)

    def crash(self, *, everything: bool) -> None:
        self.deriver = Closes()
        if self.saved and not everything:
            self.deriver.load_memory(self.saved)
        for event in self.stored[0 if everything else self.saved_at :]:
            self.deriver(event)
        self.see(Rebuilt(time_ms=START_MS))

    @property
    def closes(self) -> list[PositionClosed]:
        return [event for event in self.stored if isinstance(event, PositionClosed)]


def view(closes: Sequence[PositionClosed]) -> list[PositionClosed]:
    """As the view `closes` shows them."""
    gone = {close.completes for close in closes}
    return [close for close in closes if close.key not in gone]


def plain(closes: Sequence[PositionClosed]) -> list[PositionClosed]:
    """Without what only tells which statement of several it is."""
    blank = {"revision": 0, "completes": "", "previous_net_pnl": None, "stated_ms": None}
    return sorted((msgspec.structs.replace(close, **blank) for close in closes), key=lambda close: close.key)


def truth_of(history: Sequence[Event]) -> list[PositionClosed]:
    monitor = Monitor()
    for event in sorted(history, key=lambda event: (event.time_ms, event.kind == "fill")):
        monitor.see(event)
    assert all(close.complete and not close.revision for close in monitor.closes)
    return plain(monitor.closes)


def arrivals(
    rng: random.Random, history: Sequence[Event], *, lost: float = 0, together: bool = True
) -> list[tuple[int, Event]]:
    """When each event arrives: most soon, those of a hole long after it, of one millisecond perhaps `together`."""
    delays: dict[tuple[str, int], int] = {}
    first_ms, last_ms = history[0].time_ms, history[-1].time_ms
    holes = []
    for _ in range(rng.randrange(4)):
        begin = rng.randrange(first_ms, last_ms + 1)
        holes.append((begin, begin + rng.randrange(1, 60_000), rng.choice([2_000, 30_000, 300_000])))
    arriving = []
    for event in history:
        delay_ms = rng.choice([0, 0, 0, 5, 400])
        for begin, end, wait_ms in holes:
            if begin <= event.time_ms <= end:
                if lost and isinstance(event, Fill) and rng.random() < lost:
                    break
                delay_ms = end - event.time_ms + wait_ms + rng.choice([0, 0, 0, 700, 15_000])
        else:
            if together and isinstance(event, Fill):
                delay_ms = delays.setdefault((event.coin, event.time_ms), delay_ms)
            arriving.append((event.time_ms + delay_ms, event))
    rng.shuffle(arriving)
    return sorted(arriving, key=lambda arrival: arrival[0])


def run(rng: random.Random, arriving: Sequence[tuple[int, Event]], *, ends: bool) -> Monitor:
    monitor, clock_ms = Monitor(), START_MS
    for time_ms, event in arriving:
        while clock_ms + 5_000 <= time_ms:
            clock_ms += 5_000
            monitor.see(make_account_state(time_ms=clock_ms))
        monitor.see(event)
        if rng.random() < 0.1:
            monitor.save()
        if rng.random() < 0.1:
            monitor.crash(everything=rng.random() < 0.3)
    if ends:
        monitor.see(InputEnded(time_ms=clock_ms))
    for _ in range(5):
        clock_ms += 5_000 + 300_000
        monitor.see(make_account_state(time_ms=clock_ms))
    return monitor


def check_statements(closes: Sequence[PositionClosed]) -> None:
    """No two of one name; each revision names the one before it, and says what that said."""
    by_key = {close.key: close for close in closes}
    assert len(by_key) == len(closes)
    for close in closes:
        if close.revision:
            before = by_key[close.completes]
            assert (before.trigger, before.revision) == (close.trigger, close.revision - 1)
            assert close.previous_net_pnl == before.net_pnl
            assert plain([close]) != plain([before])


@pytest.mark.parametrize("seed", SEEDS)
def test_when_every_fill_has_come_the_newest_statements_are_the_truth(seed: int):
    rng = random.Random(seed)
    history = history_of(rng)
    monitor = run(rng, arrivals(rng, history), ends=rng.random() < 0.5)
    check_statements(monitor.closes)
    shown = view(monitor.closes)
    assert plain([close for close in shown if close.cause != "state"]) == truth_of(history), f"seed {seed}"
    # About one seed in 500 leaves a close of cause `state` of a life that turned out to be part of another.
    assert seed >= FIXED or all(close.cause != "state" for close in shown), f"seed {seed}"


@pytest.mark.parametrize("seed", SEEDS)
def test_even_fills_of_one_millisecond_that_come_long_after_each_other_end_as_the_truth(seed: int):
    """A close of cause `state` that was stated between them may stay: one statement takes the place of one only."""
    rng = random.Random(seed)
    history = history_of(rng)
    monitor = run(rng, arrivals(rng, history, together=False), ends=rng.random() < 0.5)
    check_statements(monitor.closes)
    assert plain([close for close in view(monitor.closes) if close.cause != "state"]) == truth_of(history), seed


@pytest.mark.parametrize("seed", SEEDS)
def test_a_life_of_which_a_fill_never_came_is_never_called_complete(seed: int):
    rng = random.Random(seed)
    history = history_of(rng, hidden=False)
    arriving = arrivals(rng, history, lost=0.4)
    monitor = run(rng, arriving, ends=rng.random() < 0.5)
    check_statements(monitor.closes)
    seen = {event.key for _, event in arriving if isinstance(event, Fill)}
    truth = {close.trigger: close for close in truth_of(history)}
    shown = [close for close in view(monitor.closes) if close.cause != "state"]
    assert {close.trigger for close in shown} == truth.keys() & seen, f"seed {seed}"
    for close in shown:
        if close.complete:
            assert plain([close]) == [truth[close.trigger]], f"seed {seed}"
