"""`hlmon rejected list`, `show` and `retry`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from hlmon.cli.kept import chosen_among, short_id
from hlmon.cli.options import example, journal_options, json_option, labels_in, open_journal
from hlmon.cli.output import echo, make_table, print_json, show
from hlmon.cli.text import short_address, utc
from hlmon.config import Config
from hlmon.delivery.rejected import Retry, event_in, read_retries, rejected, write_retries
from hlmon.errors import ConfigError
from hlmon.events import Alert, Event, Quarantined
from hlmon.fields import nearest
from hlmon.journal import Journal
from hlmon.quarantine import read_decisions

_WHAT: Final = "refused thing"
_REFUSED: Final = "refused"


@click.group("rejected", epilog=example("hlmon rejected list", "hlmon rejected retry"))
def command() -> None:
    """Deal with events and alerts that a sink or notifier refused for good.

    Each was set aside so that the others could go on. Once the reason is gone, deliver it again (retry), or to another
    sink or notifier (--to); what is to stay as it is, `hlmon quarantine dismiss` takes off the list.
    """


@command.command("list", epilog=example("hlmon rejected list --all"))
@journal_options
@click.option("--all", "every", is_flag=True, help="Include what is dealt with.")
@json_option
def list_(*, config_file: Path | None, journal: Path | None, every: bool, as_json: bool) -> None:
    """List what was refused and is not dealt with yet."""
    config, opened = open_journal(config_file, journal)
    with opened:
        states = _states(opened)
        kept = [one for one in rejected(opened) if every or not _is_done(states[one.origin, one.digest])]
        kinds = [_kind(event_in(one, opened)) for one in kept]
        labels = labels_in(opened, config)
    if as_json:
        print_json([{"state": states[one.origin, one.digest], "refused": one} for one in kept])
        return
    if not kept:
        echo("Everything that was refused is dealt with (--all)." if states else "Nothing was refused.")
        return
    table = make_table("Thing", "Time (UTC)", "What", "Refused by", "Account", "State", "Why")
    for one, kind in zip(kept, kinds, strict=True):
        account = labels.get(one.account) or short_address(one.account)
        state = states[one.origin, one.digest]
        table.add_row(short_id(one), utc(one.time_ms), kind, one.origin, account, state, one.reason[:100])
    show(table)


@command.command("show", epilog=example("hlmon rejected show 3f2a9c01"))
@click.argument("thing", metavar="THING")
@journal_options
def show_(*, thing: str, config_file: Path | None, journal: Path | None) -> None:
    """Print everything that is known of THING (as `list` names it): the event, and who refused it and why."""
    _, opened = open_journal(config_file, journal)
    with opened:
        states = _states(opened)
        found = [
            {"state": states[one.origin, one.digest], "refused": one, "event": event_in(one, opened)}
            for one in chosen_among(rejected(opened), [thing], _WHAT)
        ]
    print_json(found)


@command.command("retry", epilog=example("hlmon rejected retry", "hlmon rejected retry 3f2a9c01 --to phone"))
@click.argument("things", nargs=-1, metavar="[THING]...")
@click.option("--to", metavar="NAME", help="The sink or notifier that gets it, in place of the one that refused it.")
@journal_options
def retry(*, things: tuple[str, ...], to: str | None, config_file: Path | None, journal: Path | None) -> None:
    """Deliver THINGs (as `list` names them; all without one) again.

    The running monitor does it within seconds, or the next one that is started on this journal.
    """
    config, opened = open_journal(config_file, journal)
    with opened:
        states = _states(opened)
        found = rejected(opened)
        undone = [one for one in found if not _is_done(states[one.origin, one.digest])]
        chosen = chosen_among(found, things, _WHAT) if things else undone
        events = [event_in(one, opened) for one in chosen]
    readable = [(one, event) for one, event in zip(chosen, events, strict=True) if event is not None]
    if readable:
        _ask(config, readable, to)
    if left := len(chosen) - len(readable):
        echo(f"{left} were too large to be kept whole and are not in the journal any more: they cannot be delivered.")
    if not chosen:
        echo("Nothing is left to deliver again.")


def _ask(config: Config, chosen: Sequence[tuple[Quarantined, Event]], to: str | None) -> None:
    sinks, notifiers = ([part.name for part in config.parts(section)] for section in ("sink", "notifier"))
    for one, event in chosen:
        name = to or one.origin
        if name not in (*sinks, *notifiers):
            hint = nearest(name, [*sinks, *notifiers])
            raise ConfigError(f"{'--to' if to else short_id(one)}: the config has no sink or notifier {name!r}{hint}")
        if name not in sinks and not isinstance(event, Alert):
            raise ConfigError(f"{short_id(one)}: is no alert, so it cannot go to the notifier {name}; choose a sink")
    now_ms = time.time_ns() // 1_000_000
    asked = {(each.origin, each.digest): each for each in read_retries(config.journal)} | {
        (one.origin, one.digest): Retry(origin=one.origin, digest=one.digest, to=to or one.origin, asked_ms=now_ms)
        for one, _ in chosen
    }
    write_retries(config.journal, list(asked.values()))
    names = ", ".join(dict.fromkeys(to or one.origin for one, _ in chosen))
    echo(f"{len(chosen)} go to {names}: within seconds if the monitor runs, else after its next start.")


def _states(journal: Journal) -> dict[tuple[str, str], str]:
    """What became of each since."""
    decisions, done = read_decisions(journal.path), journal.redelivered.all()
    asked = {(each.origin, each.digest): each for each in read_retries(journal.path)}
    states = {}
    for one in rejected(journal):
        name = (one.origin, one.digest)
        to, time_ms = done.get(name, ("", -1))
        state = f"delivered to {to}" if to else _REFUSED
        if name in asked and time_ms < asked[name].asked_ms:
            state = f"asked: goes to {asked[name].to}"
        states[name] = "dismissed" if not to and decisions.get(one.digest) == "dismiss" else state
    return states


def _is_done(state: str) -> bool:
    return state == "dismissed" or state.startswith("delivered")


def _kind(event: Event | None) -> str:
    return "unreadable" if event is None else event.kind
