"""Rules about single fills and orders and transfers of an account."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal

import msgspec
from msgspec import Meta

from hlmon.contract import Settings
from hlmon.derive.ledger_flows import stated_dollars
from hlmon.derive.value import COLLATERAL
from hlmon.events import Fill, Ledger, Order
from hlmon.rules.config import AccountRule, CoinRule, Words
from hlmon.rules.engine import Finding
from hlmon.rules.text import Shown, money, plain, price, short_address, tokens, word

ZERO: Final = Decimal(0)
MAX_ORDERS: Final = 1_000

OrderEnd = Literal["rejected", "margin_canceled", "canceled", "filled", "triggered"]
_ENDS: Final[dict[str, OrderEnd]] = {
    "marginCanceled": "margin_canceled",
    "liquidatedCanceled": "margin_canceled",
    "filled": "filled",
    "triggered": "triggered",
}


class FillConfig(CoinRule, frozen=True, kw_only=True):
    """Which fills are alerts."""

    speech: ClassVar[Words] = Words(
        title="{deed} {size} {coin} at {price}",
        words=("deed", "coin", "side", "direction"),
        numbers=("size", "price", "value", "realized", "fee"),
        details=("value", "direction", "realized", "fee"),
    )

    above: Annotated[Decimal, Meta(description="only those worth at least so much, in the currency of the price")] = (
        ZERO
    )
    per: Annotated[
        Literal["fill", "order"],
        Meta(description="`order`: the fills of an order are added up, and told once when their sum reaches `above`"),
    ] = "fill"

    def __post_init__(self) -> None:
        """Raise ValueError for the first thing that is wrong."""
        super().__post_init__()
        if self.per == "order" and self.above <= 0:
            raise ValueError('above: must be more than 0 with per = "order": an order is told once it reaches it')


class Sums(msgspec.Struct):
    """What each of the newest orders has had so far: size and value."""

    orders: dict[str, tuple[Decimal, Decimal]] = {}


class Filled:
    """Fills, or orders, of some size."""

    def __init__(self, config: FillConfig, _settings: Settings) -> None:
        self._above = config.above
        self._adds_up = config.per == "order"
        self.memory = Sums()

    def __call__(self, fill: Fill, _standing: Collection[str], /) -> Iterable[Finding]:
        """The fill, or the order that it brings over the threshold."""
        size, value, before = fill.size, fill.size * fill.price, None
        if self._adds_up:
            order = f"{fill.account}:{fill.order_id}"
            orders = self.memory.orders
            size_before, before = orders.pop(order, (ZERO, None))
            size, value = size_before + size, (before or ZERO) + value
            orders[order] = (size, value)
            if len(orders) > MAX_ORDERS:
                del orders[next(iter(orders))]
        if value >= self._above and (before is None or before < self._above):
            yield _fill_finding(fill, size, value)


def _fill_finding(fill: Fill, size: Decimal, value: Decimal) -> Finding:
    return Finding(
        account=fill.account,
        subject=f"{fill.coin}:{fill.trade_id}:{fill.order_id}:{fill.side}:{fill.start_position}",
        labels={
            "coin": fill.coin,
            "side": fill.side,
            **({"order_id": str(fill.order_id)} if fill.order_id else {}),
            **({"tx_hash": fill.tx_hash} if fill.tx_hash else {}),
        },
        values={
            "deed": word("Bought" if fill.side == "buy" else "Sold"),
            "coin": word(fill.coin),
            "side": word(fill.side),
            "direction": word(fill.direction),
            "size": plain(size),
            "price": price(value / size if size else fill.price),
            "value": money(value),
            "realized": money(fill.closed_pnl or None, signed=True),
            "fee": tokens(fill.fee, fill.fee_token),
        },
    )


class OrderConfig(CoinRule, frozen=True, kw_only=True):
    """Which ends of orders are alerts."""

    speech: ClassVar[Words] = Words(
        title="Order to {side} {size} {coin} at {price}: {status}",
        words=("coin", "side", "status", "type"),
        numbers=("size", "price", "remaining", "trigger"),
        details=("type", "remaining", "trigger"),
    )

    statuses: Annotated[
        tuple[OrderEnd, ...],
        Meta(
            min_length=1,
            description="`rejected`, `margin_canceled` (for want of margin, or by a liquidation), `canceled` (for any "
            "other reason), `filled`, `triggered`",
        ),
    ] = ("rejected", "margin_canceled", "filled")
    above: Annotated[Decimal, Meta(description="only orders worth at least so much")] = ZERO


class OrderEnded:
    """One alert when an order takes one of the statuses."""

    memory = None

    def __init__(self, config: OrderConfig, _settings: Settings) -> None:
        self._statuses = frozenset(config.statuses)
        self._above = config.above

    def __call__(self, order: Order, _standing: Collection[str], /) -> Iterable[Finding]:
        """The order, if its status is one of those asked for."""
        if order_end(order.status) in self._statuses and order.size * order.price >= self._above:
            yield Finding(
                account=order.account,
                subject=f"{order.order_id}:{order.status}",
                labels={"coin": order.coin, "side": order.side, "order_id": str(order.order_id)},
                values={
                    "coin": word(order.coin),
                    "side": word(order.side),
                    "status": word(status_text(order.status)),
                    "type": word(order.order_type),
                    "size": plain(order.size),
                    "price": price(order.price),
                    "remaining": plain(order.remaining or None),
                    "trigger": price(order.trigger_price),
                },
            )


def order_end(status: str) -> OrderEnd | None:
    """What a status of the exchange means; None while the order is open, or if nobody knows the word."""
    if status in _ENDS:
        return _ENDS[status]
    if status.lower().endswith("rejected"):
        return "rejected"
    return "canceled" if status.lower().endswith(("canceled", "cancel")) else None


def status_text(status: str) -> str:
    """The exchange's word as words: `perpMarginRejected` is "perp margin rejected"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", status).lower()


class TransferConfig(AccountRule, frozen=True, kw_only=True):
    """Which movements of money are alerts."""

    speech: ClassVar[Words] = Words(
        title="{what}: {amount}",
        words=("what", "counterparty", "type", "token"),
        numbers=("amount", "fee"),
        details=("type", "counterparty", "fee"),
    )

    directions: Annotated[tuple[Literal["in", "out"], ...], Meta(min_length=1, description="which way")] = ("in", "out")
    above: Annotated[
        Decimal,
        Meta(description="only those worth at least so many dollars; where the exchange gives no value, all"),
    ] = Decimal(1)


class Transferred:
    """One alert per movement of money into or out of the account; moves inside it and unknown ones are none."""

    memory = None

    def __init__(self, config: TransferConfig, _settings: Settings) -> None:
        self._signs = {1 if direction == "in" else -1 for direction in config.directions}
        self._above = config.above

    def __call__(self, entry: Ledger, _standing: Collection[str], /) -> Iterable[Finding]:
        """The transfer."""
        amount = entry.amount
        if not amount or (1 if amount > 0 else -1) not in self._signs:
            return
        value = amount if entry.token in COLLATERAL else stated_dollars(entry, amount)
        if value is not None and abs(value) < self._above:
            return
        yield Finding(
            account=entry.account,
            subject=f"{entry.type}:{entry.entry_id}",
            labels={
                "direction": "in" if amount > 0 else "out",
                "token": entry.token,
                **({"tx_hash": entry.tx_hash} if entry.tx_hash else {}),
            },
            values={
                "what": word(_deed(entry, is_in=amount > 0)),
                "amount": _signed(tokens(amount, entry.token)),
                "token": word(entry.token),
                "type": word(status_text(entry.type)),
                "counterparty": word(short_address(entry.counterparty)),
                "fee": tokens(entry.fee or None, entry.fee_token),
            },
        )


def _deed(entry: Ledger, *, is_in: bool) -> str:
    if entry.type == "borrowLend":
        return "Forced sale" if entry.details.get("operation") == "liquidate" else "Interest"
    return {"deposit": "Deposit", "withdraw": "Withdrawal"}.get(entry.type, "Received" if is_in else "Sent")


def _signed(amount: Shown) -> Shown:
    return amount if amount.text.startswith("-") else amount._replace(text=f"+{amount.text}")
