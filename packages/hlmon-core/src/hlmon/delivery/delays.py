"""Which alerts a notifier did not take for now, and when each is tried again: pure, the clock is passed in.

Nobody can tell from one refusal whether the message or the channel is in trouble. So a message that was not taken waits
by itself while others are tried; only when different ones fail one after the other does the whole channel wait.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from hlmon.delivery.policy import Backoff
from hlmon.routing import Group, Waiting, condition_of

_OUTAGE_ATTEMPTS: Final = 3
"""From so many failures in a row on it was an outage, and no message is to blame."""
_TRIES_OF_ONE_SIZE: Final = 2
_HELD: Final = object()


@dataclass
class Delay:
    """One alert that was not taken. `accepted_before` is how many messages had been taken when it failed first."""

    since_ms: int
    accepted_before: int
    error: str = ""
    attempts: int = 0
    faults: int = 0  # attempts that ended with what a notifier should not raise
    failed_ms: int = 0
    until_ms: int = 0
    most: int | None = None  # so many alerts may be in its message


@dataclass
class Delays:
    """The alerts that wait because they were not taken. A restart forgets them: then each is tried at once."""

    backoff: Backoff
    _by_seq: dict[int, Delay] = field(default_factory=dict)
    _accepted: int = 0
    _last: frozenset[int] | None = None  # the message that failed last, None once one was taken
    _in_a_row: int = 0  # failures of which each was of another message than the one before it
    _failed_ms: int = 0
    _free_ms: int = 0

    def failed(
        self,
        seqs: Collection[int],
        error: str,
        now_ms: int,
        *,
        retry_after: float | None = None,
        is_fault: bool = False,
        halve: bool = False,
    ) -> None:
        """The message of these alerts was not taken; `halve` sends fewer at once the next time in any case."""
        message = frozenset(seqs)
        if self._last is not None and message != self._last:
            self._in_a_row += 1
        self._last, self._failed_ms = message, now_ms
        start = Delay(since_ms=now_ms, accepted_before=self._accepted)
        delays = [self._by_seq.setdefault(seq, replace(start)) for seq in message]
        until_ms = now_ms + self._wait_ms(max((each.attempts for each in delays), default=0), retry_after)
        if retry_after is not None:  # what is asked for is asked of all messages
            self._free_ms = until_ms
        elif self._in_a_row:
            self._free_ms = now_ms + self._wait_ms(self._in_a_row - 1, None)
        for delay in delays:
            delay.error, delay.failed_ms, delay.until_ms = error, now_ms, until_ms
            delay.attempts += 1
            delay.faults += is_fault
            is_alone_in_trouble = self._accepted > delay.accepted_before and delay.attempts >= _TRIES_OF_ONE_SIZE
            if halve or is_alone_in_trouble:
                delay.most = max(len(message) // 2, 1)

    def accepted(self, seqs: Iterable[int]) -> None:
        """The message of these was taken: the channel works. What failed only while it did not is due at once."""
        for seq in seqs:
            self._by_seq.pop(seq, None)
        if self._in_a_row >= _OUTAGE_ATTEMPTS:
            for seq, each in self._by_seq.items():
                if each.accepted_before == self._accepted:  # it never failed but in the outage
                    self._by_seq[seq] = Delay(each.since_ms, self._accepted + 1, each.error)
        self._accepted += 1
        self._last, self._in_a_row, self._free_ms = None, 0, 0

    def keep(self, waiting: Iterable[Waiting]) -> None:
        """Forget the alerts that wait no more."""
        seqs = {each.notice.seq for each in waiting}
        for seq in self._by_seq.keys() - seqs:
            del self._by_seq[seq]

    def split(self, waiting: Sequence[Waiting], now_ms: int, longest_ms: int) -> tuple[list[Waiting], list[Waiting]]:
        """Those that never failed, and those that are to be tried again now; none waits for more than `longest_ms`.

        They are given in the order of the journal. What comes later about a condition never overtakes what failed.
        """
        new: list[Waiting] = []
        again: list[Waiting] = []
        before: dict[str, object] = {}  # condition -> the batch of its alert that failed
        for each in waiting:
            delay = self._by_seq.get(each.notice.seq)
            condition = condition_of(each.alert)
            earlier = before.get(condition)
            if delay is None and earlier is None:
                new.append(each)
                continue
            is_held = delay is not None and min(delay.until_ms, delay.failed_ms + longest_ms) > now_ms
            if earlier not in (None, each.notice.batch):
                is_held = True
            if condition:
                before[condition] = _HELD if is_held else each.notice.batch
            if not is_held:
                again.append(each)
        return new, again

    def first_of(self, group: Group, most: int) -> Group:
        """As many of the group as may be in one message."""
        delays = [self._by_seq[each.notice.seq] for each in group if each.notice.seq in self._by_seq]
        return group[: min([most, *(each.most for each in delays if each.most)])]

    def doubt(self, group: Group) -> int:
        """How little it would tell of the channel if this failed now, after another message did; 0 if none did.

        So after each failure one that never failed is next, and many that fail do not hold up what is newer.
        """
        if self._last is None:
            return 0
        seqs = {each.notice.seq for each in group}
        return 0 if self._by_seq.keys().isdisjoint(seqs) else 1 if self._last.isdisjoint(seqs) else 2

    def faults(self, seqs: Iterable[int]) -> int:
        """How often one of these ended with what a notifier should not raise."""
        return max((self._by_seq[seq].faults for seq in seqs if seq in self._by_seq), default=0)

    def free_ms(self, longest_ms: int) -> int:
        """When the channel may be tried again, whatever the message; after a failure at most `longest_ms` later."""
        return min(self._free_ms, self._failed_ms + longest_ms)

    def next_ms(self, longest_ms: int) -> int | None:
        """When the next of the alerts may be tried again, None if there is none."""
        return min((min(each.until_ms, each.failed_ms + longest_ms) for each in self._by_seq.values()), default=None)

    def trouble(self) -> tuple[int, str] | None:
        """Since when alerts were not taken, and why the one that waits longest was not; None if none waits."""
        if not self._by_seq:
            return None
        oldest = min(self._by_seq.values(), key=lambda each: each.since_ms)
        others = ", others are sent" if oldest.accepted_before < self._accepted else ""
        return oldest.since_ms, f"{oldest.error} (alerts not taken: {len(self._by_seq)}{others})"

    def __len__(self) -> int:
        return len(self._by_seq)

    def _wait_ms(self, attempt: int, retry_after: float | None) -> int:
        return round(self.backoff(attempt, retry_after) * 1000)
