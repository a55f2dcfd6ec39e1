"""The exchange's books: accounts, markets, ids, and the publication of what happens, block by block."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, TypeVar

from msgspec import structs

from hlmon_sim.account import Account, Mode, Role
from hlmon_sim.market import Market
from hlmon_sim.numbers import ZERO
from hlmon_sim.orders import Order
from hlmon_sim.records import (
    AccountEvent,
    Fill,
    FundingPayment,
    Json,
    LedgerEntry,
    Notification,
    Oddity,
    OrderChange,
    Record,
    Trade,
    TwapChange,
)

LIQUIDATOR = "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14"
TRADES_KEPT = 1_000
DAY_MS = 86_400_000
RecordT = TypeVar("RecordT", bound=Record)
Listener = Callable[[Sequence[Record]], None]


class Exchange:
    """Keeps the books. The same seed and the same calls at the same times give the same history.

    It has no clock: `now_ms` is what every record is stamped with, and only grows (`set_time`).
    """

    def __init__(self, seed: int = 1, now_ms: int = 1_790_000_000_000) -> None:
        self.seed = seed
        self.now_ms = now_ms
        self.late_ms = 0  # how much later than it happens the API shows what happens now
        self.ahead_ms = 0  # how far the exchange's clock is ahead of the one that drives it
        self.notice = ""  # of a halt or an upgrade: what exchangeStatus says
        self.odd: Callable[[Record], Oddity] | None = None  # which fields of a row are sent otherwise than documented
        self.market = Market(seed)
        self.accounts: dict[str, Account] = {}
        self.agents: dict[str, str] = {}  # agent address -> its master
        self.agents_end: dict[str, int] = {}  # agent address -> until when it may trade, ms
        self.trades: dict[str, deque[Trade]] = {name: deque(maxlen=TRADES_KEPT) for name in self.market.quotes}
        self.listeners: list[Listener] = []
        self._random = random.Random(f"{seed}/ids")
        self._last_order_id = 565_000_000_000
        self._last_twap_id = 2_200_000
        self._block: list[Record] = []
        self._depth = 0
        self.outsiders = [self.new_address() for _ in range(40)]

    def set_time(self, now_ms: int) -> None:
        """The exchange's time from now on; it never goes back."""
        self.now_ms = max(self.now_ms, now_ms)

    # ids

    def new_address(self) -> str:
        """An address that nobody has."""
        return f"0x{self._random.getrandbits(160):040x}"

    def new_hash(self) -> str:
        """A transaction hash."""
        return f"0x{self._random.getrandbits(256):064x}"

    def new_trade_id(self) -> int:
        """About 50 bits, like the hash of two order ids that it is on the exchange."""
        return self._random.getrandbits(50) | 1

    def new_order_id(self) -> int:
        """Order ids grow over the whole exchange."""
        self._last_order_id += self._random.randint(1, 3_000)
        return self._last_order_id

    def new_twap_id(self) -> int:
        """TWAP ids grow too."""
        self._last_twap_id += self._random.randint(1, 30)
        return self._last_twap_id

    def new_cloid(self) -> str:
        """A client order id."""
        return f"0x{self._random.getrandbits(128):032x}"

    def outsider(self) -> str:
        """The address of somebody who is not simulated."""
        return self._random.choice(self.outsiders)

    # accounts

    def add_account(
        self,
        address: str | None = None,
        *,
        usdc: Decimal | int = 100_000,
        mode: Mode = "default",
        role: Role = "user",
        master: str = "",
        leverage: int = 5,
        **rates: Any,
    ) -> Account:
        """A new account with this much USDC: all on the main dex, a tenth on each further dex (classic modes).

        `rates` are `taker_rate`, `maker_rate` (negative: rebate) and `builder_rate`.
        """
        account = Account(
            (address or self.new_address()).lower(), mode=mode, role=role, master=master, leverage=leverage, **rates
        )
        amount = Decimal(usdc)
        account.balance("USDC", 0)
        account.add_cash("", amount)
        if not account.unified:
            for dex in self.market.dexes[1:]:
                account.add_cash("", -amount / 10)
                account.add_cash(dex, amount / 10)
        self.accounts[account.address] = account
        return account

    def add_agent(self, master: Account, days: float = 100) -> str:
        """The address of an API wallet of this account, which may trade for so many days."""
        address = self.new_address()
        self.agents[address] = master.address
        self.agents_end[address] = self.now_ms + int(days * DAY_MS)
        return address

    def account(self, address: str) -> Account | None:
        """The account at this address (any case), None if it does not trade here: agents, unknown ones."""
        return self.accounts.get(address.lower())

    # what happens

    @contextmanager
    def block(self) -> Iterator[None]:
        """Everything that happens inside is published together at the end; blocks inside blocks join the outer one."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth and self._block:
                records, self._block = tuple(self._block), []
                for listener in self.listeners:
                    listener(records)

    def record(self, record: Record) -> None:
        """Add to the block that is open."""
        self._block.append(record)

    def stamp(self) -> dict[str, Any]:
        """The times of a record that happens now."""
        return {"time_ms": self.now_ms, "visible_ms": self.now_ms + self.late_ms}

    def note_fill(self, account: Account, fill: Fill) -> None:
        """Keep and publish a fill; slices of own TWAPs go to their own history."""
        fill = self._oddly(fill)
        (account.fills if fill.twap_id is None else account.slices).append(fill)
        account.volume += fill.price * fill.size
        account.pnl += fill.closed_pnl - (fill.fee if fill.fee_token == "USDC" else ZERO)
        self.record(fill)

    def note_trade(self, **facts: Any) -> Trade:
        """Print a trade."""
        trade = self._oddly(Trade(**self.stamp(), **facts))
        self.trades[trade.coin].append(trade)
        self.market.note_trade(trade.coin, trade.price, trade.size, trade.time_ms)
        self.record(trade)
        return trade

    def note_funding(self, account: Account, coin: str, usdc: Decimal, size: Decimal, rate: Decimal) -> None:
        """Keep and publish a funding payment."""
        facts: Json = {"account": account.address, "coin": coin, "usdc": usdc, "size": size, "rate": rate}
        payment = self._oddly(FundingPayment(**facts, **self.stamp()))
        account.fundings.append(payment)
        account.pnl += usdc
        self.record(payment)

    def note_ledger(self, account: Account, delta: Json, hash_: str = "") -> LedgerEntry:
        """Keep and publish a ledger entry."""
        facts: Json = {"account": account.address, "hash": hash_ or self.new_hash(), "delta": delta}
        entry = self._oddly(LedgerEntry(**facts, **self.stamp()))
        account.ledger.append(entry)
        self.record(entry)
        return entry

    def note_order(self, account: Account, order: Order, status: str, *, is_hidden: bool = False) -> None:
        """Keep and publish that an order took a status; only open ones stay in the book.

        Hidden: no history shows it, but the order is gone all the same.
        """
        if status == "open":
            account.orders[order.order_id] = order
        elif status not in {"triggered", "waitingForFill"}:
            account.orders.pop(order.order_id, None)
        facts: Json = {"account": account.address, "order": order.render(), "status": status}
        change = self._oddly(OrderChange(**facts, is_hidden=is_hidden, **self.stamp()))
        if not is_hidden:
            account.order_changes.append(change)
        self.record(change)

    def note_twap(self, account: Account, twap_id: int, state: Json, status: str) -> None:
        """Keep and publish that a TWAP began or ended."""
        facts: Json = {"account": account.address, "twap_id": twap_id, "state": state, "status": status}
        change = self._oddly(TwapChange(**facts, **self.stamp()))
        account.twap_changes.append(change)
        self.record(change)

    def _oddly(self, record: RecordT) -> RecordT:
        odd = self.odd(record) if self.odd else ()
        return structs.replace(record, odd=odd) if odd else record

    def note_event(self, account: Account, event: Json) -> None:
        """Publish what only userEvents shows."""
        self.record(AccountEvent(account=account.address, event=event, **self.stamp()))

    def notify(self, account: Account, text: str) -> None:
        """Publish a text for the account's owner."""
        self.record(Notification(account=account.address, text=text, **self.stamp()))
