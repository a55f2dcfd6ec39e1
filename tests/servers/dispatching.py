"""Dispatchers on a real journal, with a notifier in memory and a clock that only the test moves."""

from __future__ import annotations

from typing import Any

from hlmon.contract import NoConfig, NotifierFactory
from hlmon.delivery import Dispatcher, dispatch
from hlmon.errors import Permanent
from hlmon.events import Alert
from hlmon.journal import Journal
from hlmon.routing import Route
from hlmon.testing.builders import ALICE, make_alert

START_MS = 1_760_000_000_000  # 08:53:20 UTC
AT_ONCE = Route(to=("chat", "mail"), wait_seconds=0)


class Time:
    """A clock that only waiting and the test move."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.waits: list[float] = []

    def clock_ms(self) -> int:
        return self.now_ms

    def wait(self, _event: object, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now_ms += round(seconds * 1000)
        return False


class Chat:
    """Keeps the messages that it accepted, after raising what it is told to raise."""

    def __init__(self, *errors: BaseException, bad: Any = ()) -> None:
        self.errors = list(errors)
        self.bad = {alert.key for alert in bad}
        self.calls: list[list[Alert]] = []
        self.messages: list[list[Alert]] = []

    def send(self, alerts: Any) -> None:
        self.calls.append(list(alerts))
        if self.errors:
            raise self.errors.pop(0)
        if self.bad & {alert.key for alert in alerts}:
            raise Permanent("not this one")
        self.messages.append(list(alerts))


def dispatchers_of(
    journal: Journal,
    time: Time,
    notifiers: dict[str, Any],
    *,
    max_batch: int = 500,
    policies: Any = None,
    **options: Any,
) -> list[Dispatcher]:
    """The dispatchers of these notifiers; made once more they are what a restart has."""
    factory = NotifierFactory(name="any", config=NoConfig, open=lambda *_: None, max_batch=max_batch)  # type: ignore[arg-type]
    defaults: dict[str, Any] = {
        "accounts": {ALICE: "alice"},
        "max_age_ms": 60_000,
        "quarantine": lambda record: journal.append([record]),
        "clock_ms": time.clock_ms,
        "wait": time.wait,
        "backoff": lambda attempt, retry_after: retry_after or float(attempt + 1),
    }
    opened = {name: (notifier, factory) for name, notifier in notifiers.items()}
    return dispatch(journal, opened, policies or {}, **defaults | options)


def alerts_of(number: int, time: Time, **changes: Any) -> list[Alert]:
    return [make_alert(time_ms=time.now_ms + each, **changes) for each in range(number)]


def work(dispatcher: Dispatcher) -> None:
    """Let it do what there is to do now."""
    while dispatcher.deliver_next():
        pass


def run_for(dispatchers: list[Dispatcher], time: Time, seconds: float, step_ms: int = 250) -> None:
    """Let them work while the clock goes on."""
    end_ms = time.now_ms + round(seconds * 1000)
    while time.now_ms < end_ms:
        for dispatcher in dispatchers:
            work(dispatcher)
        time.now_ms += step_ms


def states(journal: Journal, notifier: str = "chat") -> list[str]:
    """What became of each alert at the notifier, in the order of the journal."""
    rows = journal.query("SELECT state FROM notices WHERE notifier = ? ORDER BY seq", (notifier,))
    return [state for (state,) in rows]
