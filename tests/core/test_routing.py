"""Which alert takes which route to which notifier, and what a user may write about it."""

from __future__ import annotations

import msgspec
import pytest

from hlmon.routing import Inhibit, Matcher, Policy, Route, route_named
from hlmon.testing.builders import ALICE, BOB, make_alert

NOTIFIERS = ("phone", "chat", "mail")
LABELS = {ALICE: "alice", BOB: "bob"}


def routed(alert, *routes):
    """The notifiers that get the alert."""
    return tuple(name for name in NOTIFIERS if way(name, alert, *routes))


def way(notifier, alert, *routes):
    """The name of the route by which the alert reaches the notifier, if it does."""
    taken = route_named(alert, Policy(notifier=notifier, max_age_ms=1, routes=routes, accounts=LABELS))
    return taken and taken[0]


def test_without_a_route_every_notifier_gets_every_alert():
    assert routed(make_alert(severity="info")) == NOTIFIERS
    assert way("phone", make_alert(severity="info")) == "all"


def test_an_alert_that_no_route_takes_goes_nowhere():
    assert routed(make_alert(severity="info"), Route(severity="critical", to=("phone",))) == ()


@pytest.mark.parametrize(
    ("minimum", "severities"),
    [("info", ["info", "warning", "critical"]), ("warning", ["warning", "critical"]), ("critical", ["critical"])],
)
def test_the_severity_of_a_route_is_a_minimum(minimum, severities):
    route = Route(severity=minimum, to=("chat",))
    taken = [s for s in ("info", "warning", "critical") if routed(make_alert(severity=s), route) == ("chat",)]
    assert taken == severities


def test_a_route_takes_every_severity_rule_account_and_label_unless_it_says_otherwise():
    assert routed(make_alert(severity="info", rule="anything", account=""), Route(to=("mail",))) == ("mail",)


def test_a_route_may_be_for_some_rules():
    route = Route(rules=("drawdown", "liquidation"), to=("chat",))
    assert routed(make_alert(rule="drawdown"), route) == ("chat",)
    assert routed(make_alert(rule="position_closed"), route) == ()


@pytest.mark.parametrize("written", [ALICE, ALICE.upper().replace("0X", "0x"), "alice"])
def test_a_route_names_accounts_by_address_or_label(written):
    route = Route(accounts=(written,), to=("chat",))
    assert routed(make_alert(account=ALICE), route) == ("chat",)
    assert routed(make_alert(account=BOB), route) == ()


@pytest.mark.parametrize("accounts", [("alice",), ("",)])
def test_an_alert_of_the_market_takes_no_route_of_accounts(accounts):
    assert routed(make_alert(account=""), Route(accounts=accounts, to=("chat",))) == ()


@pytest.mark.parametrize(
    ("labels", "matches"),
    [
        ({"coin": "BTC", "side": "long"}, True),
        ({"coin": "ETH", "side": "long"}, True),
        ({"coin": "SOL", "side": "long"}, False),
        ({"coin": "BTC", "side": "short"}, False),
        ({"coin": "BTC"}, False),
        ({}, False),
    ],
)
def test_every_label_of_a_route_must_have_one_of_its_values(labels, matches):
    matcher = Matcher(labels={"coin": ("BTC", "ETH"), "side": ("long",)})
    assert matcher.matches(make_alert(labels=labels), {}) is matches


def test_several_routes_add_up_and_the_first_that_leads_to_a_notifier_counts_there():
    routes = (
        Route(severity="critical", to=("chat", "mail")),
        Route(to=("mail", "phone")),
        Route(to=("phone",), quiet_hours="22:00-07:00"),
    )
    assert routed(make_alert(severity="warning"), *routes) == ("phone", "mail")
    assert way("phone", make_alert(severity="warning"), *routes) == "route[1]"
    assert way("mail", make_alert(severity="critical"), *routes) == "route[0]"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"severty": "info"}, "severty"),
        ({"quiet_hours": "22-7"}, "quiet_hours: must be two times of a day, such as 22:00-07:00"),
        ({"quiet_hours": "22:00-07:00-09:00"}, "quiet_hours: must be two times"),
        ({"quiet_hours": "22:00-24:30"}, "quiet_hours: must be two times"),
        ({"quiet_hours": "08:00-08:00"}, "quiet_hours: must begin and end at different times"),
        ({"zone": "Berlin"}, "zone: must be the name of a time zone, such as Europe/Berlin"),
        ({"zone": "../etc/passwd"}, "zone: must be the name of a time zone"),
        ({"wait_seconds": -1}, "wait_seconds"),
        ({"repeat_minutes": 0}, "repeat_minutes"),
    ],
)
def test_a_route_that_cannot_be_is_refused(fields, said):
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert({"to": ["chat"], **fields}, Route)


@pytest.mark.parametrize(
    ("cause", "alert", "until_ms"),
    [
        ({}, {}, 70_000),
        ({}, {"time_ms": 1}, 70_000),
        ({}, {"time_ms": 70_000}, 70_000),
        ({}, {"time_ms": 70_001}, None),
        ({}, {"account": BOB}, None),
        ({}, {"rule": "fills"}, None),
        ({"rule": "fills"}, {}, None),
        ({"rule": "mine", "labels": {"type": "liquidation"}}, {"rule": "x", "labels": {"type": "margin"}}, 70_000),
        ({"state": "resolved"}, {}, None),
    ],
)
def test_an_inhibition_is_about_one_account_and_time_and_names_rules_or_their_types(cause, alert, until_ms):
    inhibit = Inhibit(rules=("liquidation",), mutes=("margin",), minutes=1)
    cause = make_alert(**{"rule": "liquidation", "account": ALICE, "time_ms": 10_000} | cause)
    alert = make_alert(**{"rule": "margin", "account": ALICE, "time_ms": 10_000} | alert)
    assert inhibit.until_ms(cause, alert) == until_ms
