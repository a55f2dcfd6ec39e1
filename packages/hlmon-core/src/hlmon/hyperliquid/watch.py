"""Keeps every subscription in place: what is missing is asked for one by one, what fell silent is asked for again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from hlmon.events import OpenOrders
from hlmon.hyperliquid.account import HEARTBEAT, Account
from hlmon.hyperliquid.frames import Refusal
from hlmon.hyperliquid.market import Coin, Markets
from hlmon.hyperliquid.reading import Surroundings
from hlmon.hyperliquid.reconcile import OVERDUE_SECONDS
from hlmon.hyperliquid.requests import HISTORY_REQUESTS, Subscription
from hlmon.hyperliquid.subscriptions import Subscriptions

SILENCE_SECONDS = 30.0
LONGEST_SILENCE_SECONDS = 600.0  # what repeated silence is asked about at last
SECOND_TRY_SECONDS = 60.0
CAP_SECONDS = 300.0  # the cap may grow, and other programs on this IP address may leave
LOOK_SECONDS = 1.0
LOOKS_APART_SECONDS = 2.0

_log = logging.getLogger(__name__)


class Watch:
    """All accounts and coins, and the subscriptions they need.

    `drop` gives the present socket up, `announce` is told of each account whose state for the user changed.
    """

    def __init__(
        self,
        accounts: Iterable[Account],
        markets: Markets,
        subscriptions: Subscriptions,
        *,
        drop: Callable[[str], None],
        announce: Callable[[Account], None],
    ) -> None:
        self.accounts = {account.address: account for account in accounts}
        self.markets = markets
        self._subscriptions = subscriptions
        self._drop = drop
        self._announce = announce
        self._confirming: Account | None = None
        self._next_look = 0.0

    async def keep(self, around: Surroundings) -> None:
        """For as long as a socket lives: subscribe what is missing, accounts before coins.

        Looks after each question, every second while there is none: one that gets no answer holds nobody else up.
        """
        now = around.clock.now
        async with asyncio.TaskGroup() as tasks:
            while True:
                if renewed := self._next_renewal():
                    await self._renew(*renewed, now())
                elif wanted := self._next_stream(now()):
                    await self._subscribe(*wanted, around, tasks)
                elif coin := self.markets.next_wanted(now()):
                    await self._subscribe_coin(coin, now)
                else:
                    await around.clock.sleep(LOOK_SECONDS)
                await self._look(around, tasks)

    def _next_renewal(self) -> tuple[Account, str] | None:
        for account in self.accounts.values():
            for stream in account.reconciler.renew & account.acked:
                return account, stream
        return None

    async def _renew(self, account: Account, stream: str, now: float) -> None:
        """End a stream that may have died; it is then missing, and asked for like any other.

        What the exchange left out for one account it may have left out for all.
        """
        for each in self.accounts.values():
            each.reconciler.suspect(stream, now)
        _log.warning("subscribing %s of %s again", stream, account.address)
        account.reconciler.renew.discard(stream)
        await self._subscriptions.remove(Subscription.of(stream, account.address))
        account.acked.discard(stream)

    def _next_stream(self, now: float) -> tuple[Account, str] | None:
        """Stream by stream through all accounts, so that the user cap shows with the first one."""
        watchable = [account for account in self.accounts.values() if account.watchable]
        for stream in dict.fromkeys(stream for account in watchable for stream in account.streams):
            for account in watchable:
                if account.wants(stream) and account.blocked.get(stream, now) <= now:
                    return account, stream
        return None

    async def _subscribe(self, account: Account, stream: str, around: Surroundings, tasks: asyncio.TaskGroup) -> None:
        if account.recovery is None and not account.acked:
            account.begin(around, tasks)
        wanted, was_refused = Subscription.of(stream, account.address), stream in account.blocked
        account.expect(stream, around.clock.now())
        refusal = await self._subscriptions.add(wanted)
        if refusal is not None:
            self._refuse(account, stream, refusal, around)
            return
        if (
            was_refused and account.acked and stream in HISTORY_REQUESTS
        ):  # what it missed was not read back with the other streams
            await self._subscriptions.remove(wanted)
            await self._end(account, around)
            return
        account.acked.add(stream)
        if stream == HEARTBEAT:
            account.last_seen = around.clock.now()
        if account.watched and account.refusal:
            account.refusal = ""
            self._announce(account)

    def _refuse(self, account: Account, stream: str, refusal: Refusal, around: Surroundings) -> None:
        """Name who cannot be watched. The user cap refuses everybody who holds no place yet, asked or not."""
        now = around.clock.now()
        if refusal.reason == "invalid_subscription" and (gone := account.listings.forget(stream)):
            _log.warning("the exchange knows no dex %s any more: its orders of %s are over", gone, account.address)
            around.ingest((OpenOrders(account=account.address, time_ms=around.exchange_ms(), dex=gone, orders=()),))
            return
        if refusal.reason != "user_cap":
            account.blocked[stream] = now + SECOND_TRY_SECONDS
            self._name(account, f"{stream}: {refusal.text}")
            return
        others = (other for other in self.accounts.values() if other.watchable and not other.acked)
        for refused in dict.fromkeys([account, *others]):
            refused.blocked = dict.fromkeys(refused.streams, now + CAP_SECONDS)
            if not refused.acked:
                around.ingest(refused.interrupt())
            self._name(refused, refusal.text)

    def _name(self, account: Account, reason: str) -> None:
        if not account.refusal:
            _log.warning("account %s cannot be watched: %s", account.address, reason)
        account.refusal = reason
        self._announce(account)

    async def _subscribe_coin(self, coin: Coin, now: Callable[[], float]) -> None:
        coin.asked_at = now()
        coin.subscribed = True
        refusal = await self._subscriptions.add(Subscription("trades", coin=coin.name))
        if refusal is None:
            return
        coin.subscribed = False
        self.markets.refuse(coin, refusal.text, now())
        _log.warning("%s", coin.problem)

    async def _look(self, around: Surroundings, tasks: asyncio.TaskGroup) -> None:
        """Whether any account fell silent, or something of it must be read again."""
        now = around.clock.now()
        self._confirm_quiet(around, tasks)
        for account in list(self.accounts.values()):
            account.check(around, tasks)
            if account.acked and not account.watchable:
                await self._end(account, around)
        beating = [account for account in self.accounts.values() if HEARTBEAT in account.acked]
        silent = [account for account in beating if now - account.last_seen > _limit(account.silences)]
        if silent and len(silent) == len(beating):
            for account in silent:
                account.silences += 1
            self._drop("no account state came for too long")
            return
        for account in silent:
            account.silences += 1
            _log.warning("account %s fell silent, subscribing it again", account.address)
            await self._end(account, around)

    def _confirm_quiet(self, around: Surroundings, tasks: asyncio.TaskGroup) -> None:
        """Let one stream at a time be confirmed over REST, the one that has waited longest, while REST is idle."""
        if self._confirming is not None and self._confirming.is_reading:
            return
        self._confirming = None
        if around.clock.now() < self._next_look:
            return
        live = [account for account in self.accounts.values() if account.is_live and not account.is_reading]
        found = [(looked, account) for account in live if (looked := account.reconciler.quiet(around))]
        if not found:
            return
        (overdue, reread), account = max(found, key=lambda each: each[0][0])
        if around.info.plenty or overdue > OVERDUE_SECONDS:
            self._confirming = account
            self._next_look = around.clock.now() + LOOKS_APART_SECONDS
            account.read_again(reread, around, tasks)

    async def _end(self, account: Account, around: Surroundings) -> None:
        for stream in sorted(account.acked, key=account.streams.index):
            await self._subscriptions.remove(Subscription.of(stream, account.address))
        around.ingest(account.interrupt())


def _limit(silences: int) -> float:
    return float(min(SILENCE_SECONDS * 2**silences, LONGEST_SILENCE_SECONDS))
