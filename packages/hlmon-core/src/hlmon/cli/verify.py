"""`hlmon verify`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.table import Table

from hlmon.cli.options import example, journal_options, json_option, labels_in, open_journal
from hlmon.cli.output import coloured, echo, make_table, print_json, show
from hlmon.cli.text import number, short_address, utc
from hlmon.events import Gap, Position
from hlmon.journal import Journal
from hlmon.quarantine import open_rows
from hlmon.status import Status
from hlmon.verify import Break, Chain, Findings, Walk

_AGREEMENTS = {
    "equal": ("equal", "green"),
    "differs": ("differs", "red"),
    "state older": ("state is older than the last fill", ""),
    "settling": ("state is fresh, fills may be on their way", ""),
    "no state": ("no account state seen", ""),
    "no fills": ("no fills known", ""),
}


@click.command("verify", epilog=example("hlmon verify --journal hlmon.db"))
@journal_options
@json_option
@click.pass_context
def command(ctx: click.Context, *, config_file: Path | None, journal: Path | None, as_json: bool) -> None:
    """Prove that no fill is missing.

    Every perp fill says how large the position was before it. So per account and coin the fills must follow on each
    other, and the last one must end at the size that the exchange shows. Exit code 1 if they do not, and if anything
    else is known to be missing: an open gap (`hlmon gaps`), a row that could not be read.
    """
    config, opened = open_journal(config_file, journal)
    with opened:
        findings = _look_into(opened, now_ms=time.time_ns() // 1_000_000)
        labels = labels_in(opened, config)
    if as_json:
        print_json(_plain(findings))
    else:
        _print(findings, labels)
    ctx.exit(0 if findings.proven else 1)


def _look_into(journal: Journal, *, now_ms: int) -> Findings:
    gaps = [gap for gap in journal.states("gap") if isinstance(gap, Gap)]
    positions = (position for position in journal.states("position") if isinstance(position, Position))
    walk = Walk(positions, gaps)
    for account, fill in journal.fill_rows():
        walk.take(account, fill)
    raw = journal.status()
    status = msgspec.json.decode(raw, type=Status) if raw else None
    unread = [row for row in open_rows(journal, now_ms=now_ms) if not row.stream.startswith("trades:")]
    return Findings(
        chains=walk.chains(now_ms=now_ms),
        open_gaps=sum(bool(gap.account) and not gap.healed for gap in gaps),
        unread=len(unread),
        overflow=status.counters.get("quarantine_overflow", 0) if status else 0,
    )


def _plain(findings: Findings) -> dict[str, Any]:
    return {
        "proven": findings.proven,
        "open_gaps": findings.open_gaps,
        "unlinked": findings.unlinked,
        "unread": findings.unread + findings.overflow,
        "chains": [asdict(chain) | {"proven": chain.proven} for chain in findings.chains],
    }


def _print(findings: Findings, labels: Mapping[str, str]) -> None:
    chains = findings.chains
    breaks = [one for chain in chains for one in chain.breaks]
    if chains:
        show(_table(chains, labels))
    if breaks:
        show(_break_table(breaks, labels))
    accounts = len({chain.account for chain in chains})
    fills = sum(chain.fills for chain in chains)
    echo(f"Perp fills: {fills:,}. Accounts: {accounts}. Chains (account and coin): {len(chains)}.")
    for line in _conclusion(findings):
        echo(line)


def _conclusion(findings: Findings) -> Iterator[str]:
    """Every finding in a sentence, and the verdict that follows from all of them."""
    if findings.unlinked:
        yield f"{findings.unlinked:,} fills do not say where they started: between them nothing is proven."
    if findings.unread + findings.overflow:
        yield (
            f"{findings.unread + findings.overflow:,} rows that the exchange sent could not be read "
            "(hlmon quarantine list): fills may be among them."
        )
    if findings.missing:
        yield f"NOT PROVEN: fills are missing in {findings.missing} of the chains, and no gap admits it."
    elif findings.admitted:
        yield (
            f"NOT PROVEN: fills are missing in {findings.admitted} places, all of them in known gaps (hlmon gaps); "
            "nowhere else."
        )
    elif findings.open_gaps:
        yield f"NOT PROVEN: {findings.open_gaps} gaps are open (hlmon gaps); no chain is broken."
    elif not findings.proven:
        yield "NOT PROVEN: no chain is broken, but see above."
    elif not findings.chains:
        yield "There is nothing to prove yet: the journal has no perp fills."
    elif findings.uncompared:
        yield (
            f"No fill is missing inside any chain; {findings.uncompared} could not be compared with an account state."
        )
    else:
        yield "Proven: no fill is missing."


def _table(chains: Sequence[Chain], labels: Mapping[str, str]) -> Table:
    numbers = ("Fills", "Breaks", "Fills end at", "Account state")
    table = make_table("Account", "Coin", "Fills", "First", "Last", *numbers[1:], "Comparison", right=numbers)
    for chain in chains:
        table.add_row(
            labels.get(chain.account) or short_address(chain.account),
            chain.coin,
            f"{chain.fills:,}",
            utc(chain.first_ms),
            utc(chain.last_ms),
            coloured(f"{chain.breaks_found:,}", "red") if chain.breaks_found else "0",
            number(chain.end),
            number(chain.state_size),
            coloured(*_AGREEMENTS[chain.agreement], " (in a known gap)" if chain.covered else ""),
        )
    return table


def _break_table(breaks: Sequence[Break], labels: Mapping[str, str]) -> Table:
    table = make_table(
        "Break", "Coin", "After the fill of", "Before the fill of", "Was", "Became", "Gap", right=("Was", "Became")
    )
    for one in breaks:
        table.add_row(
            labels.get(one.account) or short_address(one.account),
            one.coin,
            utc(one.after_ms),
            utc(one.before_ms),
            number(one.expected),
            number(one.found),
            "known" if one.covered else coloured("none: fills are missing", "red"),
        )
    return table
