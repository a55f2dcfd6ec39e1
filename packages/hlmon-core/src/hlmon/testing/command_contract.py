"""The contract of every command, as tests that its author inherits in one class."""

from __future__ import annotations

import json
from functools import partial
from typing import Final

import pytest

from hlmon.journal import Journal
from hlmon.testing.builders import make_alert, make_fill, make_gap
from hlmon.testing.command_case import NOT_ITS_NAME, CommandCase, shown
from hlmon.testing.promises import check, error_of

_WRONG_USE: Final = 2
_SAID: Final = {1, 2, 3}  # what is wrong was said; 4 is a fault of the program
_ESCAPE: Final = "\x1b]0;owned\x07\x1b[31m"


class CommandContract(CommandCase, defines_cases=True):
    """Subclass it as `class TestMyCommand(CommandContract)` and define `command`."""

    def test_its_name_is_its_own(self) -> None:
        """A name that hlmon has itself keeps its meaning."""
        with self.monitored([]) as (folder, _):
            run = self.call(folder, "--help")
        kept = run.returncode != NOT_ITS_NAME
        check(kept, "its name is none of hlmon's own", because="it would never be called", seen=self.name)

    def test_its_help_says_what_it_does(self) -> None:
        """With no config and no journal in sight."""
        with self.monitored([]) as (folder, _):
            run = self.call(folder, *self.words(), "--help")
        check(run.returncode == 0, "--help works", because="it is how people learn of it", seen=shown(run))
        said = self.command().get_short_help_str()
        because = "`hlmon --help` lists it with its first sentence"
        check(bool(said), "it says what it does", because=because, seen="no help text: write a docstring")

    def test_it_answers(self) -> None:
        """It says something, ends with exit code 0, and needs nobody at the keyboard."""
        with self.monitored(self.events()) as (folder, _):
            run = self.call(folder, *self.arguments())
        promise = "called with its arguments, it answers and ends with exit code 0"
        kept = run.returncode == 0 and bool(run.stdout.strip())
        check(kept, promise, because="scripts go by the exit code", seen=shown(run))

    def test_an_empty_journal_is_no_fault(self) -> None:
        """A monitor that has just begun has seen nothing yet."""
        with self.monitored([]) as (folder, _):
            run = self.call(folder, *self.arguments())
        promise = "with an empty journal it answers, or says what is missing"
        check(run.returncode in {0, *_SAID}, promise, because="every journal was empty once", seen=shown(run))

    def test_json_is_one_document(self) -> None:
        """Standard output with --json is what a program reads."""
        if "--json" not in self.options():
            pytest.skip("the command has no --json")
        for events in (self.events(), []):
            with self.monitored(events) as (folder, _):
                run = self.call(folder, *self.arguments(), "--json")
            error = error_of(partial(json.loads, run.stdout)) if run.returncode == 0 else None
            promise = "with --json standard output is one JSON document and nothing else"
            check(error is None, promise, because="it is piped into jq", seen=shown(run))

    def test_the_journal_stays_as_it_is(self) -> None:
        """A command reads; only the monitor writes."""
        with self.monitored(self.events()) as (folder, journal):
            before = _content(journal)
            run = self.call(folder, *self.arguments())
            after = _content(journal)
        changed = sorted(table for table in before | after if before.get(table) != after.get(table))
        because = "stores and alerts follow the journal, and two who write it spoil it"
        seen = f"other content of {', '.join(changed)}; {shown(run)}"
        check(not changed, "it changes nothing in the journal", because=because, seen=seen)

    def test_a_config_that_is_not_there_is_said(self) -> None:
        """Exit code 2, and the file that was meant."""
        if "--config" not in self.options():
            pytest.skip("the command takes no config")
        with self.monitored(self.events()) as (folder, _):
            run = self.call(folder, *self.arguments(), "--config", "missing.toml")
        kept = run.returncode == _WRONG_USE and "missing.toml" in run.stderr
        because = "to go on with another config answers another question"
        check(kept, "a config that is not there ends it with exit code 2, naming it", because=because, seen=shown(run))

    def test_a_config_without_its_tables_is_no_fault(self) -> None:
        """Whoever has just installed the plugin has not written them yet."""
        if "--config" not in self.options():
            pytest.skip("the command takes no config")
        with self.monitored(self.events()) as (folder, _):
            (folder / "empty.toml").write_text("")
            run = self.call(folder, *self.arguments(), "--config", "empty.toml")
        promise = "with an empty config it answers, or says what is missing in it"
        check(run.returncode in {0, *_SAID}, promise, because="4 is for faults of the program", seen=shown(run))

    def test_secrets_never_show(self) -> None:
        """Not in what it answers, and not in an error."""
        if not self.secrets:
            pytest.skip("the test names no secrets")
        with self.monitored(self.events()) as (folder, _):
            runs = [self.call(folder, *self.arguments(), *more) for more in ((), ("--no-such-option",))]
        told = [secret for secret in self.secrets for run in runs if secret in run.stdout + run.stderr]
        because = "what a terminal shows is copied into reports"
        check(not told, "a secret is never told", because=because, seen=f"{len(told)} secrets told")

    def test_a_journal_that_is_not_there_is_said_and_not_made(self) -> None:
        """It is no empty journal, and a mistyped path stays without a file."""
        if "--journal" not in self.options():
            pytest.skip("the command takes no journal")
        with self.monitored(self.events()) as (folder, _):
            run = self.call(folder, *self.arguments(), "--journal", "missing.db")
            made = (folder / "missing.db").exists()
        check(not made, "it makes no journal", because="the next monitor would start on it", seen=shown(run))
        kept = run.returncode == 0 or (run.returncode in _SAID and "missing.db" in run.stderr)
        promise = "unless it needs none, a journal that is not there ends it with its path and an exit code of 1 to 3"
        check(kept, promise, because="4 is for faults of the program", seen=shown(run))

    def test_what_it_prints_is_plain(self) -> None:
        """Whoever trades with the account, or names a coin, chooses some of the texts in a journal."""
        odd = [
            make_alert(title=f"{_ESCAPE}title", body=f"{_ESCAPE}body"),
            make_gap(reason=f"{_ESCAPE}reason"),
            make_fill(coin=f"{_ESCAPE}coin", direction=f"{_ESCAPE}direction"),
        ]
        with self.monitored([*self.events(), *odd]) as (folder, _):
            run = self.call(folder, *self.arguments())
        promise = "control characters of what is stored reach no terminal: `hlmon.plain_line`, or --json"
        because = "escape sequences rewrite what is on the screen, or press keys"
        check("\x1b" not in run.stdout + run.stderr, promise, because=because, seen=shown(run))


def _content(journal: Journal) -> dict[str, object]:
    """Every table with its rows."""
    names = [name for (name,) in journal.query("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {name: sorted(map(repr, journal.query(f'SELECT * FROM "{name}"'))) for name in names}
