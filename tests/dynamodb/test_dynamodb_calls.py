"""Which calls the sink makes, and how few."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from hlmon import Transient
from hlmon.testing.builders import STORED_BUILDERS, make_checkpoint, make_fill, make_funding, make_order
from hlmon_dynamodb.sink import MAX_BATCH
from hlmon_dynamodb.tables import TABLE_OF

THROTTLED = "ProvisionedThroughputExceededException"


def test_facts_are_looked_up_a_hundred_and_written_25_at_a_time(case, sink):
    fills = [make_fill() for _ in range(MAX_BATCH)]
    sink.write(fills)
    assert case.proxy.operations() == ["BatchGetItem"] + ["BatchWriteItem"] * 4
    assert case.stored() == {fill.name: fill for fill in fills}


def test_known_facts_are_not_written_again(case, sink):
    fills = [make_fill() for _ in range(3)]
    sink.write(fills[:2])
    case.proxy.requests.clear()
    sink.write(fills)
    (_, look), (_, write) = case.proxy.requests
    assert [len(one["Keys"]) for one in look["RequestItems"].values()] == [3]
    assert [len(one) for one in write["RequestItems"].values()] == [1]


def test_a_checkpoint_is_written_after_everything_else_of_its_call(case, sink):
    sink.write([make_checkpoint(), make_order(), make_fill()])
    kinds = [content.get("Item", {}).get("kind", {}).get("S", "") for _, content in case.proxy.requests]
    assert kinds == ["", "", "order", "checkpoint"]


def test_no_checkpoint_is_written_when_something_before_it_failed(case, sink):
    case.proxy.harm("error", code=THROTTLED, operation="PutItem")
    with pytest.raises(Transient):
        sink.write([make_checkpoint(), make_order(), make_fill()])
    assert {kind for kind, *_ in case.stored()} == {"fill"}


def test_what_a_batch_left_undone_is_asked_for_again_while_it_makes_progress(case, sink):
    fills = [make_fill() for _ in range(20)] + [make_funding() for _ in range(5)]
    case.proxy.harm("unprocessed", keep=10)
    case.proxy.harm("unprocessed", keep=3)
    case.proxy.harms[0].operation = case.proxy.harms[1].operation = "BatchWriteItem"
    sink.write(fills)
    writes = [content["RequestItems"] for operation, content in case.proxy.requests if operation == "BatchWriteItem"]
    assert [sum(map(len, write.values())) for write in writes] == [10, 3, 12]  # as they were passed on
    assert case.stored() == {fill.name: fill for fill in fills}


def test_a_batch_of_which_nothing_was_done_is_transient_and_not_repeated(case, sink):
    case.proxy.harm("unprocessed", keep=0, operation="BatchWriteItem")
    with pytest.raises(Transient, match="asks for fewer requests"):
        sink.write([make_fill(), make_fill()])
    assert case.proxy.operations().count("BatchWriteItem") == 1


def test_the_units_that_each_kind_states_are_those_that_dynamodb_counts(case_of, dynamodb_local_proxy):
    case = case_of(dynamodb_local_proxy)
    with case.open() as sink:
        for kind, build in STORED_BUILDERS.items():
            event, units = build(payload="x" * 16_384) if kind == "quarantine" else build(), TABLE_OF[kind].kinds[kind]
            first = case.proxy.count_units()
            sink.write([event])
            assert (kind, first["BatchWriteItem"] + first["PutItem"]) == (kind, units.write)
            # AWS counts the look for an item that is not there as a read, DynamoDB Local only that for one that is.
            again = case.proxy.count_units()
            sink.write([event])
            assert (kind, again["BatchWriteItem"]) == (kind, 0)
            assert (kind, min(again["BatchGetItem"], 1)) == (kind, units.read)


def test_a_fact_that_comes_with_more_takes_the_place_of_the_first_and_the_first_never_comes_back(case, sink):
    told_first = make_fill(twap_id=None)
    completed = replace(told_first, twap_id=9001)
    for fills in ([told_first], [completed], [told_first], [completed]):
        sink.write(fills)
    assert case.stored() == {completed.name: completed}
