"""What truly happens at the exchange, yet seldom: it has to be seen like everything else."""

from __future__ import annotations

from hlmon_sim.faults.base import Harm
from hlmon_sim.faults.network import NetworkFaults

CROWD = 2_300  # fills in one millisecond: more than a page of REST holds
NOTICE = "The exchange is being upgraded; trading will be back soon."


class EventFaults(NetworkFaults, Harm):
    """Rare happenings."""

    def crowd(self, fills: int = CROWD) -> None:
        """Let more happen in one millisecond than a page holds, just when every connection breaks."""
        self.note("crowd")
        self._cut()
        if account := self.some_account():
            self.world.crowd(account, fills)

    def switch_mode(self) -> None:
        """An account changes its mode while it is watched; one that cannot go further stays as it is."""
        self.note("switch_mode")
        able = [account for account in self.world.accounts.values() if account.mode != "portfolioMargin"]
        if able:
            self.world.switch_mode(self.chance.choice(able))

    def rename_dex(self) -> None:
        """The last dex, and all of its coins, get another name."""
        self.note("rename_dex")
        old = self.world.market.dexes[-1]
        self.world.rename_dex(old, f"{old.rstrip('0123456789')}{len(self.done)}")

    def equal_rows(self) -> None:
        """Funding is paid twice in one millisecond, and a ledger entry comes twice: rows equal in every field."""
        self.note("equal_rows")
        with self.world.block():
            self.world.fund()
            self.world.fund()
            if account := self.some_account():
                hash_ = self.world.new_hash()
                for _ in range(2):
                    account.add_cash("", self.world.market.coin("BTC").size(1))
                    self.world.ledger(account, {"type": "deposit", "usdc": "1.0"}, hash_)

    def vanish(self) -> None:
        """Resting orders end without a row that any history shows."""
        self.note("vanish")
        for account in self.world.accounts.values():
            orders = list(account.orders.values())
            if not orders:
                orders = [self.world.place(account, "BTC", "0.01", self.world.market.price("BTC") / 2)]
            self.world.vanish(self.chance.choice(orders))

    def jump(self, seconds: float = 20) -> None:
        """The exchange's clock jumps ahead."""
        self.note("jump")
        self.world.ahead_ms += int(seconds * 1000)

    def halt(self, seconds: float = 10) -> None:
        """The exchange says that something is going on; trading goes on nevertheless."""
        self.note("halt", seconds, lambda: self._set_notice(""))
        self._set_notice(NOTICE)

    def _set_notice(self, notice: str) -> None:
        self.world.notice = notice
