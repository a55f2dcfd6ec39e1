"""The command `hlmon sim`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

import click

from hlmon_sim import faults
from hlmon_sim.scenario import Limits, Scenario
from hlmon_sim.server import SimServer


@click.command(short_help="Run a simulated exchange on this machine.")
@click.option("--port", default=3_001, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same accounts, prices and faults.")
@click.option("--accounts", default=10, show_default=True, type=click.IntRange(0), help="How many accounts trade.")
@click.option("--rate", default=2.0, show_default=True, help="Fills per second over all accounts; 0 for none.")
@click.option("--trades", "trades_rate", default=5.0, show_default=True, help="Trades per second between others.")
@click.option("--speed", default=60.0, show_default=True, help="Exchange seconds per second: prices, funding, TWAPs.")
@click.option("--history", default=0, show_default=True, help="Fills that each account has made before the start.")
@click.option("--faults", "faults_", type=click.Choice(["none", "some", "all"]), default="none", show_default=True,
              help="Random faults, one about every eight seconds.")  # fmt: skip
@click.option("--fault", "planned", multiple=True, metavar="KIND@SECONDS",
              help=f"A fault at a time, repeatable. Kinds: {', '.join(faults.KINDS)}.")  # fmt: skip
@click.option("--skew", default=0.0, show_default=True, metavar="SECONDS",
              help="How far the exchange's clock is ahead of this machine's.")  # fmt: skip
@click.option("--user-cap", default=15, show_default=True, help="Most users that one IP address may follow.")
@click.option(
    "--weight", default=1_200, show_default=True, help="REST weight that one IP address may spend in a minute."
)
@click.option("--ground-truth", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Append what truly happens to this file, as JSON lines.")  # fmt: skip
@click.option("--for", "seconds", type=float, metavar="SECONDS", help="Stop after so many seconds.")
def sim(
    *,
    port: int,
    host: str,
    seed: int,
    accounts: int,
    rate: float,
    trades_rate: float,
    speed: float,
    history: int,
    faults_: str,
    planned: tuple[str, ...],
    skew: float,
    user_cap: int,
    weight: int,
    ground_truth: Path | None,
    seconds: float | None,
) -> None:
    """Run a simulated Hyperliquid exchange on this machine: WebSocket and REST, accounts that trade, and faults."""
    scenario = Scenario(
        seed=seed,
        accounts=accounts,
        rate=rate,
        trades_rate=trades_rate,
        speed=speed,
        history=history,
        skew_seconds=skew,
        limits=Limits(users=user_cap, weight_per_minute=weight),
    )
    try:
        plan = [faults.parse(text) for text in planned]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from None
    plan += faults.random_plan(seed, {"none": (), "some": faults.SOME, "all": faults.KINDS}[faults_])
    try:
        asyncio.run(serve(SimServer(scenario, host=host, port=port, plan=plan, truth=ground_truth), seconds))
    except OSError as error:
        raise click.ClickException(f"cannot run the simulator on {host}:{port}: {error.strerror or error}") from None


async def serve(server: SimServer, seconds: float | None) -> None:
    """Run a server until it is interrupted or its time is over."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with server:
        click.echo(describe(server))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)
    click.echo(f"stopped; {sum(len(account.fills) for account in server.world.accounts.values())} fills kept")


def describe(server: SimServer) -> str:
    """What somebody who wants to use the server needs to know."""
    lines = [f"exchange  {server.url}", f"websocket {server.ws_url}"]
    for account in server.world.accounts.values():
        kind = account.role if account.role != "user" else account.mode
        lines.append(f"account   {account.address}  {kind}")
    lines += [f"agent     {agent}  of {master}" for agent, master in server.world.agents.items()]
    if server.addresses:
        lines.append(f"watch one: hlmon run --url {server.url} --account {server.addresses[0]}")
    return "\n".join(lines)
