"""What the sink says when DynamoDB refuses: while it works, at opening, and about credentials."""

from __future__ import annotations

import pytest

from hlmon import ConfigError, Settings, Transient
from hlmon.testing.builders import make_fill, make_order
from hlmon_dynamodb.config import DynamodbConfig
from hlmon_dynamodb.sink import FACTORY

SETTINGS = Settings(name="aws")
THROTTLED = "ProvisionedThroughputExceededException"


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        (THROTTLED, 400, "asks for fewer requests"),
        ("ThrottlingException", 400, "asks for fewer requests"),
        ("RequestLimitExceeded", 400, "asks for fewer requests"),
        ("InternalServerError", 500, "is not available"),
        ("ServiceUnavailable", 503, "is not available"),
        ("SomethingNew", 502, "is not available"),
        ("ExpiredTokenException", 400, "credentials have expired"),
        ("UnrecognizedClientException", 400, "does not accept the credentials"),
        ("AccessDeniedException", 400, "access denied"),
        ("ResourceNotFoundException", 400, "hlmon dynamodb create-tables"),
        ("SomethingNew", 400, "SomethingNew: on purpose"),
    ],
)
@pytest.mark.parametrize("event", [make_fill(), make_order()], ids=["fact", "state"])
def test_a_failing_service_is_named_and_tried_again_once_per_call_at_most(case, sink, event, code, status, words):
    case.proxy.harm("error", code=code, status=status)
    with pytest.raises(Transient, match=words):
        sink.write([event])
    assert len(case.proxy.requests) == 1
    sink.write([event])
    assert case.stored() == {event.name: event}


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("AccessDeniedException", ConfigError, "access denied .* docs/dynamodb.md"),
        ("ResourceNotFoundException", ConfigError, "table is missing .*create-tables.*region"),
        ("UnrecognizedClientException", ConfigError, "does not accept the credentials"),
        ("ExpiredTokenException", ConfigError, "credentials have expired"),
        ("ValidationException", ConfigError, "other keys than hlmon's"),
        (THROTTLED, Transient, "asks for fewer requests"),
        ("InternalServerError", Transient, "is not available"),
    ],
)
def test_opening_says_what_is_to_be_put_right(case, code, error, words):
    case.proxy.harm("error", code=code, status=500 if code == "InternalServerError" else 400)
    with pytest.raises(error, match=words), case.open():
        pass


@pytest.mark.parametrize("operation", ["BatchGetItem", "BatchWriteItem", "PutItem", "Query"])
def test_opening_proves_each_permission_that_work_needs(case, operation):
    case.proxy.harm("error", code="AccessDeniedException", operation=operation)
    with pytest.raises(ConfigError, match="access denied"), case.open():
        pass


def test_opening_leaves_no_trace(case):
    with case.open() as sink:
        assert list(sink.load_checkpoints()) == []
    assert case.stored() == {}


def test_tables_with_other_keys_are_refused_at_opening(dynamodb, ministack_url):
    config = dynamodb.fresh(ministack_url)
    with dynamodb.raw_client(ministack_url) as client:
        name = f"{config.prefix}orders"
        client.delete_table(TableName=name)
        client.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
    with pytest.raises(ConfigError), FACTORY.open(config, SETTINGS):
        pass


def test_missing_credentials_are_named_at_opening(case, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigError, match="credentials"), case.open():
        pass


def test_a_missing_region_is_named_at_opening(case, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(ConfigError, match="region"), FACTORY.open(DynamodbConfig(), SETTINGS):
        pass


def test_expired_credentials_are_replaced_by_renewed_ones_without_a_restart(case, dynamodb, monkeypatch, tmp_path):
    def save(key: str) -> None:
        text = f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {dynamodb.secret_key}\n"
        (tmp_path / "credentials").write_text(text)

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    save("AKIAOLD")
    fill = make_fill()
    with case.open() as sink:
        case.proxy.expired_key = "AKIAOLD"
        for _ in range(2):
            with pytest.raises(Transient, match="expired"):
                sink.write([fill])
        save("AKIANEW")
        sink.write([fill])
    assert case.proxy.credentials[-1] == "AKIANEW"
    assert case.stored() == {fill.name: fill}
