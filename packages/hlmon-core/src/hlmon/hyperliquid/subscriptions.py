"""Subscribing one by one: the exchange's refusals name nobody, so only one question may be open at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hlmon.hyperliquid import requests
from hlmon.hyperliquid.clock import REAL_TIME, Clock
from hlmon.hyperliquid.frames import Ack, Refusal
from hlmon.hyperliquid.requests import Subscription

ANSWER_SECONDS = 10.0
SENDING_PAUSE_SECONDS = 60.0

Send = Callable[[Mapping[str, Any]], Awaitable[None]]

_log = logging.getLogger(__name__)


class Subscriptions:
    """The open question of one connection, and its answer among everything else that comes in between."""

    def __init__(self, send: Send, *, clock: Clock = REAL_TIME) -> None:
        self._send = send
        self._clock = clock
        self._turn = asyncio.Lock()
        self._open: Ack | None = None  # the answer that is hoped for
        self._answer: asyncio.Future[Refusal | None]

    async def add(self, subscription: Subscription) -> Refusal | None:
        """Subscribe; None when it is in place, else why not; no answer within 10 s is a refusal too."""
        while True:
            refusal = await self._ask(Ack("subscribe", subscription), requests.subscribe(subscription))
            if refusal is None or refusal.reason == "already_subscribed":
                return None
            if refusal.reason != "send_cap":
                return refusal
            await self._clock.sleep(SENDING_PAUSE_SECONDS)

    async def remove(self, subscription: Subscription) -> None:
        """Unsubscribe; whatever the answer is, the caller may subscribe again."""
        await self._ask(Ack("unsubscribe", subscription), requests.unsubscribe(subscription))

    def acked(self, ack: Ack) -> None:
        """An ack came; one that answers another question than the open one (late, repeated) says nothing."""
        if ack == self._open and not self._answer.done():
            self._answer.set_result(None)

    def refused(self, refusal: Refusal) -> None:
        """An error frame came. With an echo it answers that subscription, without one the open question."""
        asked = self._open.subscription if self._open else None
        if asked is None or refusal.subscription not in {None, asked}:
            _log.warning("the exchange refused something: %s", refusal.text)
        elif not self._answer.done():
            self._answer.set_result(refusal)

    async def _ask(self, hoped: Ack, message: Mapping[str, Any]) -> Refusal | None:
        async with self._turn:
            self._open, self._answer = hoped, asyncio.get_running_loop().create_future()
            try:
                await self._send(message)
                if await self._clock.within(ANSWER_SECONDS, self._answer):
                    return self._answer.result()
                return Refusal(text=f"no answer within {ANSWER_SECONDS:.0f} s", reason="no_answer")
            finally:
                self._open = None
