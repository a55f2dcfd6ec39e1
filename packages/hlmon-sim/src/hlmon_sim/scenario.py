"""What a simulated exchange is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from hlmon_sim.account import Account, Mode
from hlmon_sim.world import World

DAY_MS = 86_400_000


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one IP address may do; the defaults are the exchange's."""

    users: int = 15
    subscriptions: int = 1_000
    messages_per_minute: int = 2_000
    connections: int = 10
    new_connections_per_minute: int = 30
    weight_per_minute: int = 1_200
    posts_in_flight: int = 100
    idle_seconds: float = 60.0
    snapshot_rows: int = 100
    page_rows: int = 2_000
    short_page_rows: int = 500  # funding and ledger


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Who trades and how much.

    `rate`: fills per second over all accounts (0: only what a script does). `trades_rate`: trades per second between
    outsiders. `speed`: exchange seconds per second for prices, funding and TWAPs. `history`: fills that each account
    has already made when the server starts, spread over `history_ms`. `skew_seconds`: how far the exchange's clock is
    ahead of this machine's.
    """

    seed: int = 1
    accounts: int = 10
    rate: float = 2.0
    trades_rate: float = 5.0
    speed: float = 60.0
    history: int = 0
    history_ms: int = DAY_MS
    skew_seconds: float = 0.0
    limits: Limits = field(default_factory=Limits)


_MODES: tuple[Mode, ...] = ("default", "unifiedAccount", "portfolioMargin", "disabled")


def populate(world: World, accounts: int) -> list[Account]:
    """Add so many accounts of all sorts: modes in turns, a sub-account, a vault, makers with rebates, one agent."""
    made: list[Account] = []
    for index in range(accounts):
        account = world.add_account(
            usdc=20_000 * (1 + index % 7),
            mode=_MODES[index % len(_MODES)],
            leverage=(5, 10, 3, 20)[index % 4],
            maker_rate=Decimal("-0.00003") if index % 3 == 2 else Decimal("0.00015"),
            builder_rate=Decimal("0.0001") if index % 5 == 4 else Decimal(0),
        )
        if index == 4:
            account.role, account.master = "subAccount", made[0].address
        if index == 5:
            account.role = "vault"
        made.append(account)
    if made:
        world.add_agent(made[0])
    return made
