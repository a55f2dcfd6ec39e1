"""`hlmon verify`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from hlmon.cli.options import example, journal_options, json_option, labels_in, open_journal
from hlmon.cli.output import coloured, echo, make_table, print_json, show
from hlmon.cli.text import number, short_address, utc
from hlmon.events import Fill, Gap, Position
from hlmon.journal import Journal
from hlmon.verify import Break, Chain, verify

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
    other, and the last one must end at the size that the exchange shows. Exit code 1 if they do not and no gap
    (`hlmon gaps`) admits it.
    """
    config, opened = open_journal(config_file, journal)
    with opened:
        chains = _chains(opened, now_ms=time.time_ns() // 1_000_000)
        labels = labels_in(opened, config)
    proven = all(chain.proven for chain in chains)
    if as_json:
        print_json({"proven": proven, "chains": [_plain(chain) for chain in chains]})
    else:
        _print(chains, labels)
    ctx.exit(0 if proven else 1)


def _chains(journal: Journal, *, now_ms: int) -> list[Chain]:
    """Account by account, so that memory holds the fills of one only."""
    accounts = journal.query(
        "SELECT account_address FROM fills UNION SELECT account_address FROM positions ORDER BY account_address"
    )
    return [
        chain
        for (account,) in accounts
        for chain in verify(
            [fill for fill in journal.states("fill", account) if isinstance(fill, Fill)],
            [position for position in journal.states("position", account) if isinstance(position, Position)],
            [gap for gap in journal.states("gap", account) if isinstance(gap, Gap)],
            now_ms=now_ms,
        )
    ]


def _plain(chain: Chain) -> dict[str, Any]:
    return asdict(chain) | {"proven": chain.proven}


def _print(chains: Sequence[Chain], labels: Mapping[str, str]) -> None:
    breaks = [one for chain in chains for one in chain.breaks]
    if chains:
        show(_table(chains, labels))
    if breaks:
        show(_break_table(breaks, labels))
    accounts = len({chain.account for chain in chains})
    fills = sum(chain.fills for chain in chains)
    echo(f"Perp fills: {fills:,}. Accounts: {accounts}. Chains (account and coin): {len(chains)}.")
    echo(_conclusion(chains))


def _conclusion(chains: Sequence[Chain]) -> str:
    if not chains:
        return "There is nothing to prove yet: the journal has no perp fills."
    missing = sum(not chain.proven for chain in chains)
    admitted = sum(one.covered for chain in chains for one in chain.breaks) + sum(chain.covered for chain in chains)
    uncompared = sum(chain.agreement not in {"equal", "differs"} for chain in chains)
    if missing:
        return f"NOT PROVEN: fills are missing in {missing} of the chains, and no gap admits it."
    if admitted:
        return f"Fills are missing in {admitted} places, all of them in known gaps (hlmon gaps); nowhere else."
    if uncompared:
        return f"No fill is missing inside any chain; {uncompared} could not be compared with an account state."
    return "Proven: no fill is missing."


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
            coloured(str(len(chain.breaks)), "red") if chain.breaks else "0",
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
