"""`hlmon status`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from hlmon.cli.options import example, journal_options, json_option, open_journal
from hlmon.cli.output import coloured, echo, make_table, print_json, show
from hlmon.cli.running import judge, read_status
from hlmon.cli.text import UNKNOWN, ago, span
from hlmon.journal import Journal
from hlmon.status import ComponentStatus, FollowerStatus, SourceStatus, Status
from hlmon.uptime import present_ms
from hlmon.watchdog import skew_text


@click.command("status", epilog=example("hlmon status --json"))
@journal_options
@json_option
@click.option("--exit-code", "judges", is_flag=True, help="End with 0 if all is well, else with 1.")
@click.pass_context
def command(ctx: click.Context, *, config_file: Path | None, journal: Path | None, as_json: bool, judges: bool) -> None:
    """Say whether all is well, and what the monitor of this journal is doing: connection, accounts, problems.

    Well means that nothing is missed; else each reason is given, with what to do. The watchdog's ping and /healthz go
    by the same reasons. Without --exit-code the exit code says only whether the journal could be read.
    """
    _, opened = open_journal(config_file, journal)
    with opened:
        status = read_status(opened)
        unknown = unknown_entries(opened)
    now_ms = present_ms(status)
    verdict = judge(status, now_ms=now_ms)
    reasons = verdict.reasons(status, now_ms=now_ms)
    if as_json:
        judged = {"running": verdict.running, "healthy": verdict.ok, "why": verdict.why}
        print_json(judged | {"well": not reasons, "reasons": reasons, "unknown_ledger": unknown, "status": status})
    else:
        state = "Running" if verdict.running else "Not running"
        echo(f"{state}: {verdict.why}" if not verdict.ok else f"{state}.")
        if verdict.running:
            echo("All is well." if not reasons else "Not well:")
        if status is not None:
            _print(status, reasons if verdict.running else (), now_ms)
        for kind, count in unknown.items():
            echo(
                f"Ledger: {count:,} of type {kind}, whose effect on the account this hlmon does not know: "
                "they are kept without an amount, and figures leave them out"
            )
    ctx.exit(1 if judges and reasons else 0)


def unknown_entries(journal: Journal) -> dict[str, int]:
    """How many entries of the ledger have no amount, by the exchange's type, harmless on a terminal."""
    rows = journal.query("SELECT type, count(*) FROM ledger WHERE amount IS NULL GROUP BY type ORDER BY type LIMIT 100")
    return {"".join(each if each.isprintable() else "?" for each in kind[:80]): count for kind, count in rows}


def _print(status: Status, problems: Sequence[str], now_ms: int) -> None:
    for problem in problems:
        echo(f"Problem: {problem}")
    echo(f"Version {status.version}, process {status.pid}, up {span(now_ms - status.started_ms)}, {status.url}")
    for source in status.sources:
        echo(_connection(source, now_ms))
    if any(source.accounts for source in status.sources):
        show(_accounts(status, now_ms))
    if components := _shown(status):
        show(_components(components, status, now_ms))
    counters = dict(status.counters)
    for source in status.sources:
        counters |= source.counters
    if counters:
        show(_counters(counters))


def _connection(source: SourceStatus, now_ms: int) -> str:
    connection = source.connection
    parts = [
        f"Connection {connection.state} since {ago(connection.since_ms, now_ms)}",
        f"last message {ago(connection.last_frame_ms, now_ms)}",
        f"{connection.reconnects} reconnects",
    ]
    if connection.reason:
        parts.append(f"last lost: {connection.reason}")
    if source.clock_skew_ms is not None:
        parts.append(skew_text(source.clock_skew_ms) or "this machine's clock agrees with the exchange's")
    if source.coins:
        parts.append(f"trades of {', '.join(source.coins)}")
    return ", ".join(parts)


def _accounts(status: Status, now_ms: int) -> Table:
    table = make_table("Account", "Label", "Role", "Mode", "State", "Heard")
    for account in (account for source in status.sources for account in source.accounts):
        colour = {"watched": "green", "pending": "yellow"}.get(account.status, "red")
        state = ", reading back" if account.resuming else ""
        reason = f": {account.reason}" if account.reason else ""
        heard = ago(account.last_seen_ms, now_ms)
        table.add_row(
            account.address,
            account.label,
            account.role,
            account.mode,
            coloured(account.status, colour, state + reason),
            heard,
        )
    return table


def _components(components: Sequence[ComponentStatus], status: Status, now_ms: int) -> Table:
    """A line for each, with how far it is behind if it follows the journal."""
    table = make_table("Name", "Kind", "Behind", "Last success", "State", right=("Behind",))
    followers: dict[tuple[str, str], FollowerStatus] = {(each.part, each.name): each for each in status.followers}
    for each in components:
        follower = followers.get((each.part, each.name))
        behind, success = (f"{follower.lag:,}", ago(follower.last_ack_ms, now_ms)) if follower else (UNKNOWN, UNKNOWN)
        table.add_row(each.name, each.part, behind, success, _state(each, now_ms))
    return table


def _shown(status: Status) -> list[ComponentStatus]:
    """What follows the journal, and of the others what fails."""
    return [each for each in status.components if each.part in {"sink", "notifier"} or each.state == "failing"]


def _state(component: ComponentStatus, now_ms: int) -> Text:
    lasts = span(now_ms - component.since_ms)
    if component.state != "failing":
        colour = {"running": "green", "starting": "yellow"}.get(component.state, "red")
        return coloured(component.state, colour, "" if component.state == "running" else f" for {lasts}")
    again = component.next_try_ms
    tried = (
        "" if again is None else f"; tried again in {span(again - now_ms)}" if again > now_ms else "; tried again now"
    )
    return coloured(f"failing for {lasts}", "red", f": {component.why}{tried}")


def _counters(counters: dict[str, int]) -> Table:
    table = make_table("Counted since the start", "Number", right=("Number",))
    for name, number in sorted(counters.items()):
        table.add_row(name, f"{number:,}")
    return table
