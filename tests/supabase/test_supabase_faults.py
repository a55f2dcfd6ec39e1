"""Whatever fails on the way: afterwards the project holds everything once."""

from __future__ import annotations

import random
import threading
import time

import pytest

from hlmon import Settings, Transient
from hlmon.journal import Journal
from hlmon.testing.builders import (
    START_MS,
    STORED_BUILDERS,
    make_checkpoint,
    make_fill,
    make_gap,
    make_order,
    make_position,
)
from hlmon_supabase import client
from hlmon_supabase.sink import FACTORY, SupabaseConfig
from tests.servers.following import LongOutage, following, history, in_journal
from tests.servers.supabase_rows import stored_in

SETTINGS = Settings(name="supabase")


def opened(**config):
    return FACTORY.open(SupabaseConfig(**config), SETTINGS)


def answering(status, body=b"{}", *headers):
    return lambda exchange: exchange.answer(status, body, ("Content-Type", "application/json"), *headers)


def answered_but_lost(exchange):
    """The project did the work; the answer never arrives."""
    exchange.upstream()
    exchange.reset()


def half_an_answer(exchange):
    exchange.upstream()
    exchange.send_response(201)
    exchange.send_header("Content-Length", "1000")
    exchange.end_headers()
    exchange.wfile.write(b'[{"id":')
    exchange.close_connection = True


def slowly(exchange):
    time.sleep(0.2)
    exchange.pass_on()


def lost(exchange):
    exchange.reset()


@pytest.fixture
def project(plain_project):
    """Quick, and what the faults are about is on this side of the project."""
    plain_project.empty()
    return plain_project


@pytest.mark.parametrize("fault", [lost, answered_but_lost, half_an_answer])
def test_a_request_is_sent_once_and_its_repetition_completes_it(keys, project, fault):
    events = [build() for build in STORED_BUILDERS.values()]
    with opened() as sink:
        sent = len(keys.requests)
        keys.faults.append(fault)
        with pytest.raises(Transient):
            sink.write(events)
        assert keys.requests[sent:] == ["POST fills"]
        sink.write(events)
        sink.write(events)
    assert len(project.rows("fills")) == len(project.rows("alerts")) == 1


@pytest.mark.parametrize("fault", [lost, answering(503)])
def test_a_question_is_asked_once_too(keys, fault):
    with opened() as sink:
        sent = len(keys.requests)
        keys.faults.append(fault)
        with pytest.raises(Transient):
            sink.load_checkpoints()
        assert keys.requests[sent:] == ["GET checkpoints"]


def test_an_answer_that_takes_too_long_is_transient(keys, monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT_S", 0.05)
    with opened() as sink:
        keys.faults.append(slowly)
        with pytest.raises(Transient, match="in time"):
            sink.write([make_fill()])


def test_a_checkpoint_is_never_there_before_what_it_speaks_of(keys, project):
    events = [make_checkpoint(), *(build() for kind, build in STORED_BUILDERS.items() if kind != "checkpoint")]
    with opened() as sink:
        sent = len(keys.requests)
        sink.write(events)
        assert keys.requests[sent:][-1] == "POST checkpoints"
        project.empty()
        for tables in range(1, 12):
            keys.faults.extend([lambda exchange: exchange.pass_on()] * tables + [lost])
            with pytest.raises(Transient):
                sink.write(events)
            assert project.rows("checkpoints") == []


def test_after_any_faults_the_store_holds_everything_once(keys, project):
    chance = random.Random(7)
    kinds = [
        lost,
        answered_but_lost,
        half_an_answer,
        answering(503),
        answering(429),
        answering(401, b'{"message":"x"}'),
    ]
    with opened() as sink:
        written = []
        for _ in range(30):
            batch = [make_fill() for _ in range(20)] + [make_position(coin="BTC"), make_gap()]
            keys.faults.extend(chance.sample(kinds, 3))
            while True:
                try:
                    sink.write(batch)
                    break
                except Transient:
                    pass
            written += batch
        keys.faults.clear()
    assert {row["event_key"] for row in project.rows("fills")} == {
        event.key for event in written if event.kind == "fill"
    }
    assert len(project.rows("fills")) == 600
    assert [row["version"] for row in project.rows("positions")] == [
        max(e.version for e in written if e.kind == "position")
    ]


def test_two_monitors_at_once_leave_each_row_once_and_the_newest_state(keys, project):
    fills = [make_fill() for _ in range(200)]
    orders = [make_order(order_id=number, time_ms=START_MS + version) for version in range(20) for number in range(50)]

    def monitor(seed):
        chance = random.Random(seed)
        events = chance.sample(fills, len(fills))
        states = chance.sample(orders, len(orders))
        with opened() as sink:
            for start in range(0, 200, 20):
                part = sorted(states[start * 5 : start * 5 + 100], key=lambda order: order.version)
                newest = {event.name: event for event in part}
                sink.write([*events[start : start + 20], *newest.values()])

    monitors = [threading.Thread(target=monitor, args=(seed,)) for seed in (1, 2)]
    for thread in monitors:
        thread.start()
    for thread in monitors:
        thread.join()
    assert sorted(row["event_key"] for row in project.rows("fills")) == sorted(fill.key for fill in fills)
    assert {(row["order_id"], row["version"]) for row in project.rows("hl_orders")} == {
        (str(number), (START_MS + 19) * 4) for number in range(50)
    }


def test_a_table_with_another_column_is_at_fault_and_no_event_is_set_aside(keys, project, tmp_path):
    fills = [make_fill() for _ in range(96)]
    with Journal.open(tmp_path / "hlmon.db") as journal, opened() as sink:
        project.database.execute("ALTER TABLE fills ALTER COLUMN direction TYPE integer USING NULL")
        journal.append(fills)
        with following(journal, sink.write, max_batch=FACTORY.max_batch) as courier:
            courier.until(lambda: courier.follower.status().error)
            try:
                courier.until(lambda: len(keys.requests) > 40)
                status = courier.follower.status()
            finally:
                project.database.execute("ALTER TABLE fills ALTER COLUMN direction TYPE text")
            courier.deliver_all()
    assert "lacks: column fills.direction text" in status.error
    assert "hlmon supabase sql" in status.error
    assert courier.aside == []
    assert {row["event_key"] for row in project.rows("fills")} == {fill.key for fill in fills}


def test_a_statement_that_always_times_out_at_its_size_is_made_smaller_until_it_does_not(keys, project, tmp_path):
    fills = [make_fill() for _ in range(150)]
    project.database.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END $$"
    )
    project.database.execute("CREATE TRIGGER slow BEFORE INSERT ON fills FOR EACH ROW EXECUTE FUNCTION slow()")
    project.database.execute("ALTER DATABASE plain SET statement_timeout = '400ms'")
    try:
        with Journal.open(tmp_path / "hlmon.db") as journal, opened() as sink:
            journal.append(fills)
            said = set()

            def write(events):
                try:
                    sink.write(events)
                except Transient as error:
                    said.add(str(error))
                    raise

            with following(journal, write, max_batch=150) as courier:
                courier.deliver_all()
    finally:
        project.database.execute("ALTER DATABASE plain RESET statement_timeout")
        project.database.execute("DROP TRIGGER slow ON fills")
        project.database.execute("DROP FUNCTION slow")
    assert courier.aside == []
    assert any("57014" in text for text in said)
    assert {row["event_key"] for row in project.rows("fills")} == {fill.key for fill in fills}


def test_after_a_minute_of_outage_the_project_equals_the_journal(keys, project, tmp_path):
    with Journal.open(tmp_path / "hlmon.db") as journal, opened() as sink:
        journal.append(history(60))
        outage = LongOutage(keys.outage(), 60)
        with following(journal, sink.write, max_batch=FACTORY.max_batch, **outage.options()) as courier:
            courier.until(lambda: "cannot be reached" in courier.follower.status().error)
            journal.append(history(60))
            courier.deliver_all()
        assert {event.name: event for event in stored_in(project)} == in_journal(journal)
    assert courier.aside == []
    assert outage.now_s >= 60
    assert 5 < len(outage.attempts_at_s) < 20  # not once a second
