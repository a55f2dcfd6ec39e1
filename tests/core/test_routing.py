"""Which alert reaches which notifier."""

from __future__ import annotations

import msgspec
import pytest

from hlmon.routing import Route, is_due, routes_for
from hlmon.testing.builders import ALICE, BOB, make_alert

NOTIFIERS = ("phone", "chat", "mail")
LABELS = {ALICE: "alice", BOB: "bob"}


def routed(alert, *routes):
    return routes_for(alert, routes, NOTIFIERS, LABELS)


def test_without_a_route_every_notifier_gets_every_alert():
    assert routed(make_alert(severity="info")) == NOTIFIERS


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


def test_a_route_takes_every_severity_rule_and_account_unless_it_says_otherwise():
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


def test_several_routes_add_up_and_each_notifier_is_named_once():
    routes = (Route(to=("mail", "phone")), Route(to=("phone",)), Route(severity="critical", to=("chat",)))
    assert routed(make_alert(severity="warning"), *routes) == ("phone", "mail")


def test_an_unknown_field_of_a_route_is_refused():
    with pytest.raises(msgspec.ValidationError, match="severty"):
        msgspec.convert({"to": ["chat"], "severty": "info"}, Route)


def test_an_alert_is_due_until_it_is_too_old():
    alert = make_alert(time_ms=1_000_000)
    assert is_due(alert, 1_060_000, 60_000)
    assert not is_due(alert, 1_060_001, 60_000)
    assert is_due(alert, 900_000, 60_000)
