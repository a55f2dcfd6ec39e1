"""The command contract bites: a reference command keeps it, and each case catches one that is wrong in its own way."""

from __future__ import annotations

import sqlite3
import sys
import time
from typing import ClassVar

import click
import pytest

from hlmon import Host, NoConfig, Secret, SinkFactory, json_option, plain_line, print_json, with_host
from hlmon.testing import BrokenPromise, CommandContract


@click.command("titles")
@with_host
@json_option
def titles(*, host: Host, as_json: bool) -> None:
    """List the titles of all alerts."""
    with host.journal() as journal:
        found = [alert.title for alert in journal.events({"alert"})]
    if as_json:
        print_json(found)
    else:
        click.echo("\n".join(map(plain_line, found)) or "No alerts yet.")


@click.group("box")
def box() -> None:
    """Look into the box."""


@box.command("count")
@click.option("--start", default=0)
def count(*, start: int) -> None:
    """Count from a number."""
    click.echo(start)


class TestTitles(CommandContract):
    """The reference passes every case."""

    def command(self):
        return titles


class SecretiveTitles(TestTitles):
    """Has a secret, of which it says nothing."""

    __test__ = False
    secrets = ("correct-horse",)


class TestBoxCount(CommandContract):
    """A subcommand that reads neither config nor journal is not asked about them."""

    def command(self):
        return box

    def arguments(self):
        return ["count", "--start", "3"]


def test_a_group_is_asked_for_the_options_of_the_subcommand_that_is_called():
    assert TestBoxCount().words() == ["count"]
    assert TestBoxCount().options() == {"--start"}
    assert TestTitles().options() == {"--config", "-c", "--journal", "--json"}


def like_titles(function, name="titles", said="List."):
    return click.command(name, help=said)(with_host(function))


def silent(*, host):
    pass


def failing(*, host):
    raise LookupError("no titles today")


def asking(*, host):
    click.echo(click.prompt("Which?"))


def hanging(*, host):
    while sys.stdin is not None:
        time.sleep(0.01)


def newest(*, host):
    with host.journal() as journal:
        click.echo(max(event.time_ms for event in journal.events()))


@json_option
def beside_the_document(*, host, as_json):
    click.echo("titles")


def writing(*, host):
    with sqlite3.connect(host.settings.name and "hlmon.db") as database:
        database.execute("UPDATE events SET time_ms = time_ms + 1 WHERE kind = 'alert'")
    click.echo("done")


def making(*, host):
    path = click.get_current_context().params["journal"] or "hlmon.db"
    with sqlite3.connect(path) as database:
        click.echo(database.execute("SELECT count(*) FROM sqlite_master").fetchone())


def raw(*, host):
    with host.journal() as journal:
        for alert in journal.events({"alert"}):
            sys.stdout.write(f"{alert.title}\n")


@click.command("titles")
@click.option("--config", "config_file", default="hlmon.toml")
def lenient(*, config_file):
    """Goes on without a config."""
    click.echo(config_file)


@click.command("titles")
@click.option("--journal", default="hlmon.db")
def blurting(*, journal):
    """Says nothing of the path."""
    if journal != "hlmon.db":
        raise click.ClickException("there is no journal")
    click.echo(journal)


BOX = SinkFactory(name="box", config=NoConfig, open=lambda config, settings: None)


def expecting_its_table(*, host):
    click.echo(repr(host.config_of(BOX)["mine"]))


def telling(*, host):
    click.echo(Secret("env:TOLD_SECRET").reveal())


def broken_help(*, host):
    click.echo("titles")


class BrokenHelp(click.Command):
    def get_help(self, ctx):
        raise OSError("no terminal")


class Wrong(CommandContract):
    """Has a name of its own, by which another process finds it."""

    made: ClassVar = staticmethod(lambda: titles)

    def command(self):
        return type(self).made()


class NamedStatus(Wrong):
    made = staticmethod(lambda: like_titles(silent, "status"))


class WithoutHelp(Wrong):
    made = staticmethod(lambda: like_titles(broken_help, said=""))


class HelpFails(Wrong):
    made = staticmethod(lambda: BrokenHelp("titles", help="List."))


class Silent(Wrong):
    made = staticmethod(lambda: like_titles(silent))


class Failing(Wrong):
    made = staticmethod(lambda: like_titles(failing))


class Asking(Wrong):
    made = staticmethod(lambda: like_titles(asking))


class Hanging(Wrong):
    answer_seconds = 3.0
    made = staticmethod(lambda: like_titles(hanging))


class Newest(Wrong):
    made = staticmethod(lambda: like_titles(newest))


class BesideTheDocument(Wrong):
    made = staticmethod(lambda: like_titles(beside_the_document))


class Writing(Wrong):
    made = staticmethod(lambda: like_titles(writing))


class Lenient(Wrong):
    made = staticmethod(lambda: lenient)


class ExpectingItsTable(Wrong):
    made = staticmethod(lambda: like_titles(expecting_its_table))

    def config(self):
        return '[sink.mine]\ntype = "box"\n'


class Telling(Wrong):
    secrets = ("correct-horse",)
    made = staticmethod(lambda: like_titles(telling))


class Making(Wrong):
    made = staticmethod(lambda: like_titles(making))


class Blurting(Wrong):
    made = staticmethod(lambda: blurting)


class Raw(Wrong):
    made = staticmethod(lambda: like_titles(raw))


WRONG_COMMANDS = [
    (NamedStatus, "test_its_name_is_its_own"),
    (WithoutHelp, "test_its_help_says_what_it_does"),
    (HelpFails, "test_its_help_says_what_it_does"),
    (Silent, "test_it_answers"),
    (Failing, "test_it_answers"),
    (Asking, "test_it_answers"),
    (Hanging, "test_it_answers"),
    (Newest, "test_an_empty_journal_is_no_fault"),
    (BesideTheDocument, "test_json_is_one_document"),
    (Writing, "test_the_journal_stays_as_it_is"),
    (Lenient, "test_a_config_that_is_not_there_is_said"),
    (ExpectingItsTable, "test_a_config_without_its_tables_is_no_fault"),
    (Telling, "test_secrets_never_show"),
    (Making, "test_a_journal_that_is_not_there_is_said_and_not_made"),
    (Blurting, "test_a_journal_that_is_not_there_is_said_and_not_made"),
    (Raw, "test_what_it_prints_is_plain"),
]


@pytest.mark.parametrize(("wrong", "case"), WRONG_COMMANDS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_wrong_command_is_caught_by_the_case_about_it(monkeypatch, wrong, case):
    monkeypatch.setenv("TOLD_SECRET", "correct-horse")
    with pytest.raises(BrokenPromise, match=r"(?s)^promise: .+\n  because: .+\n  seen: .+"):
        getattr(wrong(), case)()


def test_a_command_that_keeps_its_secret_passes(monkeypatch):
    monkeypatch.setenv("TOLD_SECRET", "correct-horse")
    SecretiveTitles().test_secrets_never_show()


def test_every_case_of_the_command_contract_catches_some_wrong_command():
    assert {case for _, case in WRONG_COMMANDS} == set(CommandContract.cases())


def test_a_command_that_hangs_is_ended_and_said_to_hang():
    with pytest.raises(BrokenPromise, match=r"ends by itself within 3 s(?s:.*)`titles` had not ended after 3 s"):
        Hanging().test_it_answers()


def test_a_test_that_no_other_process_can_find_is_told_so():
    class Inside(CommandContract):
        def command(self):
            return titles

    with pytest.raises(BrokenPromise, match="can be taken to another process"):
        Inside().test_it_answers()
