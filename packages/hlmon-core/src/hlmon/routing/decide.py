"""What happens to one alert at one notifier: sent with others, held, muted or dropped, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec.structs import replace

from hlmon.events import Alert
from hlmon.routing.match import Inhibit, Route, Silence
from hlmon.routing.notice import Notice
from hlmon.routing.quiet import quiet_until_ms

NO_ROUTE = "no route leads here"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The part of a config that concerns one notifier. Conditions of rules not in `rules` (None: all) are over."""

    notifier: str
    max_age_ms: int
    routes: Sequence[Route] = ()
    accounts: Mapping[str, str] = field(default_factory=dict)  # address -> label
    inhibit: Sequence[Inhibit] = ()
    rules: Collection[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What else holds at a time: the user's silences, and late alerts that may mute others.

    `now_ms` is by this machine's clock, as are the times of notices, silences and quiet hours. The times of alerts are
    the exchange's, whose clock is `skew_ms` ahead.
    """

    now_ms: int
    skew_ms: int = 0
    silences: Sequence[Silence] = ()
    causes: Sequence[Alert] = ()


def route_named(alert: Alert, policy: Policy) -> tuple[str, Route] | None:
    """The first route that brings the alert to this notifier, and its name in the config.

    Without any route in the config every alert takes one named "all".
    """
    if not policy.routes:
        return "all", Route(to=(policy.notifier,))
    for position, route in enumerate(policy.routes):
        if policy.notifier in route.to and route.takes(alert, policy.accounts):
            return f"route[{position}]", route
    return None


def condition_of(alert: Alert) -> str:
    """What all alerts of one condition share; "" for a happening."""
    return "" if alert.state == "event" else "\n".join((alert.rule, alert.account, alert.subject))


def decide(seq: int, alert: Alert, policy: Policy, around: Surroundings, beginning: Notice | None) -> list[Notice]:
    """The alert's notice, and that of the `beginning` of its condition if it changes.

    `beginning` is the notice of the last alert that said that the same condition fires, unless it ended since.
    """
    if alert.state == "resolved":
        return _ended(seq, alert, policy, around, beginning)
    notices = [] if beginning is None else [replace(beginning, condition="")]
    notice = Notice(notifier=policy.notifier, seq=seq, state="dropped", decided_ms=around.now_ms)
    notice = replace(notice, condition=condition_of(alert))
    taken = route_named(alert, policy)
    age_ms = around.now_ms + around.skew_ms - alert.time_ms
    if taken is None:
        return [replace(notice, reason=NO_ROUTE), *notices]
    name, route = taken
    if age_ms > policy.max_age_ms:
        reason = f"it was {age_ms // 1000} s old when it was read, more than alert_max_age_seconds allows"
        return [replace(notice, route=name, reason=reason), *notices]
    waiting = replace(notice, state="waiting", route=name, batch=_batch(alert, name, route))
    return [detained(waiting, alert, route, policy, around), *notices]


def _ended(seq: int, alert: Alert, policy: Policy, around: Surroundings, beginning: Notice | None) -> list[Notice]:
    """The notice of a condition's end, then that of its beginning: the end is told where the beginning was or will be.

    What began and ended while it was muted is not told at all; what both still wait goes out as one message.
    """
    notice = Notice(notifier=policy.notifier, seq=seq, state="dropped", decided_ms=around.now_ms)
    if beginning is None:
        return [replace(notice, reason="its beginning was not sent here")]
    over = replace(beginning, condition="")
    if beginning.times_sent:
        name, route = route_named(alert, policy) or (beginning.route, Route(to=(policy.notifier,)))
        waiting = replace(notice, state="waiting", route=name, batch=_batch(alert, name, route))
        again = beginning.state in {"waiting", "muted"}  # it was about to be repeated
        over = replace(over, state="sent", reason="", hold_until_ms=0) if again else over
        return [detained(waiting, alert, route, policy, around), over]
    if beginning.state == "waiting":
        together = replace(beginning, seq=seq, decided_ms=around.now_ms, condition="")
        return [together, over]
    if beginning.state == "muted":
        over = replace(over, state="dropped", reason=f"{beginning.reason}; it ended meanwhile", hold_until_ms=0)
        return [replace(notice, reason=f"its beginning was {beginning.reason}"), over]
    return [replace(notice, reason="its beginning was not sent here"), over]


def detained(notice: Notice, alert: Alert, route: Route, policy: Policy, around: Surroundings) -> Notice:
    """The waiting notice, or what becomes of it because of a silence, an inhibition or quiet hours now.

    Muted happenings are dropped. Conditions wait for the end of the muting: what fires still is told then.
    """
    reason, until_ms = max(_mutings(alert, policy, around), key=lambda muting: muting[1], default=("", 0))
    if reason and alert.state == "event":
        return replace(notice, state="dropped", reason=reason)
    if reason:
        return replace(notice, state="muted", reason=reason, hold_until_ms=until_ms)
    if route.is_quiet_for(alert):
        quiet_ms = quiet_until_ms(route.quiet_hours, route.zone, around.now_ms)
        if quiet_ms is not None:
            reason = f"quiet hours until {_time_text(quiet_ms)}"
            return replace(notice, reason=reason, hold_until_ms=quiet_ms, batch=f"{notice.route}\nquiet hours")
    return notice


def _mutings(alert: Alert, policy: Policy, around: Surroundings) -> Iterator[tuple[str, int]]:
    """Why the alert is muted and until when."""
    for silence in around.silences:
        if silence.until_ms > around.now_ms and silence.matches(alert, policy.accounts):
            why = f" ({silence.why})" if silence.why else ""
            yield f"silenced by {silence.id}{why} until {_time_text(silence.until_ms)}", silence.until_ms
    for inhibit in policy.inhibit:
        for cause in around.causes:
            until_ms = inhibit.until_ms(cause, alert)
            if until_ms is None:
                continue
            until_ms -= around.skew_ms
            if until_ms > around.now_ms or alert.state == "event":
                yield f"muted by the alert of {cause.rule} until {_time_text(until_ms)}", until_ms


def take_over(owed: Notice, mine: Notice, now_ms: int) -> Notice:
    """The fallback's notice of an alert that another notifier could not send."""
    return replace(
        mine,
        state="waiting",
        decided_ms=now_ms,
        hold_until_ms=0,
        route=f"fallback of {owed.notifier}",
        batch=f"{owed.notifier}\n{owed.batch}",
        reason=f"{owed.notifier} did not accept it",
    )


def _batch(alert: Alert, name: str, route: Route) -> str:
    own = {"rule": alert.rule, "account": alert.account, "severity": alert.severity, "subject": alert.subject}
    return "\n".join((name, *(own.get(each) or alert.labels.get(each, "") for each in route.group_by)))


def _time_text(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
