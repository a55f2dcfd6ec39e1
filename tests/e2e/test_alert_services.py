"""A monitor tells four services of closes; they fail in every way, it is killed again and again: each close arrives."""

from __future__ import annotations

import itertools
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event
from types import SimpleNamespace

import pytest

from hlmon_notify.render.telegram import MOST_PARTS
from tests.servers.places import Cut, Place, Places, places

SEED = int(os.environ.get("HLMON_STORY_SEED", "7"))  # another one tells another story
SERVICES = ("discord", "telegram", "mail", "sns")
OLD_FILLS = 2_000
BURST = 500
KILLS_ANYWHERE = 3  # besides one inside the send of each service
# A failing service is tried again after up to 1, 2, 4 s: these outages are the first rounds of that, not a minute.
ROUNDS = 2  # so often each service is tried in vain before its trouble ends
OUTAGE_S = 2.0  # as long, where nobody listens who could count
WITHIN_S = 40
RULES = """
[rule.closes]
type = "position_closed"
coins = ["BTC"]
body = "Ticket {size:.5f}."
[rule.fills]
type = "fill"
coins = ["SOL"]
[[route]]
to = ["discord", "telegram", "mail", "sns"]
rules = ["closes"]
group_by = ["subject"]
wait_seconds = 0
[[route]]
to = ["discord", "telegram", "mail", "sns"]
rules = ["fills"]
"""
TROUBLES = ("down", "throttled", "failing", "cut", "hanging", "cut after it accepted")


class Story:
    """An account, its monitor and the services; `tickets` are the closes that were made."""

    def __init__(self, exchange, account, monitor, at: Places, wait) -> None:
        self.exchange, self.world, self.account = exchange, exchange.server.world, account
        self.monitor, self.places, self.wait = monitor, at.all, wait
        self.tickets: list[str] = []
        self.sizes = itertools.count(1)

    def close(self) -> str:
        """Open and close a position; its size, which no other has, is the ticket by which its alert is found."""
        ticket = f"{next(self.sizes) / 10_000:.5f}"

        def act() -> None:
            self.world.open(self.account, "BTC", ticket)
            self.world.close(self.account, "BTC")

        self.tickets.append(ticket)
        self.exchange.do(act)
        return ticket

    def arrived(self, name: str) -> Counter[str]:
        """How often each ticket is in a message."""
        return Counter(found for text in self.places[name].texts() for found in re.findall(r"Ticket (\d\.\d{5})", text))

    def await_arrival(self, *names: str) -> None:
        """Until all that was made is there."""
        for name in names:
            self.wait(
                lambda name=name: self.arrived(name).keys() >= set(self.tickets), WITHIN_S, f"all tickets at {name}"
            )

    def failures(self, name: str) -> int:
        return sum(line["message"].startswith(f"notifier {name} fails") for line in self.monitor.log_lines())

    def await_outbox(self) -> None:
        """Until nothing waits."""
        unsettled = "SELECT count(*) FROM notices WHERE state NOT IN ('sent', 'dropped')"
        decided = "SELECT count(*) FROM notices"
        told = f"SELECT {len(SERVICES)} * count(*) FROM alerts"

        def is_settled() -> bool:
            query = self.monitor.query
            return query(unsettled) == [(0,)] and query(decided) == query(told)

        self.wait(is_settled, WITHIN_S, "a settled outbox")


def first_start(story: Story) -> SimpleNamespace:
    """An account with a past is watched, and its monitor has looked at all of it."""
    story.monitor.start()

    def is_complete() -> bool:
        said = [line["message"] for line in story.monitor.log_lines()]
        return sum("its history is complete" in text for text in said) == len(story.world.accounts)

    story.wait(is_complete, WITHIN_S, "the old fills")
    ((fills,),) = story.monitor.query("SELECT count(*) FROM fills")
    assert fills >= OLD_FILLS
    story.await_outbox()
    alerts = story.monitor.query("SELECT count(*) FROM alerts")[0][0]
    return SimpleNamespace(alerts=alerts, told={name: place.texts() for name, place in story.places.items()})


def burst(story: Story) -> SimpleNamespace:
    """One order with many fills."""
    story.exchange.do(lambda: story.world.open(story.account, "SOL", "10", parts=BURST))
    for name, place in story.places.items():
        story.wait(lambda place=place: any("SOL" in text for text in place.texts()), WITHIN_S, f"the burst at {name}")
    story.await_outbox()
    alerts = story.monitor.query("SELECT count(*) FROM alerts")[0][0] - story.at_first.alerts
    told = {name: [text for text in place.texts() if "SOL" in text] for name, place in story.places.items()}
    return SimpleNamespace(alerts=alerts, told=told)


class Suffering:
    """What one service goes through, and which tickets it accepted without being able to say so."""

    def __init__(self, story: Story, name: str) -> None:
        self.story, self.name, self.place = story, name, story.places[name]
        self.unsaid: Counter[str] = Counter()
        self.over = Event()

    def __call__(self) -> Counter[str]:
        for trouble in TROUBLES:
            self.over.clear()
            with self.down() if trouble == "down" else self.harm(trouble):
                self.story.close()  # comes meanwhile
            self.story.close()
            self.story.await_arrival(self.name)
        return self.unsaid

    @contextmanager
    def down(self):
        before = self.story.failures(self.name)
        with self.place.outage():
            yield
            self.story.wait(lambda: self.story.failures(self.name) > before, WITHIN_S, f"an outage of {self.name}")
            ends = time.monotonic() + OUTAGE_S
            self.story.wait(lambda: time.monotonic() > ends, WITHIN_S)

    @contextmanager
    def harm(self, trouble: str):
        rounds = 1 if trouble == "cut after it accepted" else ROUNDS
        with self.place.meeting(lambda accept: self.meet(trouble, accept)):
            yield
            self.story.wait(lambda: self.place.met >= rounds, WITHIN_S, f"{self.name} {trouble}")
            self.over.set()

    def meet(self, trouble: str, accept: Callable[[], object]) -> object:
        if trouble == "throttled":
            return self.place.throttled
        if trouble == "failing":
            return self.place.failing
        if trouble == "hanging":
            self.over.wait(WITHIN_S)
        if trouble == "cut after it accepted":
            if self.place.met > 1:
                return accept()
            before = self.story.arrived(self.name)
            accept()
            self.unsaid += self.story.arrived(self.name) - before
        raise Cut


def kill_inside_the_send(story: Story, place: Place) -> None:
    """The service has accepted a message, and nobody is there any more to hear it."""

    def harm(accept: Callable[[], object]) -> object:
        accept()
        story.monitor.kill()
        raise Cut

    with place.meeting(harm):
        story.close()
        story.wait(lambda: story.monitor.process.poll() is not None, WITHIN_S, f"a message at {place.name}")


def kills(story: Story, chance: random.Random) -> list[str]:
    """Kill the monitor and start it again, while closes happen; returns the services inside whose send it died."""
    inside = [*SERVICES, *[""] * KILLS_ANYWHERE]
    chance.shuffle(inside)
    for name in inside:
        for _ in range(chance.randint(0, 3)):
            story.close()
        if name:
            kill_inside_the_send(story, story.places[name])
        else:
            ends = time.monotonic() + chance.uniform(0, 2.5)
            story.wait(lambda ends=ends: time.monotonic() > ends, WITHIN_S)
            story.monitor.kill()
        story.close()
        story.monitor.start()
    return inside


@pytest.fixture(scope="module")
def story(exchange_of, monitor_of, make_toml, tmp_path_factory, wait):
    """First start, a burst, troubles of all services side by side, kills."""
    exchange = exchange_of(accounts=1, history=OLD_FILLS)
    world = exchange.server.world
    old, account = next(iter(world.accounts)), exchange.do(world.add_account)
    with ExitStack() as stack:
        at = stack.enter_context(places(tmp_path_factory.mktemp("places")))
        more = RULES + at.config("messages_per_minute = 1000")
        monitor = monitor_of(make_toml(exchange.url, [old, account.address], more=more), at.environ)
        found = Story(exchange, account, monitor, at, wait)
        found.at_first = first_start(found)
        found.burst = burst(found)
        found.close()
        found.await_arrival(*SERVICES)
        found.plain = {name: found.arrived(name) for name in SERVICES}
        with ThreadPoolExecutor(len(SERVICES)) as threads:
            sufferings = {name: threads.submit(Suffering(found, name)) for name in SERVICES}
            found.unsaid = {name: each.result() for name, each in sufferings.items()}
        found.await_arrival(*SERVICES)
        found.await_outbox()
        found.after_troubles = {name: found.arrived(name) for name in SERVICES}
        found.killed_inside = kills(found, random.Random(SEED))
        found.await_arrival(*SERVICES)
        found.await_outbox()
        found.in_the_end = {name: found.arrived(name) for name in SERVICES}
        found.code = monitor.terminate()
    return found


each_service = pytest.mark.parametrize("name", SERVICES)


@each_service
def test_the_first_start_on_an_account_with_a_past_tells_nothing(story, name):
    assert story.at_first.alerts > 50
    assert story.at_first.told[name] == []


@each_service
def test_a_burst_of_fills_of_one_order_is_one_message_and_on_telegram_the_parts_of_one(story, name):
    assert story.burst.alerts == BURST
    first, *parts = story.burst.told[name]
    assert str(BURST) in first
    assert len(parts) < MOST_PARTS if name == "telegram" else not parts


@each_service
def test_a_close_arrives_once(story, name):
    assert story.plain[name] == Counter(story.tickets[:1])


@each_service
def test_troubles_lose_nothing_and_double_only_what_was_accepted_without_an_answer(story, name):
    found = story.after_troubles[name]
    assert found == Counter(found.keys()) + story.unsaid[name]
    assert len(found) > len(TROUBLES) * len(SERVICES)
    assert len(story.unsaid[name]) == 1


@each_service
def test_kills_lose_nothing_and_double_at_most_one_message_each(story, name):
    found = story.in_the_end[name] - story.after_troubles[name]
    doubles = found - Counter(found.keys())
    assert story.in_the_end[name].keys() == set(story.tickets)
    assert 1 <= doubles.total() <= len(story.killed_inside)


def test_no_other_message_comes(story):
    assert {name: len(place.texts()) for name, place in story.places.items()} == {
        name: story.in_the_end[name].total() + len(story.burst.told[name]) for name in SERVICES
    }


def test_the_journal_says_of_every_new_alert_that_it_was_sent(story):
    counts = dict(story.monitor.query("SELECT state, count(*) FROM notices GROUP BY state"))
    assert counts.keys() == {"sent", "dropped"}
    assert counts["sent"] == len(SERVICES) * (len(story.tickets) + BURST)
    assert story.code == 0
