"""`hlmon gaps`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from rich.table import Table

from hlmon.cli.options import example, journal_options, json_option, labels_in, open_journal
from hlmon.cli.output import coloured, echo, make_table, print_json, show
from hlmon.cli.text import short_address, span, utc
from hlmon.events import Gap, Quarantined
from hlmon.quarantine import open_rows


@click.command("gaps", epilog=example("hlmon gaps --all"))
@journal_options
@click.option("--all", "every", is_flag=True, help="Include gaps that were read back whole.")
@json_option
def command(*, config_file: Path | None, journal: Path | None, every: bool, as_json: bool) -> None:
    """List the times in which a stream was not seen and that the exchange could not give back.

    A gap of fills means that fills may be missing. A gap of market trades marks its CVD buckets as incomplete. A row
    that came and could not be read is listed by its stream. Times are UTC.
    """
    config, opened = open_journal(config_file, journal)
    with opened:
        held = [gap for gap in opened.states("gap") if isinstance(gap, Gap)]
        unread = open_rows(opened, now_ms=time.time_ns() // 1_000_000)
        labels = labels_in(opened, config)
    gaps = sorted((gap for gap in held if every or not gap.healed), key=lambda gap: (gap.start_ms, gap.name))
    if as_json:
        print_json([*gaps, *unread])
    elif gaps or unread:
        show(_table(gaps, unread, labels))
    else:
        healed = sum(gap.healed for gap in held)
        echo(f"No gaps. {healed} were read back whole (hlmon gaps --all)." if healed else "No gaps.")


def _table(gaps: Sequence[Gap], unread: Sequence[Quarantined], labels: Mapping[str, str]) -> Table:
    table = make_table("Stream", "Account", "From", "To", "Lasted", "State", "Why")
    for gap in gaps:
        going_on = gap.end_ms is None
        state = "going on" if going_on else f"read back, {gap.events_read} events" if gap.healed else "missing"
        table.add_row(
            gap.stream,
            labels.get(gap.account) or short_address(gap.account) or "market",
            utc(gap.start_ms),
            utc(gap.end_ms),
            "" if gap.end_ms is None else span(gap.end_ms - gap.start_ms),
            coloured(state, "green" if gap.healed else "red"),
            gap.reason,
        )
    for (stream, account), rows in _by_stream(unread).items():
        table.add_row(
            stream,
            labels.get(account) or short_address(account) or "market",
            utc(min(row.time_ms for row in rows)),
            utc(max(row.time_ms for row in rows)),
            "",
            coloured(f"{len(rows)} unread row{'s' * (len(rows) != 1)}", "red"),
            f"not understood; see hlmon quarantine list: {rows[0].reason[:100]}",
        )
    return table


def _by_stream(unread: Sequence[Quarantined]) -> dict[tuple[str, str], list[Quarantined]]:
    found: dict[tuple[str, str], list[Quarantined]] = {}
    for row in unread:
        found.setdefault((row.stream, row.account), []).append(row)
    return found
