"""What running hlmon on AWS costs in a month, purely: prices with their dates, a model of traffic, a table.

The model is of one small task for every ten accounts, as the deployment makes them. What an event costs to store is not
known here: the store's plugin says it in its needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal

from hlmon.contract import Need

DbMode = Literal["dynamodb", "supabase"]
Capacity = Literal["spot", "ondemand"]


@dataclass(frozen=True, kw_only=True)
class PriceSource:
    """Where a group of prices stands, and of which day AWS's price list, or the page, was that they are from."""

    prices: str
    url: str
    as_of: str


SOURCES: Final = (
    PriceSource(prices="Fargate, ARM", url="https://aws.amazon.com/fargate/pricing/", as_of="2026-09-06"),
    PriceSource(prices="Fargate Spot", url="https://aws.amazon.com/fargate/pricing/", as_of="2026-09-29"),
    PriceSource(prices="DynamoDB", url="https://aws.amazon.com/dynamodb/pricing/on-demand/", as_of="2026-08-15"),
    PriceSource(prices="Public IPv4", url="https://aws.amazon.com/vpc/pricing/", as_of="2026-09-23"),
    PriceSource(prices="CloudWatch", url="https://aws.amazon.com/cloudwatch/pricing/", as_of="2026-09-11"),
    PriceSource(prices="Secrets Manager", url="https://aws.amazon.com/secrets-manager/pricing/", as_of="2026-09-05"),
    PriceSource(prices="ECR", url="https://aws.amazon.com/ecr/pricing/", as_of="2026-09-23"),
    PriceSource(prices="Supabase", url="https://supabase.com/pricing", as_of="2026-10-01"),
)
"""First tiers, in USD without tax."""

PRICES_AS_OF: Final = min(source.as_of for source in SOURCES)
"""No price is older than this."""

HOURS_PER_MONTH: Final = 730
DAYS_PER_MONTH: Final = Decimal(HOURS_PER_MONTH) / 24


@dataclass(frozen=True, kw_only=True)
class Region:
    """Prices that differ by region."""

    vcpu_hour: Decimal  # Fargate, Linux on ARM, on demand
    gb_hour: Decimal
    million_writes: Decimal  # DynamoDB on-demand units
    million_reads: Decimal
    stored_gb: Decimal  # beyond the first 25 GB, which are free
    backup_gb: Decimal  # point-in-time recovery, of the whole size
    log_gb: Decimal


def _region(*prices: str) -> Region:
    names = ("vcpu_hour", "gb_hour", "million_writes", "million_reads", "stored_gb", "backup_gb", "log_gb")
    return Region(**dict(zip(names, map(Decimal, prices), strict=True)))


REGIONS: Final[Mapping[str, Region]] = {
    "us-east-1": _region("0.03238", "0.00356", "0.625", "0.125", "0.25", "0.20", "0.50"),
    "eu-central-1": _region("0.03725", "0.00409", "0.7625", "0.1525", "0.306", "0.2448", "0.63"),
    "ap-northeast-1": _region("0.04045", "0.00442", "0.715", "0.1425", "0.285", "0.228", "0.76"),
}
"""The regions of which every price is known with its date."""

SPOT_SHARE: Final = Decimal("0.32")  # of the on-demand price; 0.31 to 0.32 on that day, and AWS changes it daily
IPV4_HOUR: Final = Decimal("0.005")
ALARM: Final = Decimal("0.10")
METRIC: Final = Decimal("0.30")
SECRET: Final = Decimal("0.40")
IMAGE_GB: Final = Decimal("0.10")
SUPABASE_PRO: Final = Decimal(25)

TASK_VCPU: Final = Decimal("0.25")
TASK_GB: Final = Decimal("0.5")
ACCOUNTS_PER_TASK: Final = 10  # users that the exchange lets one IP address follow
ALARMS: Final = 7  # of each task: CPU, memory, running, silence, lag, well, errors
RELAY_ALARMS: Final = 1  # what it could not deliver
CREDENTIALS: Final = 1  # the secret with the accounts
METRICS: Final = 4  # the last four are read from the log, and such metrics cost
LOG_GB: Final = Decimal("0.5")  # of each task
IMAGES_GB: Final = Decimal(1)  # the last few images
FREE_STORED_GB: Final = 25
KEPT_DAYS: Final = 365  # stored rows are counted as of a year

_DAY_S: Final = 86_400
_MINUTES: Final = 1_440
LOOKED_AT: Final = 4  # streams of an account whose checkpoint moves with each look over REST, else with their rows
LOOKS_PER_DAY: Final = 96
OPEN_POSITIONS: Final = 3  # of an account at any time
TRADE_FRAME_S: Final = 0.291  # between those of a busy coin; each changes its CVD bucket
EVENTS_PER_TRADE: Final[Mapping[str, float]] = {
    "fill": 2,
    "order": 3,  # placed, filled in part, filled
    "position": 2,
    "position_closed": 0.5,
    "alert": 0.5,
    "checkpoint": 2,
}
"""A trade is an order that rests and is filled in two parts; every second one ends a position.

It moves the checkpoints of fills and of orders.
"""
ROW_BYTES: Final = 700


@dataclass(frozen=True, kw_only=True)
class Usage:
    """How much there is to watch; `trades_per_day` are those of each account."""

    accounts: int = 1
    trades_per_day: float = 10
    coins: int = 0
    snapshot_seconds: int = 60
    shards: int | None = None  # None: as many as the accounts take
    secrets: int | None = None  # None: those of the store alone
    relay: bool = False
    capacity: Capacity = "spot"

    @property
    def tasks(self) -> int:
        """How many tasks there are, each with an IP address of its own."""
        return self.shards or max(1, math.ceil(self.accounts / ACCOUNTS_PER_TASK))


@dataclass(frozen=True, kw_only=True)
class Units:
    """Capacity units that storing one event takes, by kind; one write for a kind that is not named.

    A state that changes several times within `linger_ms` is stored once.
    """

    write: Mapping[str, int] = field(default_factory=dict)
    read: Mapping[str, int] = field(default_factory=dict)
    linger_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of the table; `detail` says how it comes about."""

    name: str
    detail: str
    monthly_usd: Decimal

    @property
    def daily_usd(self) -> Decimal:
        """A day's part."""
        return self.monthly_usd / DAYS_PER_MONTH


def units_of(needs: Iterable[Need], linger_ms: int = 0) -> Units:
    """What the store's plugin says that an event costs: `write_units` and `read_units` of the tables it needs."""
    details = [need.details for need in needs if need.kind == "table"]
    write, read = _merged(details, "write_units"), _merged(details, "read_units")
    return Units(write=write, read=read, linger_ms=linger_ms)


def events_per_day(usage: Usage, linger_ms: int = 0) -> dict[str, float]:
    """How many events of each kind are written in a day to a store that lingers so long."""
    intervals = _DAY_S / usage.snapshot_seconds
    events = {kind: number * usage.trades_per_day for kind, number in EVENTS_PER_TRADE.items()}
    events["account"] = intervals
    events["position"] += OPEN_POSITIONS * intervals  # their marks are brought up to date with each snapshot
    events["funding"] = OPEN_POSITIONS * 24
    events["checkpoint"] = min(events["checkpoint"], 2 * _MINUTES) + LOOKED_AT * LOOKS_PER_DAY
    events = {kind: number * usage.accounts for kind, number in events.items()}
    events["checkpoint"] += usage.coins * _MINUTES
    events["cvd"] = usage.coins * _bucket_changes(linger_ms / 1000)
    return events


def _bucket_changes(linger_s: float) -> float:
    """How often a busy coin's CVD is written in a day: at each call, the ended bucket too if a minute ended before."""
    calls = _DAY_S / max(linger_s, TRADE_FRAME_S)
    return calls + _MINUTES if linger_s > TRADE_FRAME_S else calls


def units_per_day(usage: Usage, units: Units) -> tuple[Decimal, Decimal]:
    """Write and read units of a day."""
    events = events_per_day(usage, units.linger_ms)
    writes = sum(number * units.write.get(kind, 1) for kind, number in events.items())
    reads = sum(number * units.read.get(kind, 0) for kind, number in events.items())
    return Decimal(round(writes)), Decimal(round(reads))


def dynamodb_lines(usage: Usage, units: Units, region: Region) -> list[Line]:
    """Requests and storage. The free 25 units a second are for provisioned tables, so they are not in it."""
    writes, reads = units_per_day(usage, units)
    stored = _stored_gb(usage)
    beyond_free = max(Decimal(0), stored - FREE_STORED_GB)
    requests = (writes * region.million_writes + reads * region.million_reads) * DAYS_PER_MONTH / 1_000_000
    return [
        Line(
            name="DynamoDB requests",
            detail=f"on demand, {writes:,} write and {reads:,} read units a day",
            monthly_usd=requests,
        ),
        Line(
            name="DynamoDB storage",
            detail=f"{stored:.2f} GB after a year, with point-in-time recovery",
            monthly_usd=beyond_free * region.stored_gb + stored * region.backup_gb,
        ),
    ]


def monthly_lines(usage: Usage, db_mode: DbMode, region: Region, units: Units) -> list[Line]:
    """The whole table: the store first, then what both modes need."""
    tasks = usage.tasks
    hours = tasks * HOURS_PER_MONTH
    on_demand = (TASK_VCPU * region.vcpu_hour + TASK_GB * region.gb_hour) * hours
    secrets = usage.secrets or CREDENTIALS + (db_mode == "supabase")
    supabase = Line(name="Supabase Pro", detail="8 GB database, 250 GB bandwidth", monthly_usd=SUPABASE_PRO)
    logs, metrics = LOG_GB * tasks, METRICS * tasks
    alarms = ALARMS * tasks + RELAY_ALARMS * usage.relay
    return [
        *([supabase] if db_mode == "supabase" else dynamodb_lines(usage, units, region)),
        _fargate(f"{tasks} × {TASK_VCPU} vCPU, {TASK_GB} GB, ARM", on_demand, usage.capacity),
        Line(name="Public IPv4", detail=f"{tasks} × ${IPV4_HOUR} an hour", monthly_usd=IPV4_HOUR * hours),
        Line(
            name="CloudWatch",
            detail=f"{logs} GB of logs, {alarms} alarms, {metrics} custom metrics",
            monthly_usd=logs * region.log_gb + alarms * ALARM + metrics * METRIC,
        ),
        Line(
            name="Secrets Manager",
            detail="1 secret" if secrets == 1 else f"{secrets} secrets",
            monthly_usd=secrets * SECRET,
        ),
        Line(name="ECR", detail=f"{IMAGES_GB} GB of images", monthly_usd=IMAGES_GB * IMAGE_GB),
    ]


def _fargate(size: str, on_demand: Decimal, capacity: Capacity) -> Line:
    if capacity == "ondemand":
        return Line(name="Fargate", detail=size, monthly_usd=on_demand)
    return Line(name="Fargate Spot", detail=f"{size}; ${on_demand:.2f} on demand", monthly_usd=on_demand * SPOT_SHARE)


def _stored_gb(usage: Usage) -> Decimal:
    """What a year leaves: facts, ended orders and CVD buckets; other states replace themselves."""
    events = events_per_day(usage)
    lasting = sum(events[kind] for kind in ("fill", "order", "position_closed", "alert", "account", "funding"))
    lasting += usage.coins * _MINUTES
    return Decimal(round(lasting * KEPT_DAYS * ROW_BYTES)) / 1_000_000_000


def _merged(details: Iterable[Mapping[str, Any]], name: str) -> dict[str, int]:
    return {kind: units for one in details for kind, units in one.get(name, {}).items()}
