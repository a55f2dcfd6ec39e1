"""A monitor whose store and notifiers are away at its start watches at once; when they are back they get everything."""

from __future__ import annotations

import re
import time
from collections import Counter
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from hlmon_supabase.schema import schema_sql
from tests.servers.chat import Discord, Telegram
from tests.servers.postgrest import Postgrest
from tests.servers.supabase import SERVICE_KEY, Project, postgres

PROMISED_S = 10
WITHIN_S = 60  # a notifier that is away is tried again after up to 1, 2, 4, 8 s
TRADES = 5
NAMES = ("store", "discord", "telegram")
MORE = """
[sink.store]
type = "supabase"
[notifier.discord]
type = "discord"
[notifier.telegram]
type = "telegram"
chat_id = "{telegram.chat_id}"
url = "{telegram.url}"
[rule.fills]
type = "fill"
body = "Ticket {{size}}."
[[route]]
to = ["discord", "telegram"]
group_by = ["key"]
wait_seconds = 0
"""


@pytest.fixture(scope="module")
def services():
    """The store and the two notifiers, and what is in the store."""
    with ExitStack() as stack:
        database = stack.enter_context(postgres())
        project = stack.enter_context(database.project("away"))
        project.execute(schema_sql())
        store, discord, telegram = (
            stack.enter_context(made) for made in (Postgrest(database, "away"), Discord(), Telegram())
        )
        stored = Project("statements", store.url, project)
        yield SimpleNamespace(all=(store, discord, telegram), discord=discord, telegram=telegram, stored=stored)


@pytest.fixture(scope="module")
def account(exchange):
    return exchange.do(exchange.server.world.add_account)


@pytest.fixture(scope="module")
def monitor(services, account, exchange, monitor_of, make_toml):
    return monitor_of(
        make_toml(exchange.url, [account.address], more=MORE.format(telegram=services.telegram)),
        {
            "SUPABASE_URL": services.stored.url,
            "SUPABASE_SERVICE_KEY": SERVICE_KEY,
            "DISCORD_WEBHOOK_URL": services.discord.webhook,
            "TELEGRAM_BOT_TOKEN": services.telegram.token,
        },
    )


@pytest.fixture(scope="module")
def story(services, account, exchange, monitor, wait):
    """Started while all three are away, through some trades, until all three have what was theirs."""
    with ExitStack() as outages:
        for service in services.all:
            outages.enter_context(service.outage())
        began = time.monotonic()
        monitor.start()
        wait(lambda: is_watched(monitor), WITHIN_S, "the account")
        watched_s = time.monotonic() - began
        for number in range(1, TRADES + 1):
            exchange.do(lambda number=number: exchange.server.world.trade(account, "BTC", f"0.0{number}"))
        wait(lambda: monitor.query("SELECT count(*) FROM alerts") == [(TRADES,)], WITHIN_S, "the alerts")
        away = wait(lambda: all_are(monitor, "failing"), WITHIN_S, "all three named")
    wait(lambda: len(services.stored.rows("fills")) == TRADES, WITHIN_S, "every fill in the store")
    places = {"discord": services.discord, "telegram": services.telegram}
    for place in places.values():
        wait(lambda place=place: len(tickets(place)) == TRADES, WITHIN_S, "every alert")
    back = wait(lambda: all_are(monitor, "running"), WITHIN_S, "all three well")
    fills = services.stored.rows("fills")
    code = monitor.terminate()
    told = {name: tickets(place) for name, place in places.items()}
    return SimpleNamespace(watched_s=watched_s, away=away, back=back, fills=fills, told=told, code=code)


def is_watched(monitor) -> bool:
    sources = (monitor.said() or {}).get("sources", ())
    return any(each["status"] == "watched" for source in sources for each in source["accounts"])


def all_are(monitor, state: str) -> list[dict] | None:
    """What the monitor says of the three, if they are all so."""
    found = [each for each in (monitor.said() or {}).get("components", ()) if each["name"] in NAMES]
    return found if len(found) == len(NAMES) and {each["state"] for each in found} == {state} else None


def tickets(place) -> Counter[str]:
    """How often each trade is in a message."""
    return Counter(re.findall(r"Ticket (0\.0\d)", "\n".join(place.accepted)))


def test_a_monitor_whose_store_and_notifiers_are_away_watches_within_ten_seconds(story):
    assert story.watched_s < PROMISED_S


def test_each_of_them_is_named_with_why_since_when_and_the_next_try(story):
    for each in story.away:
        assert each["why"]
        assert each["since_ms"] > 0
    assert any(each["next_try_ms"] for each in story.away)


def test_when_they_are_back_everything_arrives_once(story):
    assert len({row["trade_id"] for row in story.fills}) == len(story.fills) == TRADES
    once = Counter({f"0.0{number}": 1 for number in range(1, TRADES + 1)})
    assert story.told == {"discord": once, "telegram": once}


def test_then_all_of_them_are_running(story):
    assert [each["why"] for each in story.back] == ["", "", ""]
    assert story.code == 0
