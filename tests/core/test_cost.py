"""What it costs: the arithmetic, the command and the corrections of the first estimate."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from hlmon.cli import cost as command_module
from hlmon.cli import program
from hlmon.contract import Need
from hlmon.cost import (
    DAYS_PER_MONTH,
    PRICES_AS_OF,
    REGIONS,
    Units,
    Usage,
    dynamodb_lines,
    events_per_day,
    monthly_lines,
    units_of,
    units_per_day,
)
from hlmon.errors import ConfigError
from hlmon.events import STORED

PAGE = Path(__file__).resolve().parents[2] / "docs" / "dynamodb.md"
VIRGINIA = REGIONS["us-east-1"]
ONE_EACH = Units(read=dict.fromkeys(["fill", "account", "funding", "alert", "position_closed"], 1))


def amounts(db_mode="dynamodb", region=VIRGINIA, units=ONE_EACH, **usage) -> dict[str, Decimal]:
    return {line.name: line.monthly_usd for line in monthly_lines(Usage(**usage), db_mode, region, units)}


def run(*options: str) -> dict:
    result = CliRunner().invoke(program, ["cost", "--json", *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_public_address_is_in_the_table_for_each_task():
    assert amounts()["Public IPv4"] == Decimal("3.65")
    assert amounts(accounts=11)["Public IPv4"] == Decimal("7.30")


def test_snapshots_every_minute_are_1440_writes_a_day():
    assert events_per_day(Usage())["account"] == 1_440
    assert events_per_day(Usage(snapshot_seconds=600))["account"] == 144


def test_a_trade_more_is_a_few_writes_more_and_an_account_more_is_all_again():
    one, ten = (units_per_day(Usage(trades_per_day=trades), Units())[0] for trades in (1, 10))
    assert ten - one == 9 * 10
    assert units_per_day(Usage(accounts=3), Units())[0] == 3 * ten


def test_on_demand_tables_get_none_of_the_free_provisioned_units():
    writes, reads = units_per_day(Usage(), ONE_EACH)
    requests = dynamodb_lines(Usage(), ONE_EACH, VIRGINIA)[0].monthly_usd
    assert requests == (writes * Decimal("0.625") + reads * Decimal("0.125")) / 1_000_000 * DAYS_PER_MONTH > 0


def test_the_units_of_a_kind_are_what_the_plugin_says():
    needs = [
        Need(kind="table", name="a", why="", details={"write_units": {"fill": 2}, "read_units": {"fill": 1}}),
        Need(kind="table", name="b", why="", details={"write_units": {"account": 1}}),
        Need(kind="permission", name="a", why="", details={"write_units": {"order": 9}}),
    ]
    assert units_of(needs) == Units(write={"fill": 2, "account": 1}, read={"fill": 1})
    assert units_of([], linger_ms=5_000).linger_ms == 5_000
    usage = Usage(trades_per_day=100)
    assert units_per_day(usage, units_of(needs))[0] - units_per_day(usage, Units())[0] == 200


def test_a_busy_coin_is_written_once_in_the_time_that_the_store_lingers_and_when_a_minute_ends():
    def written(linger_ms: int) -> float:
        return events_per_day(Usage(coins=1), linger_ms)["cvd"]

    assert written(5_000) == 86_400 / 5 + 1_440
    assert written(0) == written(100) == pytest.approx(296_907, abs=1)
    assert events_per_day(Usage(coins=4), 5_000)["cvd"] == 4 * written(5_000)


def test_the_writes_of_a_day_are_those_to_a_store_that_lingers():
    lingering, eager = (units_per_day(Usage(coins=1), Units(linger_ms=linger_ms))[0] for linger_ms in (5_000, 0))
    assert eager - lingering == pytest.approx(296_907 - 18_720, abs=1)


def test_only_events_that_are_stored_are_counted():
    assert events_per_day(Usage(coins=1)).keys() <= STORED.keys()


def test_supabase_costs_its_plan_and_no_requests():
    table = amounts("supabase")
    assert table["Supabase Pro"] == 25
    assert [name for name in table if name.startswith("DynamoDB")] == []


def test_one_account_costs_what_the_first_estimate_claims():
    assert 7 < sum(amounts().values()) < 10
    assert 32 < sum(amounts("supabase").values()) < 35


def test_each_task_has_logs_alarms_and_metrics_of_its_own():
    assert amounts()["CloudWatch"] == Decimal("0.5") * VIRGINIA.log_gb + Decimal("0.7") + Decimal("1.2")
    assert amounts(accounts=11)["CloudWatch"] == 2 * amounts()["CloudWatch"]


def test_storage_is_free_up_to_25_gb_but_its_backup_is_not():
    def stored(usage: Usage) -> tuple[Decimal, Decimal]:
        line = dynamodb_lines(usage, Units(), VIRGINIA)[1]
        return line.monthly_usd, Decimal(line.detail.split(" ")[0])

    small, small_gb = stored(Usage())
    large, large_gb = stored(Usage(accounts=200))
    assert small == pytest.approx(small_gb * VIRGINIA.backup_gb, abs=Decimal("0.002"))
    expected = large_gb * VIRGINIA.backup_gb + (large_gb - 25) * VIRGINIA.stored_gb
    assert large == pytest.approx(expected, abs=Decimal("0.01"))


def test_every_region_has_every_price():
    assert all(price > 0 for region in REGIONS.values() for price in vars(region).values())
    assert amounts(region=REGIONS["eu-central-1"])["Fargate Spot"] > amounts()["Fargate Spot"]


@pytest.mark.parametrize("db_mode", ["dynamodb", "supabase"])
@pytest.mark.parametrize("region", REGIONS)
def test_the_total_is_the_sum_of_the_lines_that_are_shown(db_mode, region):
    document = run("--db-mode", db_mode, "--region", region, "--accounts", "3", "--trades-per-day", "120")
    assert document["total_monthly_usd"] == pytest.approx(sum(line["monthly_usd"] for line in document["lines"]))
    assert (document["db_mode"], document["region"], document["accounts"]) == (db_mode, region, 3)


def test_every_price_has_a_page_and_a_day_and_none_is_older_than_the_day_that_is_shown():
    document = run()
    assert all(source["url"].startswith("https://") and source["prices"] for source in document["sources"])
    days = [date.fromisoformat(source["as_of"]) for source in document["sources"]]
    assert min(days) == date.fromisoformat(document["prices_as_of"])
    charged = {line["name"].split()[0] for mode in ("dynamodb", "supabase") for line in run("--db-mode", mode)["lines"]}
    assert charged == {source["prices"].split()[0].rstrip(",") for source in document["sources"]}


def test_the_user_sees_how_old_the_prices_are_and_that_the_one_of_spot_changes():
    text = CliRunner().invoke(program, ["cost", "--region", "ap-northeast-1"]).stdout
    assert f"List prices of ap-northeast-1, none older than {PRICES_AS_OF}" in text
    assert "Spot's price changes daily: on 2026-09-29 it was 32% of that on demand." in text


def test_a_store_that_is_not_installed_is_said_to_be_assumed(monkeypatch):
    def missing(_name: str) -> None:
        raise ConfigError("no such sink")

    monkeypatch.setattr(command_module, "load_catalogue", lambda: SimpleNamespace(sink=missing))
    result = CliRunner().invoke(program, ["cost"])
    assert "hlmon-dynamodb is not installed" in result.stdout


def test_the_table_shows_each_line_the_total_and_how_activity_scales():
    text = CliRunner().invoke(program, ["cost"]).stdout
    names = ["DynamoDB requests", "Fargate Spot", "Public IPv4", "CloudWatch", "Secrets Manager", "ECR", "Total"]
    assert [name for name in [*names, "Light", "Very heavy"] if name not in text] == []


def test_the_page_about_dynamodb_shows_what_the_program_says():
    row = re.compile(r"^\| `(--.*)` \| ([\d,]+) \| \$([\d.]+) \| \$([\d.]+) \|$", re.MULTILINE)
    rows = row.findall(PAGE.read_text(encoding="utf-8"))
    assert len(rows) == 5
    for options, *shown in rows:
        document = run(*options.split())
        store = sum(line["monthly_usd"] for line in document["lines"] if line["name"].startswith("DynamoDB"))
        assert shown == [f"{document['write_units_per_day']:,}", f"{store:.2f}", f"{document['total_monthly_usd']:.2f}"]


@pytest.mark.parametrize(
    "options", [["--accounts", "0"], ["--trades-per-day", "-1"], ["--region", "mars-1"], ["--db-mode", "paper"]]
)
def test_what_cannot_be_is_refused(options):
    assert CliRunner().invoke(program, ["cost", *options]).exit_code == 2
