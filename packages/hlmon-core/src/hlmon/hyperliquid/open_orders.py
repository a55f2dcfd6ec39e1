"""Lists of open orders: which dexes of an account need one, and what REST is asked when a list or an end does not come.

Over the socket a list costs nothing and is the whole present state; REST (weight 20) only serves where none came. An
order that is on the list no more has an end, which the history tells within moments; where it does not, the exchange is
asked about that order alone (weight 2).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from hlmon.derive.figures import dex_of
from hlmon.errors import Permanent
from hlmon.events import AccountState, Event, OpenOrders, Order
from hlmon.events.account import RESTING, UNKNOWN_END
from hlmon.hyperliquid import requests
from hlmon.hyperliquid.decode import decode_answer
from hlmon.hyperliquid.reading import Surroundings

STREAM: Final = "openOrders"
MOST_DEXES: Final = 16
"""Of one account: mainnet has 9; testnet more than a hundred, which would use up the 1,000 subscriptions of an IP."""
MOST_MISSED: Final = 1_000
MOST_ASKED_AGAIN: Final = 100
"""Orders of an earlier run whose end nobody told, of one account, newest first: asked for once more at a start."""
FIRST_LIST_SECONDS: Final = 10.0
QUIET_SECONDS: Final = 900.0
SILENT_SECONDS: Final = 30.0
AGAIN_SECONDS: Final = 60.0
END_SECONDS: Final = 10.0
"""How long the history may take to tell how an order ended."""
LOOK_SECONDS: Final = 5.0
QUESTIONS_PER_LOOK: Final = 10
"""About single orders, over all accounts: at most 240 of the weight of a minute."""

_log = logging.getLogger(__name__)


def stream_of(dex: str) -> str:
    """The name of the stream of this dex's list."""
    return f"{STREAM}:{dex}" if dex else STREAM


class Listings:
    """The lists of one account."""

    def __init__(self) -> None:
        self.dexes: dict[str, None] = {"": None}  # the main one lists spot too
        self._due: dict[str, float] = {}  # dex -> when REST is asked unless a list comes
        self._shown: dict[str, frozenset[int]] = {}
        self._heard: dict[str, tuple[float, tuple[Order, ...] | None]] = {}  # dex -> when the socket's last list came
        self._repeats = False  # lists come without a change
        self._limits: dict[str, float] = {}  # dex -> how long its list may be silent then
        self._missed: dict[int, float] = {}  # order id -> when to ask how it ended

    @property
    def streams(self) -> tuple[str, ...]:
        """The names of their streams but the main dex's, which every account has."""
        return tuple(stream_of(dex) for dex in self.dexes if dex)

    def forget(self, stream: str) -> str:
        """There is no such dex (any more: they are closed and renamed); returns its name, "" for any other stream.

        An account state that shows it brings it back.
        """
        kind, _, dex = stream.partition(":")
        if kind != STREAM or not dex or dex not in self.dexes:
            return ""
        del self.dexes[dex]
        self._due.pop(dex, None)
        self._shown.pop(dex, None)
        self._heard.pop(dex, None)
        return dex

    def recall(self, orders: Sequence[Order]) -> None:
        """Take over the stored orders without a known end: the next list tells which of them rest."""
        for order in orders:
            dex = dex_of(order.coin)
            if order.status in RESTING:
                self._use_dex(dex)
                self._shown[dex] = self._shown.get(dex, frozenset()) | {order.order_id}
        unknown = [order.order_id for order in orders if order.status == UNKNOWN_END]
        self._missed = dict.fromkeys(unknown[-MOST_ASKED_AGAIN:], 0.0)

    def take(self, events: Iterable[Event], now: float, *, is_live: bool = True) -> None:
        """Learn from a frame, or from an answer that is not live, whatever it is."""
        for event in events:
            match event:
                case AccountState():
                    self._use(event)
                case OpenOrders():
                    if is_live:
                        self._hear(event, now)
                    self._compare(event, now)
                case Order(has_ended=True):
                    self._missed.pop(event.order_id, None)
                case Order() if event.status in RESTING:  # also on a dex that is gone, whose list then says so
                    self._use_dex(dex_of(event.coin))

    def lost(self) -> None:
        """The subscriptions ended; every list must come again."""
        self._due.clear()
        self._heard.clear()

    def silent(self, now: float) -> list[str]:
        """Streams whose lists come no more, while lists come without any change: to be subscribed again.

        What one dex's list does all of them do, so that one that stops after its first list shows too. Each is named
        ever more rarely.
        """
        if not self._repeats:
            return []
        limits = self._limits
        found = [dex for dex, (at, _) in self._heard.items() if now - at > limits.get(dex, SILENT_SECONDS)]
        for dex in found:
            del self._heard[dex]
            limits[dex] = min(2 * limits.get(dex, SILENT_SECONDS), QUIET_SECONDS)
        return [stream_of(dex) for dex in found]

    def due(self, acked: Collection[str], now: float) -> list[str]:
        """The dexes whose list REST is to be asked for: none came soon after subscribing, or for a long time."""
        in_place = [dex for dex in self.dexes if stream_of(dex) in acked]
        for dex in in_place:
            self._heard.setdefault(dex, (now, None))
        return [dex for dex in in_place if self._due.setdefault(dex, now + FIRST_LIST_SECONDS) <= now]

    def postpone(self, dex: str, until: float) -> None:
        """REST was asked for this list, or is not to be asked before."""
        self._due[dex] = until

    def came_since(self, dex: str, due: float) -> bool:
        """Whether a list of the socket moved what was due then."""
        return self._due.get(dex, due) != due

    def endless(self, now: float, most: int) -> list[int]:
        """Orders whose end nobody told in time; each is named once."""
        found = [order_id for order_id, at in self._missed.items() if at <= now][:most]
        for order_id in found:
            del self._missed[order_id]
        return found

    def _use(self, state: AccountState) -> None:
        """Every dex of the account; where there are too many, those on which it has something."""
        few = len(state.dexes) <= MOST_DEXES
        for dex in state.dexes:
            if few or dex.account_value or dex.positions:
                self._use_dex(dex.dex)

    def _use_dex(self, dex: str) -> None:
        if len(self.dexes) < MOST_DEXES:
            self.dexes.setdefault(dex)

    def _hear(self, listing: OpenOrders, now: float) -> None:
        at, orders = self._heard.get(listing.dex, (0.0, None))
        if orders == listing.orders and now - at < SILENT_SECONDS / 2:
            self._repeats = True
            self._limits.pop(listing.dex, None)
        self._heard[listing.dex] = (now, listing.orders)

    def _compare(self, listing: OpenOrders, now: float) -> None:
        self._due[listing.dex] = now + QUIET_SECONDS
        shown = frozenset(order.order_id for order in listing.orders)
        for order_id in shown:
            self._missed.pop(order_id, None)
        if listing.complete:
            for order_id in self._shown.get(listing.dex, frozenset()) - shown:
                self._missed.setdefault(order_id, now + END_SECONDS)
            while len(self._missed) > MOST_MISSED:
                del self._missed[next(iter(self._missed))]
            self._shown[listing.dex] = shown


class Listed(Protocol):
    """What has lists: a watched account."""

    address: str
    acked: set[str]
    listings: Listings


class OpenOrderQuestions:
    """Asks REST for lists that did not come, and for ends that nobody told, for as long as the feed runs."""

    def __init__(self, accounts: Callable[[], Mapping[str, Listed]]) -> None:
        self._accounts = accounts

    async def run(self, around: Surroundings) -> None:
        """For ever."""
        while True:
            await around.clock.sleep(LOOK_SECONDS)
            now, left = around.clock.now(), QUESTIONS_PER_LOOK
            questions: list[Coroutine[None, None, None]] = []
            for account in list(self._accounts().values()):
                questions += [self._read_list(account, dex, around) for dex in account.listings.due(account.acked, now)]
                ends = account.listings.endless(now, left)
                left -= len(ends)
                questions += [self._read_end(account, order_id, around) for order_id in ends]
            await asyncio.gather(*(_within_limit(question, around) for question in questions))

    async def _read_list(self, account: Listed, dex: str, around: Surroundings) -> None:
        """Read one list; a frame that comes meanwhile is newer. Its time is that of the question: it is no older."""
        listings, asked_ms, due = account.listings, around.exchange_ms(), around.clock.now() + AGAIN_SECONDS
        listings.postpone(dex, due)
        request = requests.info("frontendOpenOrders", user=account.address, dex=dex)
        found = [
            msgspec.structs.replace(event, dex=dex)
            for event in await self._ask(account, request, around, clock_ms=asked_ms)
            if isinstance(event, OpenOrders)
        ]
        if found and not listings.came_since(dex, due):
            _hand_over(account, found, around)

    async def _read_end(self, account: Listed, order_id: int, around: Surroundings) -> None:
        request = requests.info("orderStatus", user=account.address) | {"oid": order_id}
        _hand_over(account, await self._ask(account, request, around, clock_ms=around.exchange_ms()), around)

    async def _ask(
        self, account: Listed, request: dict[str, Any], around: Surroundings, *, clock_ms: int
    ) -> Sequence[Event]:
        try:
            found = await around.info.ask(
                request,
                lambda body: decode_answer(
                    request["type"], account.address, body, clock_ms=clock_ms, latest_ms=around.latest_ms()
                ),
            )
        except Permanent as error:
            _log.warning("the open orders of %s could not be asked for: %s", account.address, error)
            return ()
        around.ingest(found.unread)
        return found.events


async def _within_limit(question: Coroutine[None, None, None], around: Surroundings) -> None:
    """Give a question up that is not answered: the next list may come over the socket, and is newer."""
    asking = asyncio.ensure_future(question)
    try:
        if await around.clock.within(AGAIN_SECONDS, asking):
            asking.result()
    finally:
        asking.cancel()


def _hand_over(account: Listed, events: Sequence[Event], around: Surroundings) -> None:
    account.listings.take(events, around.clock.now(), is_live=False)
    around.ingest(events)
