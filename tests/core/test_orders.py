"""Which orders rest: after every list the open ones are those of the list, and a known end is never lost."""

from __future__ import annotations

import random
from decimal import Decimal

import msgspec
import pytest

from hlmon.contract import NoConfig, Settings
from hlmon.derive.orders import FACTORY, MOST_ORDERS, Orders
from hlmon.events import Order
from hlmon.testing.builders import (
    ALICE,
    BOB,
    START_MS,
    make_account_state,
    make_open_orders,
    make_order,
)
from hlmon.testing.deriver_contract import DeriverContract

D = Decimal
SEEDS = [*range(12), *(random.SystemRandom().randrange(10**9) for _ in range(6))]
ENDS = ("filled", "canceled", "marginCanceled", "perpMarginRejected", "scheduledCancel", "rejected")


class Books:
    """The deriver behind an ingest: what is older than what is known does not pass."""

    def __init__(self) -> None:
        self.deriver = Orders()
        self.orders: dict[tuple[str, int], Order] = {}
        self.written = 0

    def __call__(self, *events) -> None:
        for event in events:
            if isinstance(event, Order):
                known = self.orders.get((event.account, event.order_id))
                if known is not None and known.version >= event.version:
                    continue
                self.orders[event.account, event.order_id] = event
                self.written += 1
            self(*self.deriver(event))

    def restart(self, *, remembers: bool) -> None:
        saved = self.deriver.dump_memory()
        self.deriver = Orders()
        if remembers:
            self.deriver.load_memory(saved)
        else:  # killed before anything was saved: the stored states come again
            for order in self.orders.values():
                assert list(self.deriver(order)) == []

    def statuses(self, account: str = ALICE) -> dict[int, str]:
        return {order_id: order.status for (who, order_id), order in self.orders.items() if who == account}

    def resting(self) -> dict[int, Decimal]:
        return {order.order_id: order.remaining for order in self.orders.values() if order.status == "open"}


def at(seconds: float) -> int:
    return START_MS + int(seconds * 1000)


def order(order_id: int = 1, seconds: float = 0, **changes) -> Order:
    fields = {"order_id": order_id, "time_ms": at(seconds), "created_ms": START_MS, "size": D(1), "remaining": D(1)}
    return make_order(**fields | changes)


def listing(seconds: float, *orders: Order, **changes):
    made = make_open_orders(time_ms=at(seconds), **changes)
    return msgspec.structs.replace(made, orders=orders)


def test_what_the_list_has_is_open_with_what_is_left_of_it():
    books = Books()
    books(listing(10, order()))
    assert books.resting() == {1: D(1)}
    books(listing(15, order(remaining=D("0.4"))))
    assert books.resting() == {1: D("0.4")}
    assert books.written == 2
    books(listing(20, order(remaining=D("0.4"))))
    assert books.written == 2


def test_an_order_goes_on_under_the_new_name_of_its_dex_and_its_end_shows_there():
    books = Books()
    books(listing(10, order(coin="km:US500"), dex="km"), listing(15, order(coin="mkts:US500"), dex="mkts"))
    assert books.orders[ALICE, 1].coin == "mkts:US500"
    books(listing(20, dex="mkts"))
    assert books.statuses() == {1: "unknown"}


def test_an_order_that_left_the_list_is_unknown_until_its_end_is_told_whatever_the_times():
    books = Books()
    books(listing(10, order()), listing(20))
    assert books.statuses() == {1: "unknown"}
    books(order(1, 9, status="canceled"))
    assert books.statuses() == {1: "canceled"}
    books(listing(30, order()))
    assert books.statuses() == {1: "canceled"}


def test_a_known_end_wins_over_a_list_that_is_older_or_has_not_heard_of_it():
    books = Books()
    books(order(1, 5, status="filled"), listing(6, order()), listing(9))
    assert books.statuses() == {1: "filled"}


def test_an_order_that_was_just_placed_is_not_missed_and_later_it_is():
    books = Books()
    books(order(1, 10), listing(10.5), make_account_state(time_ms=at(11)))
    assert books.statuses() == {1: "open"}
    books(make_account_state(time_ms=at(13)))
    assert books.statuses() == {1: "unknown"}
    books(listing(14, order()))
    assert books.statuses() == {1: "open"}


def test_a_young_order_that_the_next_list_shows_was_never_gone():
    books = Books()
    books(order(1, 10), listing(10.5), listing(11, order()), make_account_state(time_ms=at(20)))
    assert books.statuses() == {1: "open"}
    assert books.written == 1


def test_an_order_that_comes_back_is_open_again_even_in_the_same_millisecond():
    books = Books()
    books(listing(10, order()), listing(20), listing(20, order()))
    assert books.statuses() == {1: "open"}


def test_from_a_list_with_unreadable_rows_nothing_follows_for_what_is_not_on_it():
    books = Books()
    books(listing(10, order(1), order(2)), listing(20, order(2, remaining=D("0.5")), complete=False))
    assert books.resting() == {1: D(1), 2: D("0.5")}


def test_a_list_speaks_for_its_own_dex_and_account_and_the_main_one_for_spot():
    books = Books()
    others = [order(2, coin="xyz:GOLD"), order(3, account=BOB)]
    books(order(1), order(4, coin="@107"), order(5, coin="PURR/USDC"), order(6, coin="#120"), *others)
    books(listing(30))
    assert books.statuses() == {1: "unknown", 2: "open", 4: "unknown", 5: "unknown", 6: "unknown"}
    assert books.statuses(BOB) == {3: "open"}
    books(listing(30, dex="xyz"))
    assert books.statuses()[2] == "unknown"


def test_a_child_waits_with_its_parent_is_open_once_it_is_listed_itself_and_gone_with_it():
    books = Books()
    books(listing(10, order(1), order(2, status="waiting"), order(3, status="waiting")))
    assert books.statuses() == {1: "open", 2: "waiting", 3: "waiting"}
    books(order(1, 11, status="filled"), listing(12, order(2)))
    assert books.statuses() == {1: "filled", 2: "open", 3: "unknown"}


@pytest.mark.parametrize("status", ["triggered", "accepted", "waitingForFill", "waitingForTrigger"])
def test_other_words_for_orders_that_rest_end_with_the_list_too(status):
    books = Books()
    books(order(1, status=status), listing(30))
    assert books.statuses() == {1: "unknown"}


def test_a_word_that_nobody_knows_is_kept_unless_the_list_says_that_the_order_rests():
    books = Books()
    books(order(1, 1, status="somethingNew"), order(2, 1, status="somethingNew"), listing(30, order(2)))
    assert books.statuses() == {1: "somethingNew", 2: "open"}


def test_no_more_orders_are_remembered_than_may_rest():
    deriver = Orders()
    for number in range(MOST_ORDERS + 10):
        deriver(order(number))
    assert len(msgspec.json.decode(deriver.dump_memory())["accounts"][ALICE]["orders"]) == MOST_ORDERS


class World:
    """Orders that live at an exchange, and the frames about them, which may come in any order and not at all."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.time = 0.0
        self.alive: dict[int, Order] = {}
        self.children: dict[int, int] = {}  # child -> parent
        self.rows: list[Order] = []
        self.next_id = 1

    def step(self) -> None:
        self.time += self.chance.choice([0, 0.001, 0.5, 3, 10])
        if not self.alive or self.chance.random() < 0.4:
            self._place()
            return
        order_id = self.chance.choice(list(self.alive))
        known = self.alive[order_id]
        if self.chance.random() < 0.3 and order_id not in self.children:
            self.alive[order_id] = msgspec.structs.replace(known, remaining=known.remaining / 2)
            return
        self._end(order_id, self.chance.choice(ENDS))

    def _place(self) -> None:
        made = order(self.next_id, self.time, created_ms=at(self.time), remaining=D(8), size=D(8))
        if self.alive and self.chance.random() < 0.3:
            self.children[self.next_id] = self.chance.choice([one for one in self.alive if one not in self.children])
        self.alive[self.next_id] = made
        if self.next_id not in self.children:
            self.rows.append(made)
        self.next_id += 1

    def _end(self, order_id: int, status: str) -> None:
        known = self.alive.pop(order_id)
        self.rows.append(msgspec.structs.replace(known, status=status, time_ms=at(self.time)))
        self.children.pop(order_id, None)
        for child in [child for child, parent in self.children.items() if parent == order_id]:
            if status == "filled":
                del self.children[child]  # it rests now
            else:
                self._end(child, status)

    def listing(self):
        shown = [
            msgspec.structs.replace(each, status="waiting" if number in self.children else "open")
            for number, each in self.alive.items()
        ]
        return listing(self.time, *shown)


class Wire:
    """Brings rows to the books at once, later, or never."""

    def __init__(self, chance: random.Random, books: Books) -> None:
        self.chance = chance
        self.books = books
        self.late: list[Order] = []
        self.told: dict[int, str] = {}  # ends whose row came or will come

    def bring(self, rows: list[Order]) -> None:
        for each in rows:
            if each.has_ended:
                self.told[each.order_id] = each.status
            if self.chance.random() < 0.4:
                self.late.append(each)
            else:
                self.books(each)
        if self.late and self.chance.random() < 0.3:
            self.chance.shuffle(self.late)
            each = self.late.pop()
            if self.chance.random() < 0.7:
                self.books(each)
            elif each.has_ended:
                del self.told[each.order_id]

    def settle(self) -> None:
        for each in self.late:
            self.books(each)


@pytest.mark.parametrize("seed", SEEDS)
def test_in_whatever_order_lists_and_rows_come_the_open_orders_are_those_of_the_last_list(seed):
    chance = random.Random(seed)
    world, books = World(chance), Books()
    wire = Wire(chance, books)
    for _ in range(150):
        world.step()
        rows, world.rows = world.rows, []
        wire.bring(rows)
        if chance.random() < 0.6:
            books(world.listing())
        if chance.random() < 0.3:
            books(make_account_state(time_ms=at(world.time)))
        if chance.random() < 0.1:
            books.restart(remembers=chance.random() < 0.5)
    wire.settle()
    world.time += 10
    books(world.listing())
    statuses = books.statuses()
    assert books.resting() == {n: o.remaining for n, o in world.alive.items() if n not in world.children}
    assert {n for n, status in statuses.items() if status == "waiting"} == set(world.children)
    assert {n: statuses[n] for n in wire.told} == wire.told
    assert all(statuses[n] in {"unknown", *ENDS} for n in statuses if n not in world.alive)


class TestContract(DeriverContract):
    """The deriver of orders keeps the contract of derivers."""

    settings = Settings(name="orders", accounts={ALICE: ""})

    def factory(self):
        return FACTORY

    def config(self):
        return NoConfig()

    def events(self):
        return [order(1), listing(10, order(2)), listing(20), make_account_state(time_ms=at(30))]
