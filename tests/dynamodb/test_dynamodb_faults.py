"""Whatever fails on the way, over real sockets: afterwards the store equals the journal."""

from __future__ import annotations

import json
import random
import threading
import urllib.request
from itertools import pairwise

import pytest

from hlmon import Permanent, Settings, Transient
from hlmon.delivery import full_jitter
from hlmon.journal import Journal
from hlmon.testing.builders import ALICE, make_alert, make_checkpoint, make_fill, make_order, make_position
from hlmon_dynamodb.config import DynamodbConfig
from hlmon_dynamodb.create import create_tables
from hlmon_dynamodb.sink import FACTORY, MAX_BATCH
from tests.servers.dynamodb import PROGRAMS
from tests.servers.following import LongOutage, following, history, in_journal
from tests.servers.process import free_port, running

SETTINGS = Settings(name="aws")
THROTTLED = "ProvisionedThroughputExceededException"


def followed(journal, sink, **options):
    return following(journal, sink.write, max_batch=MAX_BATCH, **options)


@pytest.mark.parametrize("harm", ["reset", "half", "lose the answer"])
@pytest.mark.parametrize("operation", ["BatchGetItem", "BatchWriteItem", "PutItem"])
def test_a_broken_connection_is_transient_and_its_repetition_stores_everything_once(case, sink, harm, operation):
    events = [make_fill(), make_order(), make_checkpoint()]
    case.proxy.harm(harm, operation=operation)
    with pytest.raises(Transient, match="cannot be reached"):
        sink.write(events)
    assert case.proxy.operations()[-1] == operation
    sink.write(events)
    assert case.stored() == {event.name: event for event in events}


def test_an_item_that_dynamodb_refuses_stands_aside_and_the_others_are_stored(case, sink, tmp_path):
    good, bad = [make_fill() for _ in range(9)], make_alert(subject="x" * 2_000)  # a key may have 1,024 bytes
    with pytest.raises(Permanent, match="refuses the item"):
        sink.write([bad])
    with Journal.open(tmp_path / "hlmon.db") as journal:
        journal.append([*good[:4], bad, *good[4:]])
        with followed(journal, sink) as courier:
            courier.deliver_all()
    assert [one.reason.split(":")[0] for one in courier.aside] == ["Permanent"]
    assert case.stored() == {fill.name: fill for fill in good}


def test_after_a_minute_of_outage_the_store_equals_the_journal(case, sink, tmp_path):
    with Journal.open(tmp_path / "hlmon.db") as journal:
        journal.append(history(60))
        outage = LongOutage(case.proxy.outage(), 60)
        with followed(journal, sink, **outage.options()) as courier:
            courier.until(lambda: "cannot be reached" in courier.follower.status().error)
            journal.append(history(60))
            courier.deliver_all()
        assert case.stored() == in_journal(journal)
    assert courier.aside == []
    assert outage.now_s >= 60
    assert 5 < len(outage.attempts_at_s) < 20  # not once a second


def test_throttling_resets_and_half_answers_at_random_leave_the_store_equal_to_the_journal(case, sink, tmp_path):
    chance = random.Random(3)
    for _ in range(25):
        does = chance.choice(["error", "reset", "half", "lose the answer", "unprocessed"])
        details = {"error": {"code": THROTTLED}, "unprocessed": {"keep": 3, "operation": "BatchWriteItem"}}
        case.proxy.harm(does, **details.get(does, {"operation": chance.choice(["", "PutItem", "BatchWriteItem"])}))
    with Journal.open(tmp_path / "hlmon.db") as journal:
        journal.append(history(300))
        with followed(journal, sink) as courier:
            courier.deliver_all()
        assert case.stored() == in_journal(journal)
    assert (courier.aside, sum(harm.times for harm in case.proxy.harms if harm.operation != "unprocessed")) == ([], 0)


def test_at_one_write_unit_a_second_no_unit_is_spent_twice_and_the_cursor_moves_all_the_time(case, sink, tmp_path):
    cursors = []

    def wait(event, seconds):
        case.proxy.write_units += seconds
        cursors.append(journal.cursor("sink.store"))
        return event.is_set()

    with Journal.open(tmp_path / "hlmon.db") as journal:
        journal.append([*history(150), *(make_order() for _ in range(50))])
        case.proxy.write_units = 0.0
        backoff = full_jitter(random.Random(1).random)
        with followed(journal, sink, backoff=backoff, wait=wait, clock_ms=lambda: 0) as courier:
            courier.deliver_all()
        stored = in_journal(journal)
        assert case.stored() == stored
    assert (courier.aside, case.proxy.units_written) == ([], len(stored))
    assert len([1 for a, b in pairwise(cursors) if b > a]) >= 4, cursors


def test_a_table_that_got_other_keys_is_at_fault_and_no_event_is_set_aside(dynamodb, ministack_url, tmp_path):
    config = dynamodb.fresh(ministack_url)
    fills, orders = [make_fill() for _ in range(96)], [make_order() for _ in range(5)]
    with Journal.open(tmp_path / "hlmon.db") as journal, FACTORY.open(config, SETTINGS) as sink:
        for name in ("fills", "orders"):
            replaced(dynamodb, config, config.prefix + name)
        journal.append([*fills, *orders])
        with followed(journal, sink) as courier:
            courier.until(lambda: "has other keys than hlmon's" in courier.follower.status().error)
            attempts = threading.Event()
            attempts.wait(0.5)
            assert courier.aside == []
            assert "hlmon dynamodb create-tables" in courier.follower.status().error
            with dynamodb.raw_client(ministack_url) as client:
                for name in ("fills", "orders"):
                    client.delete_table(TableName=config.prefix + name)
            list(create_tables(config))
            courier.deliver_all()
    assert courier.aside == []
    assert {event.name for event in dynamodb.stored_in(ministack_url, config.prefix)} == {
        event.name for event in [*fills, *orders]
    }


def replaced(dynamodb, config, name):
    """A table of this name with other keys takes its place."""
    with dynamodb.raw_client(config.endpoint_url) as client:
        client.delete_table(TableName=name)
        client.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )


def test_two_monitors_at_once_leave_what_one_would_leave(case, tmp_path):
    events = history(120)
    orders = [make_order(order_id=7, time_ms=1_760_000_000_000 + step, remaining=step) for step in range(20)]
    positions = [make_position(coin="BTC", account=ALICE, time_ms=1_760_000_000_000 + step) for step in range(20)]

    def monitor(seed: int) -> None:
        chance = random.Random(seed)
        told = [*events, *orders, *positions]
        chance.shuffle(told)
        with case.open() as sink:
            while told:
                # A journal gives of each state the newest that it knows.
                batch = sorted((told.pop() for _ in range(min(30, len(told)))), key=lambda event: event.time_ms)
                sink.write(list({event.name: event for event in batch}.values()))

    threads = [threading.Thread(target=monitor, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Journal.open(tmp_path / "hlmon.db") as journal:
        journal.append([*events, *orders, *positions])
        assert case.stored() == in_journal(journal)


def test_through_a_storm_of_real_shaped_aws_faults_the_store_equals_the_journal(case, dynamodb, tmp_path):
    storm = [
        {"service": "dynamodb", "probability": 0.3, "times": 30, "error": {"code": THROTTLED}},
        {"service": "dynamodb", "probability": 0.2, "times": 10, "reset": True},
        {"service": "dynamodb", "probability": 0.2, "times": 10, "response": {"abort_frac": 0.3}},
        {"service": "dynamodb", "probability": 0.3, "times": 20, "latency": {"min": 5, "max": 30}},
    ]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(PROGRAMS / "microburst"), "--upstream", case.direct.endpoint_url, "--port", str(port)]
    config = DynamodbConfig(prefix=case.config.prefix, region="us-east-1", endpoint_url=url)
    with running(command, f"{url}/_microburst/rules", tmp_path), FACTORY.open(config, SETTINGS) as sink:
        microburst(f"{url}/_microburst/rules", "PATCH", storm)
        with Journal.open(tmp_path / "hlmon.db") as journal:
            journal.append(history(80))
            with followed(journal, sink) as courier:
                courier.deliver_all()
            assert case.stored() == in_journal(journal)
        fired = {one["action"].partition(":")[0] for one in microburst(f"{url}/_microburst/fired")}
    assert courier.aside == []
    assert {"error", "reset"} <= fired


def microburst(url: str, method: str = "GET", content: object = None) -> list:
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)
