"""The command `hlmon demo`: the simulator, a real monitor on it, and the live screen, with nothing to set up."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import click

from hlmon import HlmonError
from hlmon.cli.run_beside import is_readable, monitor_beside, wait_for
from hlmon.cli.watch import watch
from hlmon.journal import Journal
from hlmon_sim.background import BackgroundServer
from hlmon_sim.faults import Planned
from hlmon_sim.scenario import Scenario
from hlmon_sim.server import SimServer

COINS = ("BTC", "ETH")
NAMES = ("alice", "bob", "carol", "dave")
DROP_EVERY_SECONDS = 20
READY_SECONDS = 30.0
SETTLE_SECONDS = 5.0
TITLE = f"hlmon demo · simulated exchange, cut off every {DROP_EVERY_SECONDS} s"


@click.command(short_help="Show the monitor at work on a simulated exchange.")
@click.option("--for", "seconds", type=click.FloatRange(min=1), metavar="SECONDS", help="Stop after so many seconds.")
@click.option("--seed", default=7, show_default=True, help="Another number, another market.")
def demo(seconds: float | None, seed: int) -> None:
    """Show the monitor at work, offline: a simulated exchange, the real monitor on it, and its live screen.

    The simulator cuts the connection now and then; the end says whether anything was lost. Nothing is kept.

    \b
    Example:
      hlmon demo --for 60
    """
    with tempfile.TemporaryDirectory(prefix="hlmon-demo-") as folder:
        journal = Path(folder) / "hlmon.db"
        with Exchange(seed) as exchange, running_monitor(exchange, journal) as monitor:
            wait_for(lambda: is_readable(journal) or monitor.poll() is not None, READY_SECONDS)
            ends = time.monotonic() + seconds if seconds else None
            _show(
                journal, exchange, lambda: monitor.poll() is not None or (ends is not None and time.monotonic() > ends)
            )
            if monitor.poll() is not None:
                return
            exchange.stop_trading()
            wait_for(lambda: _stored(journal) == exchange.fills, SETTLE_SECONDS)
            click.echo(_summary(exchange, journal))
            click.echo(f"Your own account, its address is enough:  {_program()} run --account 0x…")


class Exchange(BackgroundServer):
    """The simulated exchange of the demo."""

    def __init__(self, seed: int) -> None:
        scenario = Scenario(seed=seed, accounts=len(NAMES), rate=3.0, trades_rate=8.0, history=40)
        cuts = [Planned("drop", float(at)) for at in range(DROP_EVERY_SECONDS, 86_400, DROP_EVERY_SECONDS)]
        super().__init__(SimServer(scenario, plan=cuts))

    def stop_trading(self) -> None:
        """Let nothing happen any more."""
        traffic = self.server.traffic
        traffic.rate = traffic.trades_rate = 0.0

    @property
    def labels(self) -> dict[str, str]:
        """The accounts and what to call them."""
        return dict(zip(self.server.addresses, NAMES, strict=True))

    @property
    def fills(self) -> int:
        """How many fills the accounts have made."""
        return sum(len(account.fills) for account in self.server.world.accounts.values())


def running_monitor(exchange: Exchange, journal: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """A real `hlmon run` in a process of its own, as a user would start it."""
    accounts = "".join(
        f'[[account]]\naddress = "{address}"\nlabel = "{label}"\n' for address, label in exchange.labels.items()
    )
    config = journal.with_name("hlmon.toml")
    coins = ", ".join(f'"{coin}"' for coin in COINS)
    config.write_text(f'{accounts}[hyperliquid]\nurl = "{exchange.url}"\ncoins = [{coins}]\nsnapshot_seconds = 5\n')
    return monitor_beside(["-c", str(config), "--journal", str(journal)], journal.with_name("log"))


def _show(journal: Path, exchange: Exchange, ended: Callable[[], bool]) -> None:
    if sys.stdout.isatty():
        watch(journal, labels=exchange.labels, title=TITLE, until=ended)
        return
    while not ended():
        time.sleep(0.2)
    watch(journal, labels=exchange.labels, title=TITLE)


def _program() -> str:
    """How it was called, if that can be typed again in the same folder."""
    called = Path(sys.argv[0])
    return "hlmon" if called.is_absolute() or called.name != "hlmon" else str(called)


def _summary(exchange: Exchange, journal: Path) -> str:
    made, stored = exchange.fills, _stored(journal)
    verdict = "none lost, none twice" if made == stored else "hlmon verify would say more"
    return f"The exchange made {made} fills, the monitor stored {stored}: {verdict}."


def _stored(journal: Path) -> int:
    return _count(journal, "fills")


def _count(journal: Path, view: str) -> int:
    try:
        with Journal.open(journal, read_only=True) as opened:
            return int(opened.query(f"SELECT count(*) FROM {view}")[0][0])
    except HlmonError:  # the monitor is still making it
        return 0
