"""What all messages have in common: times, links, headlines, order, safe and short texts."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlmon import Settings
from hlmon.testing.builders import make_alert
from hlmon_notify.config import LookConfig, look_of
from hlmon_notify.render import Look, message_of
from hlmon_notify.render.message import time_text
from hlmon_notify.render.plain import text_of
from hlmon_notify.render.text import cut, fitting, lines_of, one_line, packed, units

NOON_MS = 1_782_302_400_000  # 2026-06-24 12:00:00 UTC
ACCOUNT, TRANSACTION = "0x" + "a" * 40, "0x" + "c" * 64


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("UTC", "2026-06-24 12:00:00 UTC"),
        ("Europe/Berlin", "2026-06-24 14:00:00 CEST (12:00:00 UTC)"),
        ("Asia/Tokyo", "2026-06-24 21:00:00 JST (12:00:00 UTC)"),
        ("Pacific/Auckland", "2026-06-25 00:00:00 NZST (2026-06-24 12:00:00 UTC)"),
        ("Africa/Abidjan", "2026-06-24 12:00:00 UTC"),
    ],
)
def test_a_time_is_told_in_the_users_zone_with_utc_beside(zone, text):
    assert time_text(NOON_MS, ZoneInfo(zone)) == text


@pytest.mark.parametrize(
    ("url", "explorer", "begin"),
    [
        ("https://api.hyperliquid.xyz", None, "https://app.hyperliquid.xyz/explorer"),
        ("https://api.hyperliquid-testnet.xyz", None, "https://app.hyperliquid-testnet.xyz/explorer"),
        ("https://api.hyperliquid.xyz", "https://other.example/x/", "https://other.example/x"),
    ],
)
def test_links_lead_to_the_explorer_of_the_network_or_to_the_users_own(url, explorer, begin):
    look = look_of(LookConfig(explorer=explorer), Settings(name="x", url=url))
    entry = message_of([make_alert(account=ACCOUNT, labels={"tx_hash": TRANSACTION})], look).entries[0]
    assert (entry.account_url, entry.transaction_url) == (f"{begin}/address/{ACCOUNT}", f"{begin}/tx/{TRANSACTION}")


@pytest.mark.parametrize("transaction", ["", "0x" + "0" * 64, "0x12", TRANSACTION + "0", "javascript:alert(1)"])
def test_what_is_no_transaction_is_not_linked(transaction):
    alert = make_alert(account="market", labels={"tx_hash": transaction})
    entry = message_of([alert], Look(explorer="https://x.example")).entries[0]
    assert (entry.account_url, entry.transaction_url) == ("", "")


def test_without_an_explorer_there_are_no_links():
    look = look_of(LookConfig(explorer=""), Settings(name="x"))
    assert "http" not in text_of(message_of([make_alert(account=ACCOUNT, labels={"tx_hash": TRANSACTION})], look))


def test_an_account_is_called_by_its_label_with_the_address_behind():
    look = Look(labels={ACCOUNT: "main"})
    accounts = [
        message_of([make_alert(account=each)], look).entries[0].account for each in (ACCOUNT, "0x" + "b" * 40, "")
    ]
    assert accounts == ["main (0xaaaa…aaaa)", "0xbbbb…bbbb", ""]


def test_the_most_urgent_comes_first_and_gives_the_group_its_tone():
    states = [
        ("info", "event"),
        ("critical", "resolved"),
        ("warning", "firing"),
        ("critical", "event"),
        ("info", "event"),
    ]
    message = message_of([make_alert(severity=severity, state=state) for severity, state in states], Look())
    assert [entry.tone for entry in message.entries] == ["critical", "warning", "resolved", "info", "info"]
    assert message.heading.startswith("🚨 5 alerts")


@pytest.mark.parametrize(
    ("titles", "headline"),
    [
        (["BTC long closed: +1"], "BTC long closed: +1"),
        (["ETH bought: 1 at 2", "ETH bought: 3 at 4"], "2 alerts: ETH bought"),
        (["ETH bought", "BTC sold"], "2 alerts: rule closes"),
        (["ETH bought", "ETH bought"], "2 alerts: ETH bought"),
        (["ETH bought", "ETH sold"], "2 alerts: rule closes"),
    ],
)
def test_the_headline_of_a_group_says_what_its_titles_have_in_common(titles, headline):
    assert message_of([make_alert(title=title, rule="closes") for title in titles], Look()).headline == headline


def test_alerts_of_several_rules_with_nothing_in_common_are_counted():
    assert message_of([make_alert(title="a", rule="x"), make_alert(title="b", rule="y")], Look()).headline == "2 alerts"


def test_a_title_of_nothing_is_replaced():
    assert message_of([make_alert(title=" \u202e\n", rule="closes")], Look()).headline == "Alert of rule closes"


@given(st.text(), st.integers(1, 50))
def test_a_cut_text_fits_and_a_short_one_is_whole(text, limit):
    short = cut(text, limit)
    assert units(short) <= limit
    assert short == text if units(text) <= limit else len(short) >= 1


@given(st.text())
def test_a_line_has_no_break_and_nothing_that_cannot_be_printed(text):
    assert one_line(text).isprintable()
    assert all(line.isprintable() for line in lines_of(text))


@given(st.lists(st.text("ab🚨", max_size=20), max_size=40), st.integers(60, 200))
def test_parts_hold_all_lines_in_order_and_fit(lines, limit):
    parts = packed(lines, limit)
    assert all(units("\n".join(part)) <= limit for part in parts)
    assert [line for part in parts for line in part] == lines


@given(st.lists(st.text("ab🚨", max_size=20), min_size=1, max_size=40), st.integers(60, 200))
def test_what_does_not_fit_is_counted(blocks, limit):
    text, left = fitting(blocks, limit, lambda count: f"{count} more")
    assert units(text) <= limit
    assert text == "\n".join(blocks) if not left else text == "\n".join([*blocks[: len(blocks) - left], f"{left} more"])
