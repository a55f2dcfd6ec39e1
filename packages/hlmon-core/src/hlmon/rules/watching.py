"""Rules about the monitor itself: a stream that is silent or has a hole, a sink or notifier that does not ack."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Annotated, ClassVar, Final

import msgspec
from msgspec import Meta

from hlmon.contract import Settings
from hlmon.events import Gap, Pulse, Severity
from hlmon.rules.config import AccountCondition, ConditionConfig, Words
from hlmon.rules.engine import Finding
from hlmon.rules.text import moment, plain, short_address, span, word
from hlmon.status import AccountStatus, FollowerStatus, SourceStatus

RESTARTED_MS: Final = 60_000
"""Pulses come every 5 s: after so long a pause, or from before the last one, the monitor or its time began anew."""
ACK_MS: Final = 1_000
"""An ack is told by its age, so that its time may come out some milliseconds apart."""


class StreamConfig(AccountCondition, frozen=True, kw_only=True):
    """When a stream is an alert."""

    speech: ClassVar[Words] = Words(
        title="{who}: {problem}",
        words=("who", "problem", "reason", "stream", "from", "to"),
        numbers=("silent", "lasted"),
        details=("silent", "reason", "stream", "from", "to", "lasted"),
    )

    severity: Annotated[Severity, Meta(description="how urgent its alerts are")] = "critical"
    silent_seconds: Annotated[
        float, Meta(ge=10, description="how long an account may be silent; it speaks each 5 s")
    ] = 30
    gap_seconds: Annotated[
        float, Meta(ge=0, description="how long a gap may remain until it counts as one that cannot be read back")
    ] = 120
    market_coins: Annotated[
        tuple[str, ...], Meta(description="tell also gaps in the market trades of these coins, which never come back")
    ] = ()


class StreamMemory(msgspec.Struct, omit_defaults=True):
    """The last pulse, since when accounts that never spoke are waited for, and gaps that may yet be read back."""

    pulse_ms: int = 0
    waiting: dict[str, int] = {}
    gaps: list[Gap] = []


class Streams:
    """Accounts that are refused, missing or silent (conditions), and gaps that stay (happenings)."""

    def __init__(self, config: StreamConfig, settings: Settings) -> None:
        self._labels = settings.accounts
        self._silent_ms = config.silent_seconds * 1000
        self._gap_ms = config.gap_seconds * 1000
        self._market = {f"trades:{coin}" for coin in config.market_coins}
        self.memory = StreamMemory()

    def __call__(self, event: Pulse | Gap, _standing: Collection[str], /) -> Iterable[Finding]:
        """How every account is, and the gaps whose time is over."""
        memory = self.memory
        if isinstance(event, Gap):
            memory.gaps = [gap for gap in memory.gaps if gap.name != event.name][-1_000:]
            if not event.healed and (event.account or event.stream in self._market):
                memory.gaps.append(event)
            return
        if _began_anew(event, memory.pulse_ms):
            memory.waiting.clear()
        memory.pulse_ms = event.time_ms
        for source in event.sources:
            for account in source.accounts:
                yield self._account(source, account, event.time_ms)
        yield from self._gaps(event.time_ms)

    def _account(self, source: SourceStatus, account: AccountStatus, now_ms: int) -> Finding:
        seen_ms = account.last_seen_ms or self.memory.waiting.setdefault(account.address, now_ms)
        silent_ms = max(now_ms - max(seen_ms, self.memory.waiting.get(account.address, 0)), 0)
        problem, reason, silent = "", account.reason, False
        if account.status == "refused":
            problem = "cannot be watched"
        elif account.status == "missing":
            problem = "is not known to the exchange"
        elif silent_ms >= self._silent_ms:
            problem, silent = "is silent", True
            connection = source.connection
            reason = reason or (connection.reason if connection.state != "live" else "")
        return Finding(
            account=account.address,
            subject="stream",
            verdict="holds" if problem else "over",
            values={
                "who": word(account.label or self._labels.get(account.address) or short_address(account.address)),
                "problem": word(problem),
                "reason": word(reason),
                "silent": span(silent_ms if silent else None),
            },
        )

    def _gaps(self, now_ms: int) -> Iterator[Finding]:
        due = [gap for gap in self.memory.gaps if now_ms - gap.time_ms >= self._gap_ms]
        self.memory.gaps = [gap for gap in self.memory.gaps if gap not in due]
        for gap in due:
            who = self._labels.get(gap.account) or short_address(gap.account) or "the market"
            yield Finding(
                account=gap.account,
                subject=f"gap:{gap.key}",
                labels={"stream": gap.stream},
                values={
                    "who": word(who),
                    "problem": word(f"a gap in {gap.stream} could not be read back"),
                    "reason": word(gap.reason),
                    "stream": word(gap.stream),
                    "from": moment(gap.start_ms),
                    "to": moment(gap.end_ms),
                    "lasted": span(None if gap.end_ms is None else gap.end_ms - gap.start_ms),
                },
            )


class DeliveryConfig(ConditionConfig, frozen=True, kw_only=True):
    """When a delivery is an alert."""

    speech: ClassVar[Words] = Words(
        title="{part} {name} has accepted nothing for {stuck}",
        words=("part", "name", "error"),
        numbers=("stuck", "behind"),
        details=("stuck", "behind", "error"),
    )

    minutes: Annotated[float, Meta(gt=0, description="how long it may go without accepting what waits for it")] = 5
    names: Annotated[tuple[str, ...], Meta(description="only these sinks and notifiers")] = ()


class Ack(msgspec.Struct):
    """The last ack of a follower, and since when something waits that it has not acked."""

    ack_ms: int
    since_ms: int


class DeliveryMemory(msgspec.Struct, omit_defaults=True):
    """The last pulse, and the followers that are behind, by part and name."""

    pulse_ms: int = 0
    behind: dict[str, Ack] = {}


class Deliveries:
    """Sinks and notifiers that something waits for and that have not acked for too long."""

    def __init__(self, config: DeliveryConfig, _settings: Settings) -> None:
        self._limit_ms = config.minutes * 60_000
        self._names = frozenset(config.names)
        self.memory = DeliveryMemory()

    def __call__(self, pulse: Pulse, standing: Collection[str], /) -> Iterable[Finding]:
        """How every sink and notifier is."""
        memory = self.memory
        if _began_anew(pulse, memory.pulse_ms):
            memory.behind.clear()
        memory.pulse_ms = pulse.time_ms
        followers = {f"{each.part} {each.name}": each for each in pulse.followers}
        for subject, follower in followers.items():
            if not self._names or follower.name in self._names:
                yield self._finding(subject, follower, pulse.time_ms)
        for subject in sorted(set(standing) - followers.keys()):  # a part that the config names no more
            yield Finding(subject=subject, verdict="over")

    def _finding(self, subject: str, follower: FollowerStatus, now_ms: int) -> Finding:
        behind = self.memory.behind
        if not follower.lag:
            behind.pop(subject, None)
        elif subject not in behind or follower.last_ack_ms - behind[subject].ack_ms > ACK_MS:
            behind[subject] = Ack(follower.last_ack_ms, now_ms)
        since_ms = behind[subject].since_ms if subject in behind else now_ms
        stuck_ms = now_ms - min(since_ms, follower.failing_since_ms or since_ms) if subject in behind else 0
        return Finding(
            subject=subject,
            verdict="holds" if stuck_ms >= self._limit_ms else "over",
            labels={follower.part: follower.name},
            values={
                "part": word(follower.part),
                "name": word(follower.name),
                "stuck": span(stuck_ms or None),
                "behind": plain(follower.lag),
                "error": word(follower.error),
            },
        )


def _began_anew(pulse: Pulse, last_ms: int) -> bool:
    return not 0 <= pulse.time_ms - last_ms <= RESTARTED_MS
