"""Matching: what a trade does to its two parties."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hlmon_sim.account import Account, Position
from hlmon_sim.exchange import Exchange
from hlmon_sim.market import USDC_TOKEN, Coin
from hlmon_sim.numbers import ZERO, cut, sign, unit
from hlmon_sim.records import NO_HASH, Fill, Liquidation, PositionEnd, Side

_CAUSES = {"Auto-Deleveraging": "adl", "Settlement": "settlement", "Net Child Vaults": "netting", "flip": "flip"}
_TOKEN_DECIMALS = 10


@dataclass(slots=True)
class Party:
    """One side of a trade. `direction` overrides the derived text, `free` waives the fee."""

    address: str
    order_id: int
    account: Account | None = None
    cloid: str | None = None
    direction: str = ""
    free: bool = False
    twap_id: int | None = None


@dataclass(slots=True)
class Terms:
    """What both parties of a trade have in common."""

    coin: Coin
    price: Decimal
    size: Decimal
    hash: str
    trade_id: int
    liquidation: Liquidation | None = None


@dataclass(slots=True)
class Effect:
    """What a fill did to its account."""

    start: Decimal
    closed_pnl: Decimal
    direction: str
    fee: Decimal
    fee_token: str = "USDC"
    builder_fee: Decimal = ZERO


class Trading(Exchange):
    """Executes trades."""

    def match(self, terms: Terms, side: Side, taker: Party, maker: Party, *, printed: bool = True) -> list[Fill]:
        """Let `taker` trade on `side` with `maker`; returns the fills of those that are simulated, taker first.

        An account that trades with itself gets two rows that both name the position before them.
        """
        buyer, seller = (taker, maker) if side == "B" else (maker, taker)
        if printed:
            self.note_trade(
                coin=terms.coin.name,
                side=side,
                price=terms.price,
                size=terms.size,
                hash=terms.hash if taker.twap_id is None else NO_HASH,
                trade_id=terms.trade_id,
                buyer=buyer.address,
                seller=seller.address,
            )
        other: Side = "A" if side == "B" else "B"
        if taker.account is not None and taker.account is maker.account:
            return self._match_self(taker.account, terms, side, taker, maker)
        return [
            self._fill(party.account, party, terms, own_side, crossed=crossed, start=None)
            for party, own_side, crossed in ((taker, side, True), (maker, other, False))
            if party.account is not None
        ]

    def _match_self(self, account: Account, terms: Terms, side: Side, taker: Party, maker: Party) -> list[Fill]:
        """Both rows name the position before them; the position and its life are the same afterwards."""
        name = terms.coin.name
        before = account.positions.get(name)
        start, largest = (before.size, before.largest) if before else (ZERO, ZERO)
        fills = [
            self._fill(account, taker, terms, side, crossed=True, start=start),
            self._fill(account, maker, terms, "A" if side == "B" else "B", crossed=False, start=start),
        ]
        if before:
            before.largest = largest
        else:
            account.positions.pop(name, None)
        return fills

    def _fill(
        self,
        account: Account,
        party: Party,
        terms: Terms,
        side: Side,
        *,
        crossed: bool,
        start: Decimal | None,
    ) -> Fill:
        if terms.coin.kind == "perp":
            effect = self._trade_perp(account, party, terms, side, crossed=crossed, known_start=start)
        else:
            effect = self._trade_spot(account, party, terms, side, crossed=crossed)
        fill = Fill(
            account=account.address,
            coin=terms.coin.name,
            price=terms.price,
            size=terms.size,
            side=side,
            start_position=effect.start,
            direction=effect.direction,
            closed_pnl=effect.closed_pnl,
            hash=terms.hash if party.twap_id is None else NO_HASH,
            order_id=party.order_id,
            crossed=crossed,
            fee=effect.fee,
            fee_token=effect.fee_token,
            builder_fee=effect.builder_fee,
            trade_id=terms.trade_id,
            cloid=party.cloid,
            liquidation=terms.liquidation,
            twap_id=party.twap_id,
            **self.stamp(),
        )
        self.note_fill(account, fill)
        return fill

    def _trade_perp(
        self, account: Account, party: Party, terms: Terms, side: Side, *, crossed: bool, known_start: Decimal | None
    ) -> Effect:
        coin, delta, ends = terms.coin, terms.size if side == "B" else -terms.size, known_start is None
        position = account.positions.setdefault(coin.name, self._new_position(account, coin))
        start = position.size if known_start is None else known_start
        fee, builder_fee = (ZERO, ZERO) if party.free else self._perp_fee(account, coin, terms, crossed=crossed)
        account.add_cash(coin.dex, -fee)
        direction = party.direction or _direction(start, delta)
        flips = ends and start * (start + delta) < 0
        share = (fee * abs(start) / terms.size).quantize(unit(8)) if flips else fee
        realised = self._grow(account, position, -start if flips else delta, terms.price, share)
        if ends and not position.size:
            self._end(account, position, terms, "long" if start > 0 else "short", "flip" if flips else direction)
        if flips:
            successor = self._new_position(account, coin)
            account.positions[coin.name] = successor
            self._grow(account, successor, start + delta, terms.price, fee - share)
        return Effect(start, realised, direction, fee, builder_fee=builder_fee)

    def _new_position(self, account: Account, coin: Coin) -> Position:
        leverage = min(account.leverage, coin.max_leverage)
        return Position(coin, leverage, coin.only_isolated, self.now_ms)

    @staticmethod
    def _perp_fee(account: Account, coin: Coin, terms: Terms, *, crossed: bool) -> tuple[Decimal, Decimal]:
        notional = terms.price * terms.size
        rate = (account.taker_rate if crossed else account.maker_rate) * (2 if coin.dex else 1)
        builder_fee = cut(notional * account.builder_rate, 6)
        return cut(notional * rate, 6) + builder_fee, builder_fee

    @staticmethod
    def _grow(account: Account, position: Position, delta: Decimal, price: Decimal, fee: Decimal) -> Decimal:
        """Apply a change of size with its share of the fee; returns the realised PnL.

        Isolated positions take their margin from the cash when they grow and give it back when they shrink.
        """
        before = abs(position.size)
        realised = position.apply(delta, price)
        after = abs(position.size)
        position.gross += realised
        position.fees += fee
        position.fills += 1
        freed = realised
        if position.isolated and after > before:
            margin = cut((after - before) * price / position.leverage, 6)
            position.isolated_cash += margin
            freed = realised - margin  # a leg of a self-trade may close the whole position and grow beyond it
        elif position.isolated:
            held = position.isolated_cash + realised
            position.isolated_cash = cut(held * after / before, 6)
            freed = held - position.isolated_cash
        account.add_cash(position.coin.dex, freed)
        return realised

    def _end(self, account: Account, position: Position, terms: Terms, side: str, direction: str) -> None:
        account.positions.pop(position.coin.name, None)
        liquidated = terms.liquidation is not None and terms.liquidation.user == account.address
        cause = "liquidation" if liquidated else _CAUSES.get(direction, "order")
        self.record(
            PositionEnd(
                account=account.address,
                coin=position.coin.name,
                side="long" if side == "long" else "short",
                size=position.largest,
                opened_ms=position.opened_ms,
                cause=cause,
                gross=position.gross,
                fees=position.fees,
                funding=-position.paid_since_open,
                fills=position.fills,
                trade_id=terms.trade_id,
                **self.stamp(),
            )
        )

    @staticmethod
    def _trade_spot(account: Account, party: Party, terms: Terms, side: Side, *, crossed: bool) -> Effect:
        """Fees are in the base token for buys and for maker rebates on sells, else in USDC; outcomes trade free."""
        coin, size = terms.coin, terms.size
        base, money = account.balance(coin.token, coin.token_index or None), account.balance("USDC", USDC_TOKEN)
        start, notional = base.total, terms.price * size
        rate = ZERO if party.free or coin.kind == "outcome" else account.taker_rate if crossed else account.maker_rate
        in_base = coin.kind == "spot" and bool(rate) and (side == "B" or rate < 0)
        fee = cut(size * rate, _TOKEN_DECIMALS) if in_base else cut(notional * rate, 8)
        realised = ZERO
        if side == "B":
            base.total += size
            base.cost += notional
            money.total -= notional
        else:
            released = base.cost if size >= base.total else cut(base.cost * size / base.total, 8)
            realised = notional - released
            base.cost -= released
            base.total -= size
            money.total += notional
        (base if in_base else money).total -= fee
        direction = party.direction or ("Buy" if side == "B" else "Sell")
        return Effect(start, realised, direction, fee, coin.token if in_base else "USDC")


def _direction(start: Decimal, delta: Decimal) -> str:
    end, was = start + delta, sign(start)
    if was * sign(end) < 0:
        return "Long > Short" if was > 0 else "Short > Long"
    if was * sign(delta) < 0:
        return "Close Long" if was > 0 else "Close Short"
    return "Open Long" if delta > 0 else "Open Short"
