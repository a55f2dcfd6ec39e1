"""Odd rows and odd parts of states."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from hlmon_sim.account import Account
from hlmon_sim.faults.base import Harm
from hlmon_sim.oddities import ESSENTIAL, HARMLESS, choose, with_odd
from hlmon_sim.records import Fill, FundingPayment, LedgerEntry, Oddity, OrderChange, Record, Trade

SHARE = 0.3  # of the rows, while rows are odd


class RowFaults(Harm):
    """Harm to single rows."""

    def odd_rows(self, seconds: float = 5, share: float = SHARE) -> None:
        """Send a part of the true rows with a harmless field that is null, empty, missing or of another type."""
        self.note("odd_rows", seconds, self._end_odd_rows)
        self.world.odd = lambda record: self._harmless(record, share)

    def _end_odd_rows(self) -> None:
        self.world.odd = None

    def _harmless(self, record: Record, share: float) -> Oddity:
        choices = HARMLESS.get(type(record).__name__)
        if choices is None or self.chance.random() >= share:
            return ()
        return choose(self.chance, choices, self.world.now_ms)

    def unreadable_rows(self) -> None:
        """Send, among true rows, one row in each stream of an account that cannot be read; REST has it too."""
        self.note("unreadable_rows")
        account = self.some_account()
        if account is None:
            return
        with self.world.block():
            for kind in (Fill, FundingPayment, LedgerEntry, OrderChange, Trade):
                self.unreadable_row(account, kind)

    def unreadable_row(self, account: Account, kind: type[Record], odd: Oddity | None = None) -> Record:
        """Send one further row that cannot be read, between two true ones if it is a fill."""
        with self.world.block():
            if kind is Fill:
                self.world.trade(account, "ETH", "0.01")
            if odd is None:
                odd = choose(self.chance, ESSENTIAL[kind.__name__], self.world.now_ms)
            sent = {"odd": odd, "is_readable": False} | self.world.stamp()
            record, history = self._row(account, kind, sent)
            history.append(record)
            self.world.record(record)
            if kind is Fill:
                self.world.trade(account, "ETH", "-0.01")
        return record

    def _row(self, account: Account, kind: type[Record], sent: dict[str, Any]) -> tuple[Record, deque[Any]]:
        """What the row would say, and the history to which it belongs."""
        world, price = self.world, self.world.market.price("SOL")
        known = {"account": account.address} | sent
        if kind is Fill:
            known |= {"coin": "SOL", "price": price, "size": Decimal(1), "side": "B", "direction": "Open Long"}
            known |= {"start_position": world.size_of(account, "SOL"), "closed_pnl": Decimal(0), "crossed": True}
            ids: dict[str, Any] = {
                "hash": world.new_hash(),
                "order_id": world.new_order_id(),
                "trade_id": world.new_trade_id(),
            }
            return Fill(fee=Decimal("0.1"), **known, **ids), account.fills
        if kind is FundingPayment:
            known |= {"coin": "SOL", "usdc": Decimal(1), "size": Decimal(1), "rate": Decimal("0.0001")}
            return FundingPayment(**known), account.fundings
        if kind is LedgerEntry:
            delta = {"type": "deposit", "usdc": "1.0"}
            return LedgerEntry(hash=world.new_hash(), delta=delta, **known), account.ledger
        if kind is OrderChange:
            order = world.order(account, "SOL", 1).render()
            return OrderChange(order=order, status="rejected", **known), account.order_changes
        traded: dict[str, Any] = {"coin": "BTC", "side": "B", "price": price, "size": Decimal(1)}
        traded |= {"hash": world.new_hash(), "trade_id": world.new_trade_id()}
        traded |= {"buyer": world.outsider(), "seller": world.outsider()}
        return Trade(**traded, **sent), world.trades["BTC"]

    # states

    def odd_states(self, seconds: float = 8) -> None:
        """Send states, over both ways, in which a part of a position, a balance or an order is odd."""
        self._distort("odd_states", seconds, self._odd_state)

    def missing_dex(self, seconds: float = 12) -> None:
        """Send states of all dexes without one of them."""
        missing = self.chance.choice(self.world.market.dexes)

        def distort(kind: str, data: Any) -> Any:
            if kind != "allDexsClearinghouseState":
                return data
            return data | {"clearinghouseStates": [pair for pair in data["clearinghouseStates"] if pair[0] != missing]}

        self._distort("missing_dex", seconds, distort)

    def ahead(self, seconds: float = 6) -> None:
        """Send the states of one account with a time that is a day ahead, or as large as a number can be."""
        account = self.some_account()
        address = account.address if account else ""
        time_ms = self.chance.choice((self.world.now_ms + 86_400_000, 2**63 - 1, 2**63))

        def distort(kind: str, data: Any) -> Any:
            if kind != "allDexsClearinghouseState" or data["user"] != address:
                return data
            states = [[dex, state | {"time": time_ms}] for dex, state in data["clearinghouseStates"]]
            return data | {"clearinghouseStates": states}

        self._distort("ahead", seconds, distort)

    def _distort(self, name: str, seconds: float, distort: Callable[[str, Any], Any]) -> None:
        def end() -> None:
            if self.hub.distortions.get(name) is distort:
                del self.hub.distortions[name]

        self.note(name, seconds, end)
        self.hub.distortions[name] = distort

    def _odd_state(self, kind: str, data: Any) -> Any:
        if kind == "allDexsClearinghouseState":
            states = [[dex, self._odd_positions(state)] for dex, state in data["clearinghouseStates"]]
            return data | {"clearinghouseStates": states}
        if kind == "clearinghouseState" and "clearinghouseState" not in data:
            return self._odd_positions(data)
        if kind in {"spotState", "spotClearinghouseState"}:
            spot = data.get("spotState", data)
            spot = spot | {"balances": self._one_odd("balance", spot["balances"])}
            return data | {"spotState": spot} if "spotState" in data else spot
        if kind == "openOrders" and isinstance(data, dict):
            return data | {"orders": self._one_odd("order", data["orders"])}
        if kind == "frontendOpenOrders":
            return self._one_odd("order", data)
        return data

    def _odd_positions(self, state: Any) -> Any:
        positions = [row["position"] for row in state["assetPositions"]]
        rows = [{"type": "oneWay", "position": row} for row in self._one_odd("position", positions)]
        return state | {"assetPositions": rows}

    def _one_odd(self, what: str, rows: Sequence[Any]) -> list[Any]:
        """The rows with something odd about one of them; one in four times it cannot be read."""
        sent = list(rows)
        if sent:
            table = ESSENTIAL if self.chance.random() < 0.25 else HARMLESS
            place = self.chance.randrange(len(sent))
            sent[place] = with_odd(sent[place], choose(self.chance, table[what], self.world.now_ms))
        return sent
