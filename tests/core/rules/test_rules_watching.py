"""The rules that watch the monitor itself: streams and deliveries."""

from __future__ import annotations

from hlmon.status import AccountStatus
from hlmon.testing.builders import ALICE, make_gap, make_pulse
from tests.core.rules.cases import GAP, at, follower, pulse


def beat(seconds, **changes):
    account = AccountStatus(
        **{"address": ALICE, "label": "main", "status": "watched", "last_seen_ms": at(seconds)} | changes
    )
    return make_pulse(account, time_ms=at(seconds))


def test_an_account_that_cannot_be_watched_is_told_at_once_with_the_reason(watch):
    rule = watch("stream")
    (alert,) = rule(beat(0, status="refused", reason="10 users are watched already"))
    assert (alert.account, alert.title) == (ALICE, "main: cannot be watched")
    assert alert.details == {"reason": "10 users are watched already"}
    assert watch("stream").titles(beat(0, status="missing")) == ["main: is not known to the exchange"]
    assert [each.state for each in rule(beat(5))] == ["resolved"]


def test_an_account_that_never_spoke_is_silent_from_the_first_pulse_on(watch):
    rule = watch("stream")
    pending = [beat(seconds, status="pending", last_seen_ms=0) for seconds in (0, 29, 30)]
    assert rule(*pending[:2]) == []
    assert len(rule.restart()(pending[2])) == 1


def test_a_restart_of_the_monitor_gives_an_account_its_time_again(watch):
    rule = watch("stream")
    rule(beat(0, status="pending", last_seen_ms=0))
    assert rule.restart()(beat(600, status="pending", last_seen_ms=0)) == []


def test_a_time_that_goes_back_gives_an_account_its_time_again_and_no_more(watch):
    rule = watch("stream")
    rule(*[beat(7_200 + seconds, status="pending", last_seen_ms=0) for seconds in (0, 5)])
    assert rule(*[beat(seconds, status="pending", last_seen_ms=0) for seconds in (0, 29)]) == []
    assert len(rule(beat(30, status="pending", last_seen_ms=0))) == 1


def test_a_gap_that_is_not_read_back_is_told_once_after_its_time(watch):
    rule = watch("stream")
    assert rule(GAP, pulse(0), pulse(119)) == []
    (alert,) = rule.restart()(pulse(120), pulse(125))
    assert (alert.state, alert.title) == ("event", "Treasury: a gap in userFills could not be read back")
    assert alert.details == {
        "reason": "out of the exchange's reach",
        "stream": "userFills",
        "from": "2025-10-09 23:55:00 UTC",
        "to": "2025-10-09 23:59:50 UTC",
        "lasted": "4 min 50 s",
    }


def test_a_gap_that_is_read_back_in_time_is_not_told(watch):
    rule = watch("stream")
    healed = make_gap(time_ms=at(60), start_ms=at(-300), end_ms=at(-10), healed=True)
    assert rule(GAP, pulse(5), healed, pulse(120), pulse(600)) == []


def test_gaps_in_market_trades_are_told_for_the_coins_that_were_asked_for(watch):
    gaps = [make_gap(account="", stream=f"trades:{coin}", time_ms=at(0)) for coin in ("BTC", "ETH")]
    assert watch("stream")(*gaps, pulse(600)) == []
    assert watch("stream", 'market_coins = ["ETH"]').titles(*gaps, pulse(600)) == [
        "the market: a gap in trades:ETH could not be read back"
    ]


def test_a_silent_account_that_the_user_did_not_ask_for_is_left_out(watch):
    others = make_pulse(AccountStatus(address="0x" + "cc" * 20, status="refused"), time_ms=at(0))
    assert watch("stream", 'accounts = ["Treasury"]')(others) == []


def test_a_delivery_with_nothing_to_deliver_is_never_late(watch):
    rule = watch("delivery", "minutes = 1")
    assert rule(pulse(0, followers=[follower()]), pulse(50, followers=[follower()])) == []
    assert rule(pulse(100, followers=[follower()]), pulse(110, followers=[follower(lag=1)])) == []


def test_each_ack_gives_a_delivery_its_time_again(watch):
    rule = watch("delivery", "minutes = 1")
    beats = [pulse(at_, followers=[follower(lag=9, last_ack_ms=at(ack))]) for at_, ack in ((0, 0), (50, 40), (100, 40))]
    assert rule(*beats) == []
    assert len(rule.restart()(pulse(110, followers=[follower(lag=9, last_ack_ms=at(40))]))) == 1


def test_a_delivery_that_fails_is_late_since_it_began_to_fail(watch):
    rule = watch("delivery", "minutes = 5")
    failing = follower(lag=1, failing_since_ms=at(0), error="503")
    assert rule(pulse(299, followers=[failing])) == []
    (alert,) = rule(pulse(300, followers=[failing]))
    assert (alert.account, alert.labels) == ("", {"sink": "archive", "type": "delivery"})


def test_only_the_parts_that_were_asked_for_are_watched(watch):
    late = [
        follower(lag=1, failing_since_ms=at(0)),
        follower(name="phone", part="notifier", lag=1, failing_since_ms=at(0)),
    ]
    rule = watch("delivery", 'names = ["phone"]')
    assert rule.titles(pulse(300, followers=late)) == ["notifier phone has accepted nothing for 5 min 0 s"]


def test_a_part_that_is_no_longer_in_the_config_is_late_no_more(watch):
    rule = watch("delivery")
    rule(pulse(300, followers=[follower(lag=1, failing_since_ms=at(0))]))
    assert [alert.state for alert in rule(pulse(305, followers=[]))] == ["resolved"]


def test_an_ack_whose_time_comes_out_some_milliseconds_apart_is_the_same_ack(watch):
    rule = watch("delivery")
    late = [pulse(5 * n, followers=[follower(lag=1, last_ack_ms=at(0) + n % 3)]) for n in range(61)]
    assert len(rule(*late)) == 1
