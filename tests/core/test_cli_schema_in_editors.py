"""An editor with a TOML language server completes and checks hlmon.toml by what `hlmon plugins --schema` prints."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from hlmon.cli import program
from tests.servers.language_server import language_server

HEAD = "#:schema ./hlmon.schema.json\n"


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    folder = tmp_path_factory.mktemp("editor")
    printed = CliRunner().invoke(program, ["plugins", "--schema"], prog_name="hlmon")
    (folder / "hlmon.schema.json").write_text(printed.stdout)
    with language_server(folder) as server:
        yield server


def offered(editor, text):
    """At the end of the text."""
    lines = (HEAD + text).split("\n")
    editor.open(HEAD + text)
    return editor.complete(len(lines) - 1, len(lines[-1]))


def test_the_tables_are_offered_with_what_they_are_for(editor):
    found = offered(editor, "")
    assert {"account", "hyperliquid", "sink", "notifier", "rule", "route", "journal"} <= found.keys()
    assert "the accounts to watch" in found["account"]
    assert 'Default: `"hlmon.db"`' in found["journal"]


def test_the_types_that_are_installed_are_offered(editor):
    assert offered(editor, '[sink.a]\ntype = "').keys() >= {'"jsonl"', '"dynamodb"', '"supabase"'}


def test_of_a_plugins_table_the_fields_of_its_type_are_offered_and_no_others(editor):
    found = offered(editor, '[sink.a]\ntype = "dynamodb"\n')
    assert {"prefix", "region", "ttl_days"} <= found.keys()
    assert "path" not in found
    assert "begins the name of every table" in found["prefix"]
    assert "above" in offered(editor, '[rule.a]\ntype = "margin"\n')


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[sink.a]\ntype = "dynamodb"\nregoin = "x"', '"regoin" is not allowed'),
        ("[hyperliquid]\nsnapshot_seconds = 1", "the value must be ≥ 5, but found 1"),
        ('[rule.a]\ntype = "buckets"', 'but found "buckets"'),
        ("[notifier.a]\nmessages_per_minute = 3", '"type" is required'),
    ],
)
def test_a_fault_is_told_once_and_in_terms_of_its_own_type(editor, text, told):
    (message,) = editor.open(HEAD + text)
    assert told in message


def test_a_right_config_has_nothing_to_be_told_about(editor):
    assert editor.open(HEAD + '[[account]]\naddress = "0x"\n\n[sink.a]\ntype = "jsonl"\npath = "x"\n') == []
