"""A secret never reaches an error, a log, a repr or JSON."""

from __future__ import annotations

import copy
import html
import io
import json
import logging
import pickle
import re
import traceback
from urllib.parse import quote, quote_plus

import msgspec
import pytest

from hlmon import ConfigError, Secret, redaction
from hlmon.config import PartTable
from hlmon.contract import SinkFactory
from hlmon.errors import text_of
from hlmon.parts import part_config
from hlmon.problems import Document
from hlmon.redaction import redact
from hlmon.telemetry import configure_logging

pytestmark = pytest.mark.usefixtures("nothing_revealed_before")
VALUE = 'hunter2-"quoted"\\slash'


class DatabaseConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: Secret
    others: tuple[Secret, ...] = ()
    fallback: Secret | None = None


FACTORY = SinkFactory(name="database", config=DatabaseConfig, open=lambda config, settings: None)


def config_of(**fields) -> DatabaseConfig:
    table = PartTable(section="sink", name="db", type="database", fields=fields, document=Document("hlmon.toml"))
    return part_config(table, FACTORY)


def test_a_variable_is_revealed_where_it_is_used(monkeypatch):
    config = config_of(key="env:DB_KEY")
    monkeypatch.setenv("DB_KEY", VALUE)
    assert config.key.reveal() == VALUE
    monkeypatch.setenv("DB_KEY", "rotated")
    assert config.key.reveal() == "rotated"


def test_a_file_is_revealed_without_its_line_end(tmp_path):
    (tmp_path / "key").write_text(f"{VALUE}\n")
    assert config_of(key=f"file:{tmp_path}/key").key.reveal() == VALUE


def test_a_missing_or_empty_secret_is_an_error_with_the_reference_only(tmp_path, monkeypatch):
    monkeypatch.setenv("EMPTY", "")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    said = {}
    for reference in ("env:ABSENT", "env:EMPTY", "file:/absent", f"file:{tmp_path}/empty", f"file:{tmp_path}/binary"):
        with pytest.raises(ConfigError) as caught:
            Secret(reference).reveal()
        said[reference] = str(caught.value)
    assert said == {
        "env:ABSENT": "the secret env:ABSENT is not set",
        "env:EMPTY": "the secret env:EMPTY is not set",
        "file:/absent": "the secret file:/absent cannot be read: No such file or directory",
        f"file:{tmp_path}/empty": f"the secret file:{tmp_path}/empty is empty",
        f"file:{tmp_path}/binary": f"the secret file:{tmp_path}/binary is not UTF-8 text",
    }


@pytest.mark.parametrize("literal", ["sbp_4f3e", "env:sk-live-4f3e", "env:", "file:", "https://user:4f3e@host", "", 4])
def test_a_literal_is_refused_without_being_repeated(literal):
    for fields in ({"key": literal}, {"key": "env:A", "fallback": literal}, {"key": "env:A", "others": [literal]}):
        with pytest.raises(ConfigError) as caught:
            config_of(**fields)
        said = "".join(traceback.format_exception(caught.value))
        assert 'must be a reference, "env:NAME" or "file:/path", not the secret itself' in str(caught.value)
        assert "4f3e" not in said


def test_a_secret_of_the_wrong_place_is_not_repeated_either():
    with pytest.raises(ConfigError) as caught:
        config_of(key="env:A", kee="4f3e")
    assert str(caught.value) == "hlmon.toml: sink.db.kee: unknown field; did you mean 'key'?"


def test_no_form_of_a_secret_or_its_config_shows_the_value(monkeypatch):
    monkeypatch.setenv("DB_KEY", VALUE)
    config = config_of(key="env:DB_KEY")
    config.key.reveal()
    forms = [
        repr(config),
        str(config),
        f"{config.key}",
        f"{config.key!r}",
        repr(vars(Secret)),
        str(pickle.dumps(config.key)),
    ]
    forms.append(str(msgspec.json.encode(config, enc_hook=str)))
    assert [form for form in forms if "hunter2" in form] == []
    with pytest.raises(TypeError, match="Secret"):
        msgspec.json.encode(config)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_revealed_value_that_reaches_the_log_is_replaced_by_its_reference(monkeypatch, as_json):
    monkeypatch.setenv("DB_KEY", VALUE)
    value = Secret("env:DB_KEY").reveal()
    stream = io.StringIO()
    configure_logging("INFO", json=as_json, stream=stream)
    log = logging.getLogger("hlmon.test")
    try:
        raise ValueError(f"POST https://host/{value} failed")
    except ValueError:
        log.exception("with %s", value, extra={"url": f"https://host/{value}", "nested": {"deep": [value]}})
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("[env:DB_KEY]") == 4
    if as_json:
        assert json.loads(stream.getvalue())["url"] == "https://host/[env:DB_KEY]"


def test_a_secret_that_contains_another_is_replaced_as_a_whole(monkeypatch):
    monkeypatch.setenv("SHORT", "token")
    monkeypatch.setenv("LONG", "token-and-more")
    Secret("env:SHORT").reveal()
    Secret("env:LONG").reveal()
    assert redact("token-and-more, token") == "[env:LONG], [env:SHORT]"


def test_the_address_of_a_webhook_is_replaced_without_its_host_too(monkeypatch):
    monkeypatch.setenv("WEBHOOK", "https://discord.com/api/webhooks/1/token")
    Secret("env:WEBHOOK").reveal()
    said = "HTTPSConnectionPool(host='discord.com'): Max retries exceeded with url: /api/webhooks/1/token"
    assert redact(said) == "HTTPSConnectionPool(host='discord.com'): Max retries exceeded with url: /[env:WEBHOOK]"


@pytest.mark.parametrize("as_json", [True, False])
def test_a_secret_that_is_a_word_of_the_log_itself_renames_none_of_its_fields(monkeypatch, as_json):
    monkeypatch.setenv("WEBHOOK", "https://hooks.example/message")
    monkeypatch.setenv("WORD", "logger")
    address = Secret("env:WEBHOOK").reveal()
    Secret("env:WORD").reveal()
    stream = io.StringIO()
    configure_logging("INFO", json=as_json, stream=stream)
    logging.getLogger("hlmon.test").info("a message to %s", address, extra={"logger": 1, "message_id": 2})
    assert "a message to [env:WEBHOOK]" in stream.getvalue()
    if as_json:
        names = ["time", "level", "logger", "message", "logger_", "message_id"]
        assert list(json.loads(stream.getvalue())) == names


ODD = "pä\"ss'w/o\\rd\n<\U0001f600>&+ 1"
ENCODED = {
    "itself": ODD,
    "JSON": json.dumps(ODD),
    "JSON of JSON": json.dumps(json.dumps({"key": ODD})),
    "JSON in UTF-8": json.dumps(ODD, ensure_ascii=False),
    "PHP's JSON": json.dumps(ODD).replace("/", "\\/"),
    "a repr": repr(ODD),
    "an ASCII repr": ascii(ODD),
    "a repr of bytes": repr(ODD.encode()),
    "a repr of a repr": repr([repr(ODD)]),
    "a path": quote(ODD, safe=""),
    "a form": quote_plus(ODD),
    "HTML": html.escape(ODD),
    "HTML in ASCII": html.escape(ODD).encode("ascii", "xmlcharrefreplace").decode(),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_a_secret_is_found_in_whatever_its_characters_were_encoded(encoding, monkeypatch):
    monkeypatch.setattr(redaction, "_revealed", {"env:ODD": ODD})
    shown = redact(f"before {ENCODED[encoding]} after")
    assert re.fullmatch(r"before [^a-z]*(key[^a-z]*)?b?'?\[env:ODD\]\W* after", shown)


class Odd(Exception):
    def __str__(self):
        return json.dumps({"password": ODD})


@pytest.mark.parametrize("as_json", [True, False])
def test_no_value_of_any_type_brings_a_secret_into_the_log(as_json, monkeypatch):
    monkeypatch.setattr(redaction, "_revealed", {"env:ODD": ODD, "env:PIN": "41144114"})
    stream = io.StringIO()
    configure_logging("INFO", json=as_json, stream=stream)
    extra = {
        "raw": ODD.encode(),
        "number": 41144114,
        "nested": {ODD: [ODD, {"deep": (ODD, 41144114)}]},
        "object": Odd(),
        "odd keys": {(ODD, 1): ODD},
    }
    for name, value in extra.items():
        try:
            raise Odd from ValueError(ODD)
        except Odd:
            logging.getLogger("hlmon.test").exception("with %r", {ODD: value}, extra={name: value})
    assert "41144114" not in stream.getvalue()
    assert re.findall("p(?:ä|..00e4)", stream.getvalue()) == []
    assert stream.getvalue().count("[env:ODD]") > len(extra)


def test_an_error_in_one_line_as_it_goes_into_the_status_and_the_quarantine_shows_no_secret(monkeypatch):
    monkeypatch.setattr(redaction, "_revealed", {"env:ODD": ODD})
    assert text_of(ValueError(f"POST {quote(ODD, safe='')} failed")) == "ValueError: POST [env:ODD] failed"


def test_very_short_secrets_are_left_in_text_that_they_would_riddle(monkeypatch):
    monkeypatch.setenv("TINY", "a")
    Secret("env:TINY").reveal()
    assert redact("a banana") == "a banana"


def test_secrets_are_equal_by_reference():
    assert Secret("env:A") == Secret("env:A") == copy.copy(Secret("env:A"))
    assert Secret("env:A") != Secret("env:B")
    assert len({Secret("env:A"), Secret("env:A")}) == 1
