"""`hlmon quarantine list`, `show`, `retry` and `dismiss`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click

from hlmon.cli.kept import chosen_among, short_id
from hlmon.cli.options import example, journal_options, json_option, labels_in, open_journal
from hlmon.cli.output import echo, make_table, print_json, show
from hlmon.cli.replay import derivers_of
from hlmon.cli.text import short_address, utc
from hlmon.config import Config
from hlmon.errors import JournalError, WireError
from hlmon.events import Quarantined
from hlmon.ingest import Ingest
from hlmon.journal import Journal
from hlmon.quarantine import (
    WIRE,
    Decision,
    from_exchange,
    is_dealt_with,
    is_row,
    kept_things,
    read_again,
    read_decisions,
    write_decisions,
)

_WHAT: Final = "thing in quarantine"
_OPEN: Final = {"missing", "refused", "retry: waits"}


@click.group("quarantine", epilog=example("hlmon quarantine list", "hlmon quarantine retry"))
def command() -> None:
    """Deal with what the exchange sent and hlmon could not read, and with what a sink or notifier refused for good.

    Each is kept whole, and the monitor is not well meanwhile: read a row again with a newer hlmon (retry), or say that
    it is dealt with (dismiss). Both may be done while a monitor runs.
    """


@command.command("list", epilog=example("hlmon quarantine list --all"))
@journal_options
@click.option("--all", "every", is_flag=True, help="Include what is dealt with.")
@json_option
def list_(*, config_file: Path | None, journal: Path | None, every: bool, as_json: bool) -> None:
    """List what could not be read, or was refused, and is not dealt with yet."""
    config, opened = open_journal(config_file, journal)
    with opened:
        found = kept_things(opened)
        states = _states(opened, found)
        kept = [one for one in found if every or states[_name(one)] in _OPEN]
        labels = labels_in(opened, config)
    if as_json:
        print_json(kept)
        return
    if not kept:
        echo("Nothing is in quarantine." if not states else "Everything in quarantine is dealt with (--all).")
        return
    table = make_table("Thing", "Time (UTC)", "What", "Stream", "Account", "State", "Why")
    for one in kept:
        account = labels.get(one.account) or short_address(one.account)
        what = f"refused by {one.origin}" if one.origin != WIRE else one.unit if is_row(one) else f"{one.unit}*"
        state = states[_name(one)]
        table.add_row(short_id(one), utc(one.time_ms), what, one.stream, account, state, one.reason[:100])
    show(table)
    if any(one.origin == WIRE and not is_row(one) for one in kept):
        echo("* No row of an account's past: the next state, or the next answer, takes its place.")


@command.command("show", epilog=example("hlmon quarantine show 3f2a9c01"))
@click.argument("thing", metavar="THING")
@journal_options
def show_(*, thing: str, config_file: Path | None, journal: Path | None) -> None:
    """Print everything that is known of THING (as `list` names it), and what the exchange sent."""
    _, opened = open_journal(config_file, journal)
    with opened:
        kept, *_ = chosen_among(kept_things(opened), [thing], _WHAT)
    print_json(kept)


@command.command("retry", epilog=example("hlmon quarantine retry", "hlmon quarantine retry 3f2a9c01"))
@click.argument("things", nargs=-1, metavar="[THING]...")
@journal_options
def retry(*, things: tuple[str, ...], config_file: Path | None, journal: Path | None) -> None:
    """Read THINGs (as `list` names them; all without one) again with this hlmon, and store what can be read now."""
    config, opened = open_journal(config_file, journal)
    with opened:
        found = from_exchange(opened)
        states = _states(opened, found)
        missing = [one for one in found if states[_name(one)] == "missing"]
        chosen = chosen_among(found, things, _WHAT) if things else missing
    now_ms = _now_ms()
    readable = [one for one in chosen if _is_readable(one, now_ms)]
    if readable:
        _decide(config.journal, readable, "retry")
        _store(config, readable, now_ms)
    left = len(chosen) - len(readable)
    echo(f"{left} can still not be read; they stay as they are." if left else "Nothing is left to read again.")


@command.command("dismiss", epilog=example("hlmon quarantine dismiss 3f2a9c01"))
@click.argument("things", nargs=-1, required=True, metavar="THING...")
@journal_options
def dismiss(*, things: tuple[str, ...], config_file: Path | None, journal: Path | None) -> None:
    """Say that THINGs (as `list` names them) are dealt with: they count as missing no more, and stay to be read."""
    config, opened = open_journal(config_file, journal)
    with opened:
        chosen = chosen_among(kept_things(opened), things, _WHAT)
    _decide(config.journal, chosen, "dismiss")
    echo(f"Dismissed {', '.join(dict.fromkeys(map(short_id, chosen)))}.")


def _store(config: Config, kept: Sequence[Quarantined], now_ms: int) -> None:
    """Store what was read again, as a monitor does; if one runs on this journal, it does so itself."""
    with ExitStack() as stack:
        try:
            journal = stack.enter_context(Journal.open(config.journal))
        except JournalError:
            echo(f"{len(kept)} can be read now; the running monitor stores them within seconds.")
            return
        ingest = Ingest(journal, derivers_of(config, stack))
        ingest.rebuild()
        news = sum(ingest(read_again(one, now_ms=now_ms)) for one in kept)
        ingest.flush(final=True)
    echo(f"{len(kept)} can be read now; {news} events are new in the journal.")


def _decide(journal: Path, kept: Sequence[Quarantined], decision: Decision) -> None:
    write_decisions(journal, read_decisions(journal) | {one.digest: decision for one in kept})


def _is_readable(kept: Quarantined, now_ms: int) -> bool:
    try:
        read_again(kept, now_ms=now_ms)
    except WireError:
        return False
    return True


def _states(journal: Journal, kept: Sequence[Quarantined]) -> dict[tuple[str, str], str]:
    """What became of each, by who set it aside and its digest."""
    decisions, delivered = read_decisions(journal.path), journal.redelivered.all()
    states = {}
    for one in kept:
        decision = decisions.get(one.digest)
        if one.origin != WIRE:
            is_delivered = bool(delivered.get(_name(one), ("", 0))[0])
            state = "dismissed" if decision == "dismiss" else "delivered" if is_delivered else "refused"
        elif is_dealt_with(one, decision, journal, now_ms=_now_ms()):
            state = "dismissed" if decision == "dismiss" else "stored"
        else:
            state = "missing" if decision is None else "retry: waits"
        states[_name(one)] = state
    return states


def _name(kept: Quarantined) -> tuple[str, str]:
    return kept.origin, kept.digest


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
