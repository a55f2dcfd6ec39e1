import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from hlmon.contract import Settings
from hlmon.errors import ConfigError
from hlmon.events import Checkpoint, Event, Fill, Gap, MarketTrades, OpenOrders, Quarantined
from hlmon.hyperliquid.decode import quarantined
from hlmon.sources.replay import FACTORY, LINES_PER_STEP, Replay, ReplayConfig
from hlmon.testing.builders import ALICE, BOB, make_cvd

GREETING = "Websocket connection established."


class Collected:
    """An ingest that keeps everything."""

    def __init__(self, *held: Event) -> None:
        self.events: list[Event] = []
        self.held = held

    def __call__(self, events) -> int:
        before = len(self.events)
        self.events.extend(events)
        return len(self.events) - before

    def states(self, kind: str) -> list[Event]:
        return [event for event in self.held if event.kind == kind]

    def of(self, kind: type[Event]) -> list:
        return [event for event in self.events if isinstance(event, kind)]


BEGIN_MS = 1_796_000_000_000  # times are told from here


def fill_row(time_ms: int, **changes) -> dict:
    row = {
        "coin": "BTC", "px": "100.5", "sz": "1.0", "side": "B", "time": BEGIN_MS + time_ms, "startPosition": "0.0",
        "dir": "Open Long", "closedPnl": "0.0", "hash": "0x" + "0" * 64, "oid": time_ms, "crossed": True, "fee": "0.1",
        "tid": time_ms, "feeToken": "USDC", "twapId": None,
    }  # fmt: skip
    return row | changes


def fills_frame(*times_ms: int, user: str = ALICE, is_snapshot: bool = False) -> str:
    data = {"user": user, "fills": [fill_row(time_ms) for time_ms in times_ms]}
    return json.dumps({"channel": "userFills", "data": data | ({"isSnapshot": True} if is_snapshot else {})})


def trades_frame(*times_ms: int) -> str:
    rows = [
        {"coin": "BTC", "side": "A", "px": "100", "sz": "2", "time": BEGIN_MS + time_ms, "hash": "0x0", "tid": time_ms}
        for time_ms in times_ms
    ]
    return json.dumps({"channel": "trades", "data": rows})


def open_orders_frame(*order_ids: int) -> str:
    order = {
        "coin": "BTC", "side": "B", "limitPx": "100.0", "sz": "1.0", "timestamp": BEGIN_MS, "triggerCondition": "N/A",
        "isTrigger": False, "triggerPx": "0.0", "children": [], "isPositionTpsl": False, "reduceOnly": False,
        "orderType": "Limit", "origSz": "1.0", "tif": "Gtc", "cloid": None,
    }  # fmt: skip
    orders = [order | {"oid": order_id} for order_id in order_ids]
    return json.dumps({"channel": "openOrders", "data": {"dex": "", "user": ALICE, "orders": orders}})


def ack(**subscription: str) -> str:
    return json.dumps(
        {"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": subscription}}
    )


def replayed(tmp_path: Path, *lines: str, accounts=(), held=()) -> tuple[Replay, Collected]:
    file = tmp_path / "frames.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines))
    replay, ingest = Replay([file], accounts), Collected(*held)
    for _ in replay.steps(ingest):
        pass
    return replay, ingest


def counted_ms(ingest: Collected) -> list[int]:
    return [trade.time_ms - BEGIN_MS for event in ingest.of(MarketTrades) for trade in event.trades]


def test_recorded_frames_become_the_events_of_live_ones(tmp_path: Path):
    replay, ingest = replayed(tmp_path, GREETING, fills_frame(1, 2), '{"channel":"pong"}')
    assert [(fill.account, fill.time_ms - BEGIN_MS) for fill in ingest.of(Fill)] == [(ALICE, 1), (ALICE, 2)]
    assert (replay.tally.lines, replay.tally.read["fill"]) == (3, 2)


def test_a_channel_that_is_not_used_is_counted_by_its_name(tmp_path: Path):
    replay, _ = replayed(tmp_path, '{"channel":"candle","data":{}}', '{"channel":"error","data":"Invalid"}')
    assert replay.tally.ignored == {"candle": 1, "error": 1}


def test_a_line_that_is_not_understood_goes_to_quarantine_and_the_rest_goes_on(tmp_path: Path):
    replay, ingest = replayed(tmp_path, fills_frame(7), "no frame at all", fills_frame(8))
    (kept,) = ingest.of(Quarantined)
    assert (kept.origin, kept.payload, kept.time_ms - BEGIN_MS, replay.tally.quarantined) == (
        "wire",
        "no frame at all",
        7,
        1,
    )
    assert len(ingest.of(Fill)) == 2


def test_a_line_is_quarantined_as_the_live_feed_does_it(tmp_path: Path):
    _, ingest = replayed(tmp_path, fills_frame(7), "no frame")
    (kept,) = ingest.of(Quarantined)
    assert kept == quarantined(b"no frame", kept.reason, time_ms=BEGIN_MS + 7)


def test_quarantine_has_the_same_name_when_the_file_is_replayed_again(tmp_path: Path):
    names = [replayed(tmp_path, fills_frame(7), "no frame")[1].of(Quarantined)[0].name for _ in range(2)]
    assert names[0] == names[1]


def test_blank_lines_are_no_lines(tmp_path: Path):
    assert replayed(tmp_path, "", fills_frame(1), " ")[0].tally.lines == 1


def test_only_the_accounts_asked_for_are_taken_whatever_the_case_of_their_letters(tmp_path: Path):
    frames = (fills_frame(1), fills_frame(2, user=BOB))
    replay, ingest = replayed(tmp_path, *frames, accounts=[ALICE.upper().replace("X", "x")])
    assert {fill.account for fill in ingest.of(Fill)} == {ALICE}
    assert replay.tally.others == 1


def test_market_trades_are_taken_whatever_accounts_are_asked_for(tmp_path: Path):
    assert counted_ms(replayed(tmp_path, trades_frame(5), accounts=[BOB])[1]) == [5]


def test_after_an_acknowledgement_the_first_trades_are_the_exchanges_repetition(tmp_path: Path):
    _, ingest = replayed(tmp_path, ack(type="trades", coin="BTC"), trades_frame(1, 2), trades_frame(3))
    assert counted_ms(ingest) == [3]


def test_without_an_acknowledgement_every_trade_counts(tmp_path: Path):
    _, ingest = replayed(tmp_path, ack(type="trades", coin="ETH"), trades_frame(1, 2), trades_frame(3))
    assert counted_ms(ingest) == [1, 2, 3]


def test_trades_that_the_journals_cvd_has_already_are_not_counted_again(tmp_path: Path):
    _, ingest = replayed(
        tmp_path, trades_frame(1, 2), trades_frame(2, 3), held=[make_cvd(coin="BTC", time_ms=BEGIN_MS + 2)]
    )
    assert counted_ms(ingest) == [3]


def test_lists_of_open_orders_have_the_times_of_the_frames_before_them_each_later_than_the_last(tmp_path: Path):
    lines = (open_orders_frame(), fills_frame(10), open_orders_frame(1), open_orders_frame(1, 2), fills_frame(20))
    _, ingest = replayed(tmp_path, *lines)
    lists = [(event.time_ms - BEGIN_MS, len(event.orders)) for event in ingest.of(OpenOrders)]
    assert lists == [(10, 0), (11, 1), (12, 2)]


def test_lists_of_open_orders_that_the_journal_had_already_say_nothing_when_they_are_replayed_again(tmp_path: Path):
    first = (fills_frame(10), open_orders_frame(1), open_orders_frame(1, 2))
    _, ingest = replayed(tmp_path, *first)
    kept = ingest.of(Checkpoint)
    _, again = replayed(tmp_path, *first, held=kept)
    assert (again.of(OpenOrders), again.of(Checkpoint)) == ([], kept)
    _, longer = replayed(tmp_path, *first, fills_frame(20), open_orders_frame(3), held=kept)
    assert [event.time_ms - BEGIN_MS for event in longer.of(OpenOrders)] == [20]


def test_a_new_connection_in_the_recording_is_a_gap_of_the_trades_it_had(tmp_path: Path):
    first = (GREETING, ack(type="trades", coin="BTC"), trades_frame(10), trades_frame(20))
    second = (GREETING, ack(type="trades", coin="BTC"), trades_frame(15, 50), trades_frame(60))
    _, ingest = replayed(tmp_path, *first, *second)
    gaps = ingest.of(Gap)
    assert [(gap.stream, gap.start_ms, gap.end_ms) for gap in gaps] == [
        ("trades:BTC", BEGIN_MS + 20, None),
        ("trades:BTC", BEGIN_MS + 20, BEGIN_MS + 50),
    ]
    assert counted_ms(ingest) == [20, 60]


def test_a_snapshot_that_does_not_reach_back_over_a_lost_connection_is_a_gap(tmp_path: Path):
    lines = (GREETING, fills_frame(10), GREETING, fills_frame(30, 40, is_snapshot=True), fills_frame(50))
    (gap,) = replayed(tmp_path, *lines)[1].of(Gap)
    assert (gap.account, gap.stream, gap.healed) == (ALICE, "userFills", False)
    assert (gap.start_ms, gap.end_ms) == (BEGIN_MS + 10, BEGIN_MS + 30)


@pytest.mark.parametrize(
    "lines",
    [
        (GREETING, fills_frame(10), GREETING, fills_frame(10, 40, is_snapshot=True)),
        (GREETING, fills_frame(30, 40, is_snapshot=True)),
        (fills_frame(10), fills_frame(30, is_snapshot=True)),
        (GREETING, fills_frame(10), GREETING, fills_frame(30, user=BOB, is_snapshot=True)),
        (GREETING, fills_frame(10), GREETING, fills_frame(10, is_snapshot=True), fills_frame(30, is_snapshot=True)),
    ],
)
def test_a_snapshot_that_reaches_back_or_has_nothing_before_it_is_no_gap(tmp_path: Path, lines: tuple[str, ...]):
    assert replayed(tmp_path, *lines)[1].of(Gap) == []


def test_steps_say_how_many_bytes_were_read(tmp_path: Path):
    file = tmp_path / "frames.jsonl"
    file.write_text('{"channel":"pong"}\n' * (LINES_PER_STEP + 1))
    assert list(Replay([file, file]).steps(Collected())) == [19 * LINES_PER_STEP, 19] * 2


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"gone\.jsonl: cannot be read"):
        list(Replay([tmp_path / "gone.jsonl"]).steps(Collected()))


def test_as_a_source_it_runs_to_the_end_of_its_files_for_the_configured_accounts(tmp_path: Path):
    file = tmp_path / "frames.jsonl"
    file.write_text(f"{fills_frame(1)}\n{fills_frame(2, user=BOB)}\n")
    config = msgspec.convert({"files": [str(file)]}, FACTORY.config)
    ingest = Collected()
    with FACTORY.open(config, Settings(name="old", accounts={BOB: "bob"})) as source:
        asyncio.run(source.run(ingest))
    assert [fill.account for fill in ingest.of(Fill)] == [BOB]


def test_opening_it_with_a_file_that_is_missing_names_the_place_in_the_config(tmp_path: Path):
    config = ReplayConfig(files=(str(tmp_path / "gone"),))
    with pytest.raises(ConfigError, match=r"gone: cannot be read: No such file"):
        FACTORY.open(config, Settings(name="old"))
