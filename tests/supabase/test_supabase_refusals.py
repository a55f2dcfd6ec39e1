"""What the sink says when the project, its key, its schema or a row is bad."""

from __future__ import annotations

import base64
import json
from decimal import Decimal

import pytest

from hlmon import ConfigError, Permanent, Secret, Settings, Transient
from hlmon.testing.builders import make_fill, make_ledger, make_order, make_quarantined
from hlmon_supabase.client import check_key, checked_url
from hlmon_supabase.schema import schema_sql
from hlmon_supabase.sink import FACTORY, SupabaseConfig
from tests.servers.supabase import SERVICE_KEY

SETTINGS = Settings(name="supabase")


def opened(**config):
    return FACTORY.open(SupabaseConfig(**config), SETTINGS)


def answering(status, body=b"{}", *headers):
    return lambda exchange: exchange.answer(status, body, ("Content-Type", "application/json"), *headers)


def key_of_role(role):
    payload = base64.urlsafe_b64encode(json.dumps({"role": role}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{payload}.c2lnbmF0dXJl"


@pytest.fixture
def project(plain_project):
    """Quick, and what the faults are about is on this side of the project."""
    plain_project.empty()
    return plain_project


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (429, b'{"message":"slow down"}', r"429 \(slow down\)"),
        (500, b'{"code":"XX000","message":"oh"}', r"500 \(oh\)"),
        (502, b"<html>", "502"),
        (503, b'{"code":"PGRST001","message":"no connection"}', "503"),
        (521, b"", "521"),
        (544, b"", "544"),
        (540, b"", "paused; resume it in the dashboard"),
        (402, b'{"message":"exceed_db_size_quota"}', "restricts the project .exceed_db_size_quota"),
        (401, b'{"message":"JWT expired","code":"PGRST301"}', "does not accept the key .JWT expired"),
        (403, b'{"message":"permission denied for table fills","code":"42501"}', "may not do this"),
        (404, b'{"message":"no public.fills","code":"PGRST205"}', "hlmon supabase sql"),
        (400, b'{"message":"no column","code":"PGRST204"}', "hlmon supabase sql"),
        (400, b'{"message":"no unique","code":"42P10"}', "hlmon supabase sql"),
        (404, b"<html>", "is the URL that of the project's API"),
        (301, b"", "is the URL that of the project's API"),
        (400, b'{"message":"deadlock detected","code":"40P01"}', "deadlock"),
    ],
)
def test_what_is_no_fault_of_the_events_is_transient_and_said(keys, status, body, says):
    with opened() as sink:
        keys.faults.append(answering(status, body))
        with pytest.raises(Transient, match=says):
            sink.write([make_fill()])
        sink.write([make_fill()])


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"message":"invalid input syntax for type numeric","code":"22P02"}'),
        (400, b'{"message":"out of range","code":"22003"}'),
        (409, b'{"message":"violates","code":"23505","details":"Key (id)=(1)"}'),
        (400, b'{"message":"violates not-null","code":"23502"}'),
        (413, b'{"message":"index row size","code":"54000"}'),
        (413, b"<html>"),
        (400, b'{"message":"my rule","code":"P0001"}'),
    ],
)
def test_what_a_row_is_to_blame_for_is_permanent(keys, status, body):
    with opened() as sink:
        keys.faults.append(answering(status, body))
        with pytest.raises(Permanent):
            sink.write([make_fill()])


@pytest.mark.parametrize(("header", "seconds"), [("30", 30.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("", None)])
def test_the_wait_that_is_asked_for_is_passed_on(keys, header, seconds):
    with opened() as sink:
        keys.faults.append(answering(429, b"{}", ("Retry-After", header)))
        with pytest.raises(Transient) as caught:
            sink.write([make_fill()])
    assert caught.value.retry_after == seconds


def test_a_renewed_key_is_taken_up_without_a_restart(keys, project, tmp_path):
    key = tmp_path / "key"
    key.write_text(SERVICE_KEY)
    fill = make_fill()
    with opened(service_key=Secret(f"file:{key}")) as sink:
        sink.write([make_fill()])
        keys.faults.append(answering(401, b'{"message":"JWT expired"}'))
        with pytest.raises(Transient, match="JWT expired"):
            sink.write([fill])
        key.write_text("sb_secret_revoked")
        with pytest.raises(Transient, match="Invalid API key"):
            sink.write([fill])
        key.write_text("sb_publishable_by_mistake")
        with pytest.raises(Transient, match="is the anon key"):
            sink.write([fill])
        key.unlink()
        with pytest.raises(Transient, match="cannot be read"):
            sink.write([fill])
        key.write_text(SERVICE_KEY)
        sink.write([fill])
    assert len(project.rows("fills")) == 2


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_a_public_key_is_refused_before_anything_is_sent(keys, monkeypatch, role):
    monkeypatch.setenv("SUPABASE_SERVICE_KEY", key_of_role(role))
    with pytest.raises(ConfigError, match=f"is the {role} key, which may not write; use the secret key"), opened():
        pass
    assert keys.requests == []


@pytest.mark.parametrize("key", [SERVICE_KEY, key_of_role("service_role"), "a.b.c", "x", "", "..", "a.e30.c", "a.Ww.c"])
def test_other_keys_are_left_to_the_project_to_judge(key):
    check_key(key)


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("https://abc.supabase.co", "https://abc.supabase.co"),
        ("https://abc.supabase.co/", "https://abc.supabase.co"),
        ("https://abc.supabase.co/rest/v1/", "https://abc.supabase.co"),
        ("http://127.0.0.1:54321", "http://127.0.0.1:54321"),
    ],
)
def test_the_url_may_be_written_as_the_dashboard_shows_it(url, checked):
    assert checked_url(url) == checked


@pytest.mark.parametrize(
    "url", ["abc.supabase.co", "https://", "postgresql://u:p@db.abc.supabase.co/postgres", "https://u:p@x"]
)
def test_what_is_no_url_of_a_project_is_refused_without_repeating_it(url):
    with pytest.raises(ConfigError, match=r"must be the project's API URL") as caught:
        checked_url(url)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("DROP TABLE gaps", "lacks: .*gaps.*hlmon supabase sql"),
        ("DROP TRIGGER newest_wins ON positions", "lacks: trigger newest_wins on positions"),
        ("DROP FUNCTION hlmon_schema()", "schema of hlmon is missing or older.*hlmon supabase sql"),
        ("REVOKE INSERT ON fills FROM service_role", "right of the service key to write fills"),
    ],
)
def test_a_schema_that_is_not_whole_is_refused_at_the_start(keys, project, damage, says):
    project.database.execute(damage)
    try:
        with pytest.raises(ConfigError, match=says), opened():
            pass
    finally:
        project.database.execute(schema_sql())


def test_realtime_may_be_off(keys, project):
    project.database.execute("ALTER PUBLICATION supabase_realtime DROP TABLE alerts")
    try:
        with opened() as sink:
            sink.write([make_fill()])
    finally:
        project.database.execute("ALTER PUBLICATION supabase_realtime ADD TABLE alerts")


def test_a_row_that_the_database_refuses_is_permanent_and_the_others_go_on(keys, project):
    wrong = make_order(size=Decimal("NaN"), order_id=5)
    project.database.execute("ALTER TABLE hl_orders ADD CONSTRAINT real CHECK (size <> 'NaN')")
    try:
        with opened() as sink:
            with pytest.raises(Permanent, match="real"):
                sink.write([make_order(order_id=4), wrong])
            sink.write([make_order(order_id=4)])
    finally:
        project.database.execute("ALTER TABLE hl_orders DROP CONSTRAINT real")
    assert [row["order_id"] for row in project.rows("hl_orders")] == ["4"]


def test_the_one_character_that_postgresql_cannot_hold_is_shown_by_its_symbol(keys, project):
    garbage = make_quarantined(payload="a\0b", reason="\0")
    entry = make_ledger(details={"note\0": ["\0", {"deep": "\\u0000"}, 1, None]})
    with opened() as sink:
        sink.write([garbage, entry])
    assert [(row["payload"], row["reason"]) for row in project.rows("quarantine")] == [("a␀b", "␀")]
    assert [row["details"] for row in project.rows("ledger")] == [{"note␀": ["␀", {"deep": "\\u0000"}, 1, None]}]


def test_more_checkpoints_than_the_project_gives_at_once_are_read_in_pages(keys, project):
    project.database.execute(
        "INSERT INTO checkpoints (account_address, stream, complete_to, version) "
        "SELECT 'a' || n, 'userFills', '2026-01-01T00:00:00.001Z', 1 FROM generate_series(1, 2500) AS n"
    )
    with opened() as sink:
        found = list(sink.load_checkpoints())
    assert len({checkpoint.account for checkpoint in found}) == len(found) == 2500
    assert {checkpoint.time_ms for checkpoint in found} == {1_767_225_600_001}
