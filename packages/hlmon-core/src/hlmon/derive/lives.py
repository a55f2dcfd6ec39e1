"""Lives that have ended: what is said of them, and how fills that come late are sorted into them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from operator import attrgetter

import msgspec

from hlmon.derive.episode import ZERO, Episode, begin, cause_of, end_of, portion, split
from hlmon.events import CloseCause, Fill, Funding, PositionClosed

Payment = tuple[int, Decimal, int]
"""When funding was paid, how much, and on which side: 1 long, -1 short, 0 if that was not said."""


def payment_of(funding: Funding) -> Payment:
    """What of a payment is kept."""
    return (funding.time_ms, funding.amount, (funding.size > 0) - (funding.size < 0))


class Life(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A position that ended. `closing` is the whole fill that ended it, None as long as that was not seen."""

    episode: Episode
    closing: Fill | None
    closed_ms: int
    payments: list[Payment] = msgspec.field(default_factory=list)  # by arrival; those of its time count
    told: PositionClosed | None = None  # the newest statement about it that is stored
    said: PositionClosed | None = None  # a newer one, as long as it did not come back as stored
    names: str = ""  # key of a close of cause `state` about it that was stated while it was taken to run
    due: bool = False  # late fills or funding are not stated yet

    @property
    def is_stated(self) -> bool:
        """Whether anything was said about it."""
        return bool(self.told or self.said or self.names)

    def is_about(self, close: PositionClosed) -> bool:
        """Whether a stored close is a statement about this life."""
        if close.cause != "state":
            return self.closing is not None and self.closing.key == close.trigger
        before = self.said or self.told
        return before is not None and before.key == close.key

    def may_be_about(self, close: PositionClosed) -> bool:
        """Whether a stored close of cause `state` can be the statement about this life."""
        is_open = self.told is None and self.closing is None
        return is_open and self.episode.first_ms <= close.time_ms <= self.closed_ms

    def may_be_paid(self, payment: Payment) -> bool:
        """Whether a payment is not later; in the millisecond of the end its side tells what was held."""
        time_ms, _, side = payment
        if time_ms == self.closed_ms and side:
            return (side > 0) is self.episode.is_long
        return time_ms <= self.closed_ms

    def take_paid(self, payments: Sequence[Payment]) -> list[Payment]:
        """Have those of these payments that are not later; returns the others."""
        self.payments = [payment for payment in payments if self.may_be_paid(payment)]
        return [payment for payment in payments if not self.may_be_paid(payment)]

    @property
    def cause(self) -> CloseCause:
        """Why it ended."""
        if self.closing is None:
            return "state"
        start = self.closing.start_position or ZERO
        return "flip" if start * end_of(self.closing, start) < 0 else cause_of(self.closing)

    def statement(self, account: str, coin: str, stated_ms: int) -> PositionClosed:
        """What is known of it now; `stated_ms` is the present."""
        episode, told, fill = self.episode, self.said or self.told, self.closing
        is_revision = told is not None and fill is not None and told.trigger == fill.key
        funding = episode.funding + sum(
            (amount for time_ms, amount, _ in self.payments if episode.first_ms <= time_ms <= self.closed_ms), ZERO
        )
        return PositionClosed(
            account=account,
            time_ms=self.closed_ms,
            coin=coin,
            side="long" if episode.is_long else "short",
            size=abs(episode.peak),
            cause=self.cause,
            opened_ms=episode.opened_ms,
            fees=episode.fees,
            fee_token=episode.fee_token,
            funding=funding,
            fills=episode.fills,
            completes=told.key if told else self.names,
            entry_price=episode.entry_price if fill else None,
            exit_price=episode.exit_price if fill else None,
            gross_pnl=episode.gross_pnl if fill else None,
            net_pnl=episode.gross_pnl - episode.fees + funding if fill else None,
            complete=fill is not None and episode.is_complete,
            trigger=fill.key if fill else "state",
            tx_hash=fill.tx_hash if fill else "",
            revision=told.revision + 1 if told and is_revision else 0,
            previous_net_pnl=told.net_pnl if told and fill else None,
            stated_ms=stated_ms if is_revision else None,
        )


def says_the_same(one: PositionClosed, other: PositionClosed) -> bool:
    """Whether two statements differ in nothing but which one they are."""
    return (
        msgspec.structs.replace(
            one,
            completes=other.completes,
            revision=other.revision,
            previous_net_pnl=other.previous_net_pnl,
            stated_ms=other.stated_ms,
        )
        == other
    )


def cut(bases: Sequence[Episode], parts: Sequence[Fill]) -> tuple[list[Life], Episode | None]:
    """The lives that kept fills make up, by time, and the last one if its end is not among them.

    `bases` are what is left of lives in sums only. A life ends where a fill ends at 0; where the next one starts at 0
    or on the other side it ended as well, by a fill that is not there. In every `missing` the way leads back to 0.
    """
    lives: list[Life] = []
    left = sorted(bases, key=attrgetter("first_ms"), reverse=True)
    current: Episode | None = None
    for part in in_order(parts):
        while left and left[-1].last_ms <= part.time_ms:
            lives += _unclosed(current, left[-1].first_ms)
            current = left.pop()
        fill, start, end = portion(part)
        if part.self_trade and not start:
            continue
        if current is None or not start or (start > 0) is not current.is_long:
            lives += _unclosed(current, part.time_ms)
            current = begin(part, start)
        current.count(fill, start, end, part)
        current.miss(end, start)
        if not end:
            lives.append(Life(episode=current, closing=part, closed_ms=part.time_ms))
            current = None
    for base in reversed(left):
        lives += _unclosed(current, base.first_ms)
        current = base
    return lives, current


def _unclosed(episode: Episode | None, next_ms: int) -> list[Life]:
    """The life that was over when the next one began."""
    if episode is None:
        return []
    return [Life(episode=episode, closing=None, closed_ms=max(episode.last_ms, next_ms - 1))]


def parts_of(fill: Fill, start: Decimal) -> list[Fill]:
    """A fill as lives keep it: a flip whole in the life that it ended, and its opening part in the next one."""
    return [fill, split(fill, start)[1]] if start * end_of(fill, start) < 0 else [fill]


def comes_before(fill: Fill, other: Fill) -> bool:
    """Whether one fill is before another of the same millisecond and side: those move the position one way."""
    if fill.time_ms != other.time_ms or fill.side != other.side or fill.self_trade or other.self_trade:
        return False
    step = (other.start_position or ZERO) - (fill.start_position or ZERO)
    return step > 0 if fill.side == "buy" else step < 0


def in_order(parts: Sequence[Fill]) -> list[Fill]:
    """By time, and inside one millisecond so that as many as possible follow on each other."""
    ordered: list[Fill] = []
    position: Decimal | None = None
    for _, group in groupby(sorted(parts, key=attrgetter("time_ms")), key=attrgetter("time_ms")):
        moment = list(group)
        ordered += moment if len(moment) == 1 or _follow_on(moment, position) else _trail(moment, position)
        position = portion(ordered[-1])[2]
    return ordered


def _follow_on(parts: Sequence[Fill], position: Decimal | None) -> bool:
    for part in parts:
        _, start, end = portion(part)
        if position is not None and start != position:
            return False
        position = end
    return True


def _trail(parts: Sequence[Fill], position: Decimal | None) -> Iterator[Fill]:
    """Every part once, in as few unbroken runs as there can be.

    A position may be passed several times, so a plain walk can strand: what it left out is put in as loops.
    """
    onward: defaultdict[Decimal, list[Fill]] = defaultdict(list)
    surplus: Counter[Decimal] = Counter()
    for part in reversed(parts):
        _, start, end = portion(part)
        onward[start].append(part)
        surplus[start] += 1
        surplus[end] -= 1
    starts = dict.fromkeys(portion(part)[1] for part in parts)
    while heads := [start for start in starts if onward[start]]:
        # Where more parts start than end, a run must begin; else the one that goes on from before is the first.
        run = _run(onward, max(heads, key=lambda head: (surplus[head], head == position)))
        surplus[portion(run[0])[1]] -= 1
        surplus[portion(run[-1])[2]] += 1
        yield from run
        position = None


def _run(onward: dict[Decimal, list[Fill]], head: Decimal) -> list[Fill]:
    run = _walk(onward, head)
    index = 0
    while index <= len(run):
        node = portion(run[index])[1] if index < len(run) else portion(run[-1])[2]
        loop = _walk(onward, node)
        if loop and portion(loop[-1])[2] == node:
            run[index:index] = loop
        else:
            for part in reversed(loop):
                onward[portion(part)[1]].append(part)
        index += 1
    return run


def _walk(onward: dict[Decimal, list[Fill]], head: Decimal) -> list[Fill]:
    walk: list[Fill] = []
    while onward.get(head):
        walk.append(onward[head].pop())
        head = portion(walk[-1])[2]
    return walk
