"""The ground truth file, and the command that writes it."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from hlmon_sim import World
from hlmon_sim.command import sim
from hlmon_sim.rest_market import answer
from hlmon_sim.scenario import Limits
from hlmon_sim.truth import Truth


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_truth_has_every_fill_as_the_api_shows_it(tmp_path: Path) -> None:
    world = World(1)
    account = world.add_account()
    with Truth(tmp_path / "truth.jsonl") as truth:
        truth.follow(world)
        world.open(account, "BTC", "0.3", parts=3)
        world.twap_slice(world.twap(account, "SOL", 1, slices=1))
        world.close(account, "BTC")
        # Written at once: a kill right now would lose nothing.
        lines = lines_of(tmp_path / "truth.jsonl")
    ask = {"user": account.address, "startTime": 0}
    plain = [line["fill"] for line in lines if line["what"] == "fill" and line["stream"] == "userFills"]
    sliced = [line for line in lines if line["what"] == "fill" and line["stream"] == "userTwapSliceFills"]
    assert plain == answer(world, Limits(), {"type": "userFillsByTime"} | ask)
    assert [{"fill": line["fill"], "twapId": line["twapId"]} for line in sliced] == answer(
        world, Limits(), {"type": "userTwapSliceFillsByTime"} | ask
    )


def test_the_truth_tells_how_positions_ended(tmp_path: Path) -> None:
    world = World(1)
    account = world.add_account()
    with Truth(tmp_path / "truth.jsonl") as truth:
        truth.follow(world)
        world.open(account, "SOL", 10, price=100)
        world.fund("0.0001")
        world.set_time(world.now_ms + 5)
        world.close(account, "SOL", price=105)
    lines = lines_of(tmp_path / "truth.jsonl")
    (close,) = [line for line in lines if line["what"] == "close"]
    assert (close["gross"], close["size"], close["side"], close["fills"]) == ("50.0", "10.0", "long", 2)
    assert close["closed"] - close["opened"] == 5
    net = Decimal(close["gross"]) - Decimal(close["fees"]) + Decimal(close["funding"])
    assert Decimal(close["net"]) == net < 50
    assert close["tid"] == account.fills[-1].trade_id


def test_the_last_line_of_an_order_is_its_final_status(tmp_path: Path) -> None:
    world = World(1)
    account = world.add_account()
    with Truth(tmp_path / "truth.jsonl") as truth:
        truth.follow(world)
        order = world.place(account, "BTC", 1, 80_000)
        world.cancel(order)
        world.reject(account, "BTC", 1)
    statuses: dict[int, str] = {}
    for line in lines_of(tmp_path / "truth.jsonl"):
        if line["what"] == "order":
            statuses[line["order"]["oid"]] = line["status"]
    assert list(statuses.values()) == ["canceled", "perpMarginRejected"]


def test_the_truth_names_accounts_agents_and_trades(tmp_path: Path) -> None:
    world = World(1)
    account = world.add_account(mode="unifiedAccount")
    agent = world.add_agent(account)
    with Truth(tmp_path / "truth.jsonl") as truth:
        truth.follow(world)
        world.background("BTC", "0.1")
        world.deposit(account, 5)
    first, second, trade, ledger = lines_of(tmp_path / "truth.jsonl")
    assert (first["what"], first["mode"]) == ("account", "unifiedAccount")
    assert (second["account"], second["master"]) == (agent, account.address)
    assert trade["trade"]["sz"] == "0.1"
    assert ledger["delta"] == {"type": "deposit", "usdc": "5.0"}


def test_the_command_says_where_it_listens_and_whom_to_watch(tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    options = ["--port", "0", "--accounts", "3", "--history", "5", "--for", "0.01", "--ground-truth", str(truth)]
    result = CliRunner().invoke(sim, options)
    assert result.exit_code == 0, result.output
    assert result.output.count("account   0x") == 3
    assert "hlmon run --url http://127.0.0.1:" in result.output
    assert sum(line["what"] == "fill" for line in lines_of(truth)) >= 15


def test_a_wrong_fault_is_refused_with_the_right_ones() -> None:
    result = CliRunner().invoke(sim, ["--fault", "dorp@3"])
    assert result.exit_code == 2
    assert "there is no fault 'dorp'" in result.output
    assert "drop" in result.output


@pytest.mark.parametrize("text", ["drop", "drop@", "drop@soon"])
def test_a_fault_without_a_time_is_refused(text: str) -> None:
    result = CliRunner().invoke(sim, ["--fault", text])
    assert result.exit_code == 2
    assert "KIND@SECONDS" in result.output


def test_the_plugin_adds_the_command() -> None:
    from hlmon_sim import plugin

    assert "sim" in [command.name for command in plugin.hlmon_commands()]
