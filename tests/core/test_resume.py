"""Reading a hole back, case by case."""

from decimal import Decimal

import pytest

from hlmon.events import Fill, Funding, Gap, Order
from hlmon.hyperliquid.resume import Resume, covers

ME = "0x" + "a" * 40
CHECKPOINT = 1_000_000


def fill(time_ms, trade_id, **changes):
    fields = {"coin": "BTC", "side": "buy", "price": Decimal(1), "size": Decimal(1)} | changes
    return Fill(account=ME, time_ms=time_ms, trade_id=trade_id, **fields)


def resume(checkpoint_ms=CHECKPOINT, stream="userFills", **changes):
    return Resume(stream, ME, checkpoint_ms, **changes)


def start_of(reading):
    return reading.request()["startTime"]


def spans(reading):
    return [(gap.start_ms, gap.end_ms) for gap in reading.gaps]


def test_the_first_page_begins_a_minute_before_the_checkpoint():
    assert resume().request() == {"type": "userFillsByTime", "user": ME, "startTime": CHECKPOINT - 60_000}


def test_a_checkpoint_in_the_first_minute_begins_at_0():
    assert start_of(resume(5)) == 0


def test_an_account_that_never_rests_is_read_until_its_rows_come_live():
    reading = resume()
    reading.feed([fill(CHECKPOINT + 1, 1), fill(CHECKPOINT + 2, 2)])
    reading.until_ms = CHECKPOINT + 5
    page = [fill(CHECKPOINT + 2, 2), fill(CHECKPOINT + 6, 3), fill(CHECKPOINT + 7, 4)]
    assert [event.trade_id for event in reading.feed(page)] == [2, 3]
    assert (reading.request(), reading.gaps, reading.complete_until_ms) == (None, (), CHECKPOINT + 6)


def test_an_answer_that_only_touches_the_live_rows_or_is_full_is_not_the_last():
    reading = resume(until_ms=CHECKPOINT + 5, shortest_full_page=2)
    reading.feed([fill(CHECKPOINT + 5, 1)])
    assert start_of(reading) == CHECKPOINT + 5
    reading.feed([fill(CHECKPOINT + 5, 1), fill(CHECKPOINT + 6, 2)])
    assert start_of(reading) == CHECKPOINT + 6


def test_the_whole_history_begins_at_0_and_is_no_gap():
    reading = resume(None, horizon=1)
    assert start_of(reading) == 0
    rows = [fill(500, 1), fill(600, 2)]
    assert reading.feed(rows) + reading.feed(rows[1:]) == rows
    assert reading.request() is None
    assert reading.gaps == ()


def test_an_empty_answer_ends_at_the_checkpoint():
    reading = resume()
    assert reading.feed([]) == []
    assert (reading.request(), reading.gaps, reading.complete_until_ms) == (None, (), CHECKPOINT)


def test_a_question_that_failed_is_the_same_again():
    reading = resume()
    assert reading.request() == reading.request()


def test_a_page_ends_inside_a_millisecond():
    reading = resume()
    first = [fill(CHECKPOINT + 1, 1), fill(CHECKPOINT + 2, 2)]
    whole = [fill(CHECKPOINT + 2, 2), fill(CHECKPOINT + 2, 3), fill(CHECKPOINT + 9, 4)]
    assert [event.trade_id for event in reading.feed(first)] == [1]
    assert reading.complete_until_ms == CHECKPOINT + 1
    assert start_of(reading) == CHECKPOINT + 2
    assert [event.trade_id for event in reading.feed(whole)] == [2, 3]
    assert [event.trade_id for event in reading.feed(whole[2:])] == [4]
    assert (reading.request(), reading.gaps, reading.complete_until_ms) == (None, (), CHECKPOINT + 9)


def test_a_self_trade_cut_by_the_end_of_a_page_is_handed_out_as_a_pair():
    reading = resume()
    alone = fill(CHECKPOINT + 2, 7, is_position_close=True)
    assert reading.feed([fill(CHECKPOINT + 1, 1), alone])[-1].trade_id == 1
    both = [fill(CHECKPOINT + 2, 7, side=side, self_trade=True) for side in ("buy", "sell")]
    assert reading.feed(both) == []
    assert reading.feed(both) == both


def test_a_whole_page_of_one_millisecond_is_passed_and_stated_as_a_gap_if_more_follows():
    reading = resume(shortest_full_page=2)
    crowd = [fill(CHECKPOINT + 5, 1), fill(CHECKPOINT + 5, 2)]
    last = fill(CHECKPOINT + 8, 3)
    assert reading.feed(crowd) == []
    assert start_of(reading) == CHECKPOINT + 5
    assert reading.feed(crowd) == crowd
    assert start_of(reading) == CHECKPOINT + 6
    assert reading.feed([last]) == []
    assert reading.feed([last]) == [last]
    assert reading.request() is None
    assert spans(reading) == [(CHECKPOINT + 5, CHECKPOINT + 5)]


def test_a_page_of_one_millisecond_as_long_as_a_limit_of_the_exchange_is_a_gap_even_if_nothing_follows():
    reading = resume(shortest_full_page=2, shortest_limit=2)
    crowd = [fill(CHECKPOINT + 5, 1), fill(CHECKPOINT + 5, 2)]
    assert reading.feed(crowd) + reading.feed(crowd) + reading.feed([]) == crowd
    assert (reading.request(), spans(reading)) == (None, [(CHECKPOINT + 5, CHECKPOINT + 5)])


def test_rows_that_could_not_be_read_make_a_page_full_like_others():
    reading = resume(until_ms=CHECKPOINT, shortest_full_page=3)
    rows = [fill(CHECKPOINT + 5, 1), fill(CHECKPOINT + 6, 2)]
    assert reading.feed(rows, unread=1) == rows[:1]
    assert start_of(reading) == CHECKPOINT + 6  # though a row came that is later than what is asked for


def test_a_full_page_without_a_row_that_can_be_read_ends_the_reading_with_a_gap():
    reading = resume(until_ms=CHECKPOINT + 9, shortest_full_page=2)
    assert reading.feed([], unread=2) == []
    assert (reading.request(), spans(reading)) == (None, [(CHECKPOINT, CHECKPOINT + 9)])


def test_a_whole_page_of_one_millisecond_shorter_than_any_limit_is_complete_if_nothing_follows():
    reading = resume(shortest_full_page=2)
    crowd = [fill(CHECKPOINT + 5, 1), fill(CHECKPOINT + 5, 2)]
    assert reading.feed(crowd) + reading.feed(crowd) + reading.feed([]) == crowd
    assert (reading.request(), reading.gaps) == (None, ())


def test_a_page_of_one_millisecond_that_is_shorter_than_another_was_not_cut():
    reading = resume(shortest_full_page=1)
    crowd = [fill(CHECKPOINT + 5, 1), fill(CHECKPOINT + 5, 2)]
    rest = [fill(CHECKPOINT + 6, 3), fill(CHECKPOINT + 7, 4), fill(CHECKPOINT + 8, 5)]
    reading.feed(crowd)
    reading.feed(crowd)
    reading.feed(rest)
    reading.feed(rest[2:])
    assert (reading.request(), reading.gaps) == (None, ())


def test_a_short_last_answer_needs_no_further_question():
    reading = resume()
    only = fill(CHECKPOINT + 5, 1)
    assert reading.feed([only]) + reading.feed([only]) == [only]
    assert reading.request() is None


def test_as_many_fills_as_the_exchange_keeps_and_none_before_the_checkpoint_is_a_gap():
    reading = resume(horizon=3)
    rows = [fill(CHECKPOINT + 50 + number, number) for number in (1, 2, 3)]
    reading.feed(rows)
    reading.feed(rows[2:])
    assert reading.gaps == (
        Gap(
            account=ME,
            stream="userFills",
            start_ms=CHECKPOINT,
            end_ms=CHECKPOINT + 51,
            time_ms=CHECKPOINT + 53,
            reason="out of the exchange's reach",
        ),
    )


@pytest.mark.parametrize(
    ("oldest_ms", "horizon", "stream"),
    [
        (CHECKPOINT + 51, 4, "userFills"),  # fewer rows than the exchange keeps
        (CHECKPOINT - 1, 3, "userFills"),  # the overlap came back
        (CHECKPOINT, 3, "userFills"),
        (CHECKPOINT + 51, 3, "userFundings"),  # has no such limit
    ],
)
def test_there_is_no_gap_while_everything_since_the_checkpoint_is_in_reach(oldest_ms, horizon, stream):
    reading = resume(stream=stream, horizon=horizon)
    rows = [fill(oldest_ms, 1), fill(CHECKPOINT + 60, 2), fill(CHECKPOINT + 61, 3)]
    reading.feed(rows)
    reading.feed(rows[2:])
    assert (reading.request(), reading.gaps) == (None, ())


def test_a_known_row_that_does_not_come_back_shows_a_gap_whatever_the_number_of_rows():
    reading = resume(known_ms=CHECKPOINT - 90_000)
    assert start_of(reading) == CHECKPOINT - 90_000
    reading.feed([fill(CHECKPOINT + 51, 1)])
    assert spans(reading) == [(CHECKPOINT, CHECKPOINT + 51)]


def test_a_known_row_that_comes_back_shows_that_nothing_is_missing():
    reading = resume(known_ms=CHECKPOINT - 90_000, horizon=2)
    rows = [fill(CHECKPOINT - 90_000, 1), fill(CHECKPOINT + 51, 2)]
    assert reading.feed(rows) + reading.feed(rows[1:]) == rows
    assert (reading.request(), reading.gaps) == (None, ())


def test_rows_that_leave_the_exchanges_reach_while_reading_are_a_gap_and_nothing_held_is_lost():
    reading = resume()
    first, later = [fill(CHECKPOINT + 1, 1), fill(CHECKPOINT + 2, 2)], [fill(CHECKPOINT + 30, 9)]
    given = reading.feed(first) + reading.feed(later) + reading.feed(later)
    assert [event.trade_id for event in given] == [1, 2, 9]
    assert spans(reading) == [(CHECKPOINT + 1, CHECKPOINT + 30)]


def test_rows_that_leave_the_exchanges_reach_inside_a_millisecond_are_a_gap():
    reading = resume()
    reading.feed([fill(CHECKPOINT + 1, 1), fill(CHECKPOINT + 2, 2)])
    reading.feed([fill(CHECKPOINT + 2, 9)])
    assert spans(reading) == [(CHECKPOINT + 1, CHECKPOINT + 2)]


def test_rows_before_the_asked_time_are_not_handed_out_twice():
    reading = resume()
    rows = [fill(CHECKPOINT + 1, 1), fill(CHECKPOINT + 2, 2)]
    assert reading.feed(rows) + reading.feed(rows) == rows
    assert reading.request() is None


def test_other_streams_are_read_by_the_same_rules():
    reading = resume(stream="userFundings")
    paid = [
        Funding(account=ME, time_ms=CHECKPOINT + 1, coin=coin, amount=Decimal(1), size=Decimal(1), rate=Decimal(0))
        for coin in ("BTC", "ETH")
    ]
    assert reading.request()["type"] == "userFunding"
    assert reading.feed(paid) + reading.feed(paid) == paid


def order(time_ms, order_id):
    one = Decimal(1)
    return Order(
        account=ME,
        time_ms=time_ms,
        order_id=order_id,
        coin="BTC",
        side="buy",
        size=one,
        remaining=one,
        price=one,
        status="open",
        created_ms=time_ms,
    )


@pytest.mark.parametrize(
    ("number", "oldest_ms", "expected"),
    [
        (3, CHECKPOINT + 5, []),
        (2000, CHECKPOINT, []),
        (2000, CHECKPOINT + 5, [(CHECKPOINT, CHECKPOINT + 5)]),
    ],
)
def test_orders_are_one_answer_and_a_gap_if_it_is_full_and_begins_late(number, oldest_ms, expected):
    reading = resume(stream="userHistoricalOrders")
    orders = [order(oldest_ms + index, index) for index in range(number)]
    assert reading.request() == {"type": "historicalOrders", "user": ME}
    assert reading.feed(orders) == orders
    assert (reading.request(), spans(reading)) == (None, expected)
    assert reading.complete_until_ms == orders[-1].time_ms


@pytest.mark.parametrize(
    ("oldest_ms", "checkpoint_ms", "expected"),
    [
        (CHECKPOINT - 60_001, CHECKPOINT, True),
        (CHECKPOINT - 60_000, CHECKPOINT, False),  # it may begin inside that millisecond
        (None, CHECKPOINT, False),
        (5, None, False),
    ],
)
def test_a_snapshot_covers_a_hole_if_it_begins_before_the_overlap(oldest_ms, checkpoint_ms, expected):
    assert covers(oldest_ms, checkpoint_ms) is expected
