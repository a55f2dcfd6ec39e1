"""What a plugin's command gets from the host: the config and the journal, both for reading."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

import hlmon
import hlmon.cli
from hlmon import Host, Secret, SinkFactory, json_option, print_json, with_host
from hlmon.journal import Journal
from hlmon.sinks.jsonl import FACTORY as JSONL
from hlmon.testing.builders import ALICE, make_fill, make_order
from hlmon.testing.builders.stored import STORED_BUILDERS

CONFIG = f"""
journal = "JOURNAL"
[[account]]
address = "{ALICE}"
label = "Treasury"
[hyperliquid]
coins = ["BTC"]
[sink.shelf]
type = "box"
password = "env:BOX_PASSWORD"
[sink.lines]
type = "jsonl"
path = "lines.jsonl"
"""


class BoxConfig(hlmon.NoConfig, frozen=True, forbid_unknown_fields=True):
    password: Secret = Secret("env:NONE")
    size: int = 3


BOX = SinkFactory(name="box", config=BoxConfig, open=lambda config, settings: None)


@pytest.fixture
def events():
    return [build() for build in STORED_BUILDERS.values()]


@pytest.fixture
def call(tmp_path, monkeypatch, events):
    """Calls a function as a command of a plugin, beside a config and a journal with an event of each kind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hlmon.toml").write_text(CONFIG.replace("JOURNAL", "here.db"))
    with Journal.open(tmp_path / "here.db") as journal:
        journal.append(events)
    with Journal.open(tmp_path / "empty.db"):
        pass

    def called(function, *arguments):
        command = click.command("mine")(with_host(function))
        monkeypatch.setattr(hlmon.cli, "_plugin_commands", lambda: {"mine": command})
        return CliRunner().invoke(hlmon.cli.program, ["mine", *arguments], prog_name="hlmon")

    return called


def test_it_gets_the_settings_that_every_part_gets(call):
    def command(host):
        settings = host.settings
        click.echo(f"{settings.name} {dict(settings.accounts)} {list(settings.coins)}")

    assert call(command).stdout == f"mine {{'{ALICE}': 'Treasury'}} ['BTC']\n"


def test_it_gets_the_checked_config_of_the_parts_of_a_factory_by_their_names(call):
    found = {}
    call(lambda host: found.update(host.config_of(BOX)))
    assert found == {"shelf": BoxConfig(password=Secret("env:BOX_PASSWORD"))}
    found = {}
    call(lambda host: found.update(host.config_of(JSONL)))
    assert [config.path for config in found.values()] == ["lines.jsonl"]


def test_a_part_whose_config_is_wrong_ends_it_with_2_and_the_path(call, tmp_path):
    (tmp_path / "hlmon.toml").write_text('[sink.shelf]\ntype = "box"\nsise = 4\n')
    result = call(lambda host: host.config_of(BOX))
    assert result.exit_code == 2
    assert "sink.shelf.sise" in result.stderr
    assert "size" in result.stderr


def test_no_text_of_it_holds_a_secret(call, monkeypatch):
    monkeypatch.setenv("BOX_PASSWORD", "hunter2")
    result = call(lambda host: click.echo(f"{host!r} {host} {host.config_of(BOX)!r} {host.settings!r}"))
    assert "hunter2" not in result.output
    assert "env:BOX_PASSWORD" in result.output


def test_it_reads_the_events_of_the_journal_in_their_order(call, events):
    read = []

    def command(host):
        with host.journal() as journal:
            read.extend([list(journal.events()), list(journal.events({"order", "fill"})), list(journal.events(()))])

    assert call(command).exit_code == 0
    assert read == [events, [event for event in events if event.kind in {"order", "fill"}], []]


def test_events_are_read_page_by_page_to_the_last(call, tmp_path, monkeypatch):
    monkeypatch.setattr("hlmon.commands._PAGE", 7)
    fills = [make_fill() for _ in range(21)]
    with Journal.open(tmp_path / "more.db") as journal:
        journal.append(fills)
    read = []

    def command(host):
        with host.journal() as journal:
            read.extend(journal.events({"fill"}))

    call(command, "--journal", "more.db")
    assert read == fills


def test_it_asks_the_views_in_sql(call):
    def command(host):
        with host.journal() as journal:
            click.echo(journal.query("SELECT coin FROM fills WHERE account_address = ?", (ALICE,)))

    assert call(command).stdout == "[('BTC',)]\n"


@pytest.mark.parametrize("sql", ["DELETE FROM events", "CREATE TABLE mine (a)", "no sql"])
def test_sql_that_writes_or_is_none_is_an_error_and_changes_nothing(call, tmp_path, sql):
    def command(host):
        with host.journal() as journal:
            journal.query(sql)

    before = (tmp_path / "here.db").read_bytes()
    result = call(command)
    assert result.exit_code == 3
    assert result.stderr.startswith("error: journal ")
    assert (tmp_path / "here.db").read_bytes() == before


def test_the_journal_is_that_of_the_options_then_that_of_the_config(call, tmp_path):
    def command(host):
        with host.journal() as journal:
            click.echo(f"{journal.path.name} {sum(1 for _ in journal.events())}")

    assert call(command).stdout == f"here.db {len(STORED_BUILDERS)}\n"
    assert call(command, "--journal", "empty.db").stdout == "empty.db 0\n"
    (tmp_path / "other.toml").write_text('journal = "empty.db"\n')
    assert call(command, "--config", "other.toml").stdout == "empty.db 0\n"


def test_a_journal_that_is_not_there_is_an_error_and_is_not_made(call, tmp_path):
    def command(host):
        with host.journal():
            pass

    result = call(command, "--journal", "none.db")
    assert (result.exit_code, "none.db: there is no such file" in result.stderr) == (3, True)
    assert not (tmp_path / "none.db").exists()


def test_a_command_that_needs_no_journal_opens_none(call):
    assert call(lambda host: click.echo(host.settings.name), "--journal", "none.db").stdout == "mine\n"


def test_it_reads_while_a_monitor_writes(call, tmp_path):
    def command(host):
        with host.journal() as journal:
            click.echo(sum(1 for _ in journal.events({"order"})))

    with Journal.open(tmp_path / "here.db") as journal:
        journal.append([make_order()])
        assert call(command).stdout == "2\n"


def test_with_json_the_output_is_the_document_alone(call):
    @json_option
    def command(host: Host, *, as_json):
        click.echo("what a library prints")
        with host.journal() as journal:
            print_json(list(journal.events({"fill"})))

    result = call(command, "--json")
    (fill,) = json.loads(result.stdout)
    assert (fill["kind"], fill["price"]) == ("fill", "100000")
    assert "what a library prints" in result.stderr


def test_its_own_options_stand_beside_those_of_the_host(call):
    @click.option("--own", default="b")
    def command(host, own):
        click.echo(own)

    assert call(command, "--own", "c").stdout == "c\n"
    shown = call(lambda host: None, "--help").stdout
    assert "-c, --config FILE" in shown
    assert "--journal PATH" in shown
