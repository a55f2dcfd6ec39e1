"""What happens to traders: liquidation, ADL, settlement, netting, funding, ledger entries, TWAPs, dust; and time."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from hlmon_sim.account import Account, Position
from hlmon_sim.dealing import Amount, Dealing
from hlmon_sim.exchange import LIQUIDATOR
from hlmon_sim.market import USDC_TOKEN
from hlmon_sim.numbers import ZERO, cut, sign, text
from hlmon_sim.orders import Twap
from hlmon_sim.records import NO_HASH, DexRenamed, Fill, Json, LedgerEntry, Liquidation, Side
from hlmon_sim.trading import Party, Terms

HOUR_MS = 3_600_000
SLICE_MS = 30_000
VALUE_SAMPLE_MS = 60_000


class World(Dealing):
    """The simulated exchange, driven by `step`. `speed`: exchange seconds per second, for prices, funding, TWAPs."""

    def __init__(self, seed: int = 1, now_ms: int = 1_790_000_000_000, *, speed: float = 1.0) -> None:
        super().__init__(seed, now_ms)
        self.speed = speed
        self._next_funding_ms = self._next_hour_ms()
        self._next_sample_ms = now_ms

    def set_speed(self, speed: float) -> None:
        """Change how fast the exchange's time runs; funding comes at its full hours."""
        self.speed = speed
        self._next_funding_ms = self._next_hour_ms()

    def _next_hour_ms(self) -> int:
        hour_ms = max(int(HOUR_MS / self.speed), 1)
        return self.now_ms - self.now_ms % hour_ms + hour_ms

    def step(self, now_ms: int) -> None:
        """Let time pass: prices walk, TWAP slices and funding fall due, bankrupt accounts are liquidated."""
        seconds = max(now_ms - self.now_ms, 0) / 1000 * self.speed
        self.set_time(now_ms)
        if seconds:
            self.market.move(seconds)
        with self.block():
            for account in self.accounts.values():
                for twap in list(account.twaps.values()):
                    if twap.next_ms <= self.now_ms:
                        self.twap_slice(twap)
            if self.now_ms >= self._next_funding_ms:
                self._next_funding_ms = self._next_hour_ms()
                self.fund()
            self._liquidate_bankrupt()
        if self.now_ms >= self._next_sample_ms:
            self._next_sample_ms = self.now_ms + VALUE_SAMPLE_MS
            for account in self.accounts.values():
                account.values.append((self.now_ms, account.value(self.market), account.pnl))

    # forced ends

    def liquidate(
        self, account: Account, coin: str, method: Literal["market", "backstop"] = "market", *, parts: int = 2
    ) -> list[Fill]:
        """Liquidate a position: on the book, or taken over by the liquidator vault (backstop)."""
        position = account.positions[coin]
        mark = self.market.price(coin)
        liquidation = Liquidation(account.address, mark, method)
        with self.block():
            for order in [order for order in account.orders.values() if order.coin == coin]:
                self.cancel(order, "liquidatedCanceled")
            self._note_liquidation(account, position)
            taker = Party(account.address, self.new_order_id(), account)
            if method == "market":
                return self._sweep(taker, position.coin, -position.size, parts=parts, liquidation=liquidation)
            kind = "Isolated" if position.isolated else "Cross"
            taker.direction, taker.free = f"Liquidated {kind} {'Long' if position.size > 0 else 'Short'}", True
            return self._transfer_position(taker, position, LIQUIDATOR, position.size, liquidation)

    def adl(self, account: Account, coin: str, size: Amount | None = None) -> list[Fill]:
        """Auto-deleverage (a part of) a winning position against the liquidator vault."""
        position = account.positions[coin]
        liquidation = Liquidation(LIQUIDATOR, self.market.price(coin), "backstop")
        party = Party(account.address, self.new_order_id(), account, direction="Auto-Deleveraging", free=True)
        signed = position.size if size is None else sign(position.size) * Decimal(size)
        with self.block():
            return self._transfer_position(party, position, LIQUIDATOR, signed, liquidation)

    def settle(self, coin: str, price: Amount | None = None) -> list[Fill]:
        """Delist a perp: every position is settled at this price (default: the mark). Outcomes settle at 1 or 0."""
        market_coin = self.market.coin(coin)
        at = self.market.price(coin) if price is None else Decimal(price)
        fills: list[Fill] = []
        with self.block():
            for account in self.accounts.values():
                for order in [order for order in account.orders.values() if order.coin == coin]:
                    self.cancel(order, "delistedCanceled")
                held = self.size_of(account, coin)
                if market_coin.kind != "perp":
                    held = account.balance(market_coin.token, market_coin.token_index or None).total
                if held:
                    party = Party(account.address, self.new_order_id(), account, direction="Settlement", free=True)
                    terms = Terms(market_coin, at, abs(held), self.new_hash(), self.new_trade_id())
                    side: Side = "A" if held > 0 else "B"
                    fills += self.match(terms, side, party, Party(self.outsider(), 0), printed=False)
            self.market.quotes[coin].is_delisted = True
        return fills

    def net(self, account: Account, coin: str, size: Amount) -> list[Fill]:
        """Internal netting of a vault with its children changes a position by this signed size."""
        signed = Decimal(size)
        party = Party(account.address, self.new_order_id(), account, direction="Net Child Vaults", free=True)
        terms = Terms(self.market.coin(coin), self.market.price(coin), abs(signed), NO_HASH, self.new_trade_id())
        with self.block():
            return self.match(terms, "B" if signed > 0 else "A", party, Party(self.outsider(), 0), printed=False)

    def _transfer_position(
        self, party: Party, position: Position, other: str, signed: Decimal, liquidation: Liquidation
    ) -> list[Fill]:
        hash_, price = self.new_hash(), self.market.price(position.coin.name)
        terms = Terms(position.coin, price, abs(signed), hash_, self.new_trade_id(), liquidation)
        side: Side = "A" if signed > 0 else "B"
        return self.match(terms, side, party, Party(other, self.new_order_id(), free=True), printed=False)

    def _note_liquidation(self, account: Account, position: Position) -> None:
        notional = text(cut(position.notional(self.market), 6))
        value = text(cut(account.cross_equity(position.coin.dex, self.market), 6))
        self.note_ledger(
            account,
            {
                "type": "liquidation",
                "liquidatedNtlPos": notional,
                "accountValue": value,
                "leverageType": "Isolated" if position.isolated else "Cross",
                "liquidatedPositions": [{"coin": position.coin.name, "szi": text(position.size)}],
            },
        )
        event = {
            "lid": self._random.getrandbits(40),
            "liquidator": LIQUIDATOR,
            "liquidated_user": account.address,
            "liquidated_ntl_pos": notional,
            "liquidated_account_value": value,
        }
        self.note_event(account, {"liquidation": event})

    def _liquidate_bankrupt(self) -> None:
        for account in self.accounts.values():
            for position in list(account.positions.values()):
                if position.isolated:
                    equity, needed = position.margin_used(self.market), position.maintenance(self.market)
                else:
                    dex = position.coin.dex
                    equity = account.cross_equity(dex, self.market)
                    needed = account.cross_maintenance(dex, self.market)
                if equity < needed:
                    self.liquidate(account, position.coin.name)

    # money

    def fund(self, rate: Amount | None = None) -> None:
        """Every open position pays (or receives) an hour's funding at the coin's rate, or at this one."""
        with self.block():
            for account in self.accounts.values():
                for name, position in account.positions.items():
                    applied = self.market.quotes[name].funding_rate if rate is None else Decimal(rate)
                    usdc = cut(-position.size * self.market.price(name) * applied, 6)
                    if position.isolated:
                        position.isolated_cash += usdc
                    else:
                        account.add_cash(position.coin.dex, usdc)
                    position.paid_since_open -= usdc
                    position.paid_since_change -= usdc
                    account.paid_ever[name] = account.paid_ever.get(name, ZERO) - usdc
                    self.note_funding(account, name, usdc, position.size, applied)

    def ledger(self, account: Account, delta: Json, hash_: str = "") -> LedgerEntry:
        """Any ledger entry, without a change of balances."""
        with self.block():
            return self.note_ledger(account, delta, hash_)

    def deposit(self, account: Account, usdc: Amount) -> LedgerEntry:
        """USDC comes in over the bridge."""
        account.add_cash("", Decimal(usdc))
        return self.ledger(account, {"type": "deposit", "usdc": text(Decimal(usdc))})

    def withdraw(self, account: Account, usdc: Amount) -> LedgerEntry:
        """USDC goes out over the bridge, for a fee of 1 USDC."""
        account.add_cash("", -Decimal(usdc) - 1)
        delta = {"type": "withdraw", "usdc": text(Decimal(usdc)), "nonce": self.now_ms, "fee": "1.0"}
        return self.ledger(account, delta)

    def class_transfer(self, account: Account, usdc: Amount, *, to_perp: bool) -> LedgerEntry:
        """Move USDC between the spot and the perp balance of a classic account."""
        amount = Decimal(usdc) if to_perp else -Decimal(usdc)
        account.add_cash("", amount)
        account.balance("USDC", USDC_TOKEN).total -= amount
        delta = {"type": "accountClassTransfer", "usdc": text(Decimal(usdc)), "toPerp": to_perp}
        return self.ledger(account, delta)

    def transfer(
        self, sender: Account, receiver: Account, usdc: Amount, kind: str = "internalTransfer"
    ) -> tuple[LedgerEntry, LedgerEntry]:
        """USDC from one account to another: one hash, an entry for each. `kind` may be `subAccountTransfer`."""
        fee = ZERO if kind == "subAccountTransfer" else Decimal(1)
        sender.add_cash("", -Decimal(usdc) - fee)
        receiver.add_cash("", Decimal(usdc))
        delta = {"type": kind, "usdc": text(Decimal(usdc)), "user": sender.address, "destination": receiver.address}
        if kind == "internalTransfer":
            delta["fee"] = text(fee)
        hash_ = self.new_hash()
        with self.block():
            return self.ledger(sender, delta, hash_), self.ledger(receiver, dict(delta), hash_)

    def airdrop(self, account: Account, token: str = "PURR", amount: Amount = 1_000) -> LedgerEntry:  # noqa: S107
        """A token that nobody asked for arrives."""
        index = next((coin.token_index for coin in self.market.spots() if coin.token == token), None)
        account.balance(token, index).total += Decimal(amount)
        delta = {"type": "spotTransfer", "token": token, "amount": text(Decimal(amount)), "usdcValue": "0.0"}
        parties = {"user": self.outsider(), "destination": account.address}
        rest = {"fee": "0.0", "nativeTokenFee": "0.0", "nonce": self.now_ms, "feeToken": ""}
        return self.ledger(account, delta | parties | rest)

    def dust(self, account: Account, coin: str) -> list[Fill]:
        """The daily job sells a small balance: trade id 0, no hash, no fee."""
        market_coin = self.market.coin(coin)
        total = account.balance(market_coin.token, market_coin.token_index or None).total
        party = Party(account.address, self.new_order_id(), account, direction="Spot Dust Conversion", free=True)
        terms = Terms(market_coin, self.market.price(coin), total, NO_HASH, 0)
        with self.block():
            return self.match(terms, "A", party, Party(self.outsider(), 0), printed=False)

    # what changes of an account or the exchange

    def switch_mode(self, account: Account) -> None:
        """Classic becomes unified, unified becomes portfolio margin; collateral moves to the spot balances at once."""
        if account.unified:
            account.mode = "portfolioMargin"
        else:
            account.unify()

    def rename_dex(self, old: str, new: str) -> None:
        """A dex gets another name: so do its coins, positions and resting orders. Rows of the past keep theirs."""
        coins = self.market.rename(old, new)
        for name, coin in coins.items():
            self.trades[coin.name] = self.trades.pop(name)
        for account in self.accounts.values():
            account.rename_dex(old, new, coins)
        with self.block():
            self.record(DexRenamed(old=old, new=new, **self.stamp()))

    # TWAP

    def twap(self, account: Account, coin: str, size: Amount, *, slices: int = 10) -> Twap:
        """Start a TWAP of this signed size; `step` executes a slice every 30 exchange seconds."""
        signed, interval_ms = Decimal(size), max(int(SLICE_MS / self.speed), 1)
        side: Side = "B" if signed > 0 else "A"
        minutes = max(slices * SLICE_MS // 60_000, 1)
        twap = Twap(
            account.address, self.new_twap_id(), coin, side, abs(signed), minutes, self.now_ms, slices,
            self.now_ms + interval_ms, interval_ms,
        )  # fmt: skip
        account.twaps[twap.twap_id] = twap
        with self.block():
            self.note_twap(account, twap.twap_id, twap.render(), "activated")
        return twap

    def twap_slice(self, twap: Twap) -> list[Fill]:
        """Execute the next slice; after the last one the TWAP is finished."""
        account, coin = self.accounts[twap.account], self.market.coin(twap.coin)
        left = twap.size - twap.executed
        size = left if twap.slices_left == 1 else min(coin.size(left / twap.slices_left), left)
        with self.block():
            taker = Party(account.address, self.new_order_id(), account, twap_id=twap.twap_id)
            fills = self._sweep(taker, coin, size if twap.side == "B" else -size)
            twap.executed += size
            twap.executed_notional += sum((fill.price * fill.size for fill in fills), ZERO)
            twap.slices_left -= 1
            twap.next_ms += twap.interval_ms
            if not twap.slices_left or twap.executed == twap.size:
                self.end_twap(twap, "finished")
        return fills

    def end_twap(self, twap: Twap, status: str = "terminated") -> None:
        """End a TWAP."""
        account = self.accounts[twap.account]
        account.twaps.pop(twap.twap_id, None)
        with self.block():
            self.note_twap(account, twap.twap_id, twap.render(), status)
