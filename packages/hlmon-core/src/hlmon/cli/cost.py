"""`hlmon cost`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, get_args

import click
from rich.table import Table

from hlmon.cli.options import example, json_option
from hlmon.cli.output import echo, make_table, print_json, show
from hlmon.config import load_config
from hlmon.cost import (
    CREDENTIALS,
    DAYS_PER_MONTH,
    PRICES_AS_OF,
    REGIONS,
    SOURCES,
    SPOT_SHARE,
    Capacity,
    DbMode,
    Line,
    Units,
    Usage,
    dynamodb_lines,
    monthly_lines,
    units_of,
    units_per_day,
)
from hlmon.errors import ConfigError
from hlmon.parts import enable, needs_of
from hlmon.plugins import load_catalogue

ACTIVITIES: Final = {"Light": 5, "Moderate": 30, "Heavy": 125, "Very heavy": 500}
"""Names of the scaling table, with trades a day."""

_CENT: Final = Decimal("0.01")


@click.command("cost", epilog=example("hlmon cost --accounts 3 --trades-per-day 50 --region eu-central-1"))
@click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take accounts, coins, snapshots, store and secrets from this config.",
)
@click.option("--accounts", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Accounts watched.")
@click.option(
    "--trades-per-day",
    type=click.FloatRange(0, 10_000_000),
    default=10,
    show_default=True,
    help="Trades of each account.",
)
@click.option("--coins", type=click.IntRange(0, 1_000), default=0, show_default=True, help="Coins with a CVD.")
@click.option(
    "--snapshot-seconds", type=click.IntRange(1, 86_400), default=60, show_default=True, help="As in the config."
)
@click.option(
    "--db-mode", type=click.Choice(get_args(DbMode)), default="dynamodb", show_default=True, help="The store."
)
@click.option("--shards", type=click.IntRange(1, 20), help="Tasks.  [default: one for every ten accounts]")
@click.option(
    "--capacity", type=click.Choice(get_args(Capacity)), default="spot", show_default=True, help="Fargate's price."
)
@click.option("--relay", is_flag=True, help="With the relay of alarms to notifiers.")
@click.option("--region", type=click.Choice(list(REGIONS)), default="us-east-1", show_default=True, help="AWS region.")
@json_option
def command(
    *,
    config_file: Path | None,
    accounts: int,
    trades_per_day: float,
    coins: int,
    snapshot_seconds: int,
    db_mode: DbMode,
    shards: int | None,
    capacity: Capacity,
    relay: bool,
    region: str,
    as_json: bool,
) -> None:
    """Estimate what running on AWS costs in a month.

    Prices are list prices without tax; of what AWS gives for free only the first 25 GB in DynamoDB are counted. A trade
    is an order that rests and is filled in two parts, and every second one ends a position. An order that is cancelled
    comes on top, with two writes.
    """
    usage = Usage(
        accounts=accounts,
        trades_per_day=trades_per_day,
        coins=coins,
        snapshot_seconds=snapshot_seconds,
        shards=shards,
        capacity=capacity,
        relay=relay,
    )
    if config_file is not None:
        usage, db_mode = _configured(usage, config_file)
    units, note = _units() if db_mode == "dynamodb" else (Units(), "")
    lines = monthly_lines(usage, db_mode, REGIONS[region], units)
    if as_json:
        print_json(_document(usage, lines, db_mode=db_mode, region=region, units=units))
        return
    show(_table(lines))
    if db_mode == "dynamodb":
        show(_scaling(usage, units, region))
    echo(note + _dated(region, capacity))


def _configured(usage: Usage, file: Path) -> tuple[Usage, DbMode]:
    """The usage with what a config says, and the store that it names: DynamoDB if none."""
    config = load_config(file, environ={})
    parts = enable(config, load_catalogue(config=config))
    with_secrets = {each.group for each in needs_of(config, parts) if each.need.kind == "secret"}
    stores = {sink.factory.name for sink in parts.sinks}
    configured = replace(
        usage,
        accounts=len(config.account) or usage.accounts,
        coins=len(config.hyperliquid.coins),
        snapshot_seconds=config.hyperliquid.snapshot_seconds,
        secrets=CREDENTIALS + len(with_secrets),
    )
    return configured, "supabase" if "supabase" in stores and "dynamodb" not in stores else "dynamodb"


def _units() -> tuple[Units, str]:
    """What DynamoDB's sink says of its events, and what to tell the user if it is not there to ask."""
    try:
        factory = load_catalogue().sink("dynamodb")
    except ConfigError:
        return Units(), "hlmon-dynamodb is not installed: one write unit is assumed for each event.\n"
    return units_of(factory.needs(factory.config()), factory.linger_ms), ""


def _dated(region: str, capacity: Capacity) -> str:
    """Which prices these are, in full sentences."""
    listed = f"List prices of {region}, none older than {PRICES_AS_OF} (--json: sources)."
    if capacity == "ondemand":
        return listed
    spot_day = next(source.as_of for source in SOURCES if source.prices == "Fargate Spot")
    return f"{listed}\nSpot's price changes daily: on {spot_day} it was {SPOT_SHARE:.0%} of that on demand."


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT)


def _total(lines: Sequence[Line]) -> Decimal:
    """The sum of the amounts as they are shown."""
    return sum((_cents(line.monthly_usd) for line in lines), Decimal(0))


def _document(usage: Usage, lines: Sequence[Line], *, db_mode: str, region: str, units: Units) -> dict[str, Any]:
    writes, reads = units_per_day(usage, units)
    stored = {"write_units_per_day": int(writes), "read_units_per_day": int(reads)}
    return {
        "db_mode": db_mode,
        "region": region,
        "accounts": usage.accounts,
        "trades_per_day": usage.trades_per_day,
        "coins": usage.coins,
        "snapshot_seconds": usage.snapshot_seconds,
        "total_monthly_usd": float(_total(lines)),
        "lines": [
            {
                "name": line.name,
                "detail": line.detail,
                "monthly_usd": float(_cents(line.monthly_usd)),
                "daily_usd": round(float(line.daily_usd), 4),
            }
            for line in lines
        ],
        **(stored if db_mode == "dynamodb" else {}),
        "prices_as_of": PRICES_AS_OF,
        "sources": [asdict(source) for source in SOURCES],
    }


def _table(lines: Sequence[Line]) -> Table:
    table = make_table("Service", "What", "Monthly", "Daily", right=("Monthly", "Daily"))
    for line in lines:
        table.add_row(line.name, line.detail, f"${_cents(line.monthly_usd)}", f"${line.daily_usd:.3f}")
    table.add_section()
    total = _total(lines)
    table.add_row("Total", "", f"${total}", f"${total / DAYS_PER_MONTH:.3f}")
    return table


def _scaling(usage: Usage, units: Units, region: str) -> Table:
    """DynamoDB by trading activity, all else being the same."""
    numbers = ("Trades a day", "Write units a day", "DynamoDB monthly", "Daily")
    table = make_table("Activity", *numbers, right=numbers)
    for name, trades in ACTIVITIES.items():
        busy = replace(usage, trades_per_day=trades)
        monthly = _total(dynamodb_lines(busy, units, REGIONS[region]))
        writes = f"{units_per_day(busy, units)[0]:,}"
        table.add_row(name, f"{trades}", writes, f"${monthly}", f"${monthly / DAYS_PER_MONTH:.3f}")
    return table
