"""Which orders rest: the exchange's list of open orders is the truth, their history tells how they ended.

The history holds the newest 2,000 rows, so it proves neither that an order rests nor that it does not. What is on the
list is open (or, inside another order, waiting), with what is left of it. What is known to rest and is on the list no
more has ended; until the history tells how, its status is `unknown`. Orders of spot and of outcomes are on the list of
the main dex.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from hlmon.contract import DeriverFactory, NoConfig, Settings
from hlmon.derive.figures import dex_of
from hlmon.events import AccountState, Event, OpenOrders, Order
from hlmon.events.account import RESTING, UNKNOWN_END

KINDS: Final = frozenset({"open_orders", "order", "account_state"})
SETTLING_MS: Final = 2_000
"""How young an order may be that a list does not show yet, since lists and histories have no common order."""
MOST_ORDERS: Final = 10_000
"""Of one account: more than the exchange lets rest at one time (5,000, its docs on rate limits say)."""


class AccountMemory(msgspec.Struct, omit_defaults=True):
    """One account: every order without a known end, and which of them were too young to be missed."""

    orders: dict[int, Order] = msgspec.field(default_factory=dict)
    young: set[int] = msgspec.field(default_factory=set)


class Memory(msgspec.Struct, omit_defaults=True):
    """All accounts by address."""

    accounts: dict[str, AccountMemory] = msgspec.field(default_factory=dict)


class Orders:
    """States every order whose status or remainder differs from the list of open orders."""

    def __init__(self) -> None:
        self._accounts = Memory().accounts

    def __call__(self, event: Event, /) -> Sequence[Event]:
        """The orders that this event changes."""
        memory = self._accounts.get(event.account)
        if memory is None:
            memory = self._accounts[event.account] = AccountMemory()
        match event:
            case OpenOrders():
                return [*_listed(memory, event), *_missing(memory, event)]
            case Order():
                _note(memory, event)
            case AccountState() if memory.young:
                return _grown_up(memory, event.time_ms)
        return ()

    def dump_memory(self) -> bytes:
        """The memory as JSON."""
        return msgspec.json.encode(Memory(self._accounts))

    def load_memory(self, memory: bytes, /) -> None:
        """Take over a dumped memory."""
        self._accounts = msgspec.json.decode(memory, type=Memory).accounts


def _note(memory: AccountMemory, order: Order) -> None:
    """Remember an order for as long as its end is not known; of too many, forget what changed least recently."""
    memory.orders.pop(order.order_id, None)
    memory.young.discard(order.order_id)
    if order.has_ended:
        return
    memory.orders[order.order_id] = order
    while len(memory.orders) > MOST_ORDERS:
        del memory.orders[next(iter(memory.orders))]


def _listed(memory: AccountMemory, listing: OpenOrders) -> Iterator[Order]:
    """What is on the list and not known like this. Ingest drops what is known to have ended: the list is older then."""
    for order in listing.orders:
        memory.young.discard(order.order_id)
        known = memory.orders.get(order.order_id)
        if known is None:
            yield order
        elif _shape(order) != _shape(known):
            yield msgspec.structs.replace(order, time_ms=max(order.time_ms, listing.time_ms, known.time_ms + 1))


def _missing(memory: AccountMemory, listing: OpenOrders) -> Iterator[Order]:
    """What is known to rest and not on the list, if the list is whole; what is young may not be on it yet."""
    if not listing.complete:
        return
    shown = {order.order_id for order in listing.orders}
    for known in list(memory.orders.values()):
        is_missing = known.order_id not in shown and known.status in RESTING and dex_of(known.coin) == listing.dex
        if is_missing and listing.time_ms - known.time_ms < SETTLING_MS:
            memory.young.add(known.order_id)
        elif is_missing:
            yield _gone(known, listing.time_ms)


def _grown_up(memory: AccountMemory, time_ms: int) -> list[Order]:
    """What no list has shown since it was too young, though it is not any more."""
    known = [memory.orders[order_id] for order_id in memory.young if order_id in memory.orders]
    ripe = [order for order in known if time_ms - order.time_ms >= SETTLING_MS]
    memory.young.difference_update(order.order_id for order in ripe)
    return [_gone(order, time_ms) for order in ripe]


def _gone(known: Order, time_ms: int) -> Order:
    return msgspec.structs.replace(known, status=UNKNOWN_END, time_ms=max(time_ms, known.time_ms + 1))


def _shape(order: Order) -> tuple[object, ...]:
    """What must not change without being stated; the coin does where a dex gets another name."""
    return (order.coin, order.status, order.remaining, order.size, order.price, order.trigger_price)


@contextmanager
def _open(_config: NoConfig, _settings: Settings) -> Iterator[Orders]:
    yield Orders()


FACTORY: Final = DeriverFactory(name="orders", open=_open, config=NoConfig, kinds=KINDS, always=True)
