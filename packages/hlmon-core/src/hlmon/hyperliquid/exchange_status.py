"""Asks the exchange now and then how it is: for its clock, for a notice of a halt, and whether it answers at all."""

from __future__ import annotations

import logging
from typing import Any, Final

import msgspec

from hlmon.contract import Ingest
from hlmon.errors import Permanent, WireError
from hlmon.events import ExchangeStatus
from hlmon.hyperliquid import requests
from hlmon.hyperliquid.clock import Clock
from hlmon.hyperliquid.exchange_clock import EARLIEST_MS, FAR_MS, FIRST_SAMPLES, ExchangeClock
from hlmon.hyperliquid.info import Info

POLL_SECONDS: Final = 60.0  # of weight 2
RETRY_SECONDS: Final = 5.0  # while the clock is not known

_log = logging.getLogger(__name__)


def decode_exchange_status(body: bytes) -> ExchangeStatus:
    """`{"time": ms, "specialStatuses": null or a text}` as a reading. Raises WireError for what says no time."""
    answer: Any = msgspec.json.decode(body)
    time_ms = answer.get("time") if isinstance(answer, dict) else None
    if type(time_ms) is not int or not EARLIEST_MS <= time_ms < FAR_MS:
        raise WireError("an answer to exchangeStatus without a time")
    special = answer.get("specialStatuses")
    notice = special if isinstance(special, str) else msgspec.json.encode(special).decode() if special else ""
    return ExchangeStatus(time_ms=time_ms, notice=notice)


class StatusPoll:
    """Asks `exchangeStatus` each minute, more often until the exchange's clock is known."""

    def __init__(self, info: Info, exchange_clock: ExchangeClock, clock: Clock) -> None:
        self._info = info
        self._exchange_clock = exchange_clock
        self._clock = clock

    async def begin(self, ingest: Ingest) -> None:
        """Ask until the clock is known, if the answers agree: before the first rows are judged by it."""
        for _ in range(FIRST_SAMPLES):
            if not self._exchange_clock.known:
                await self._ask(ingest)

    async def run(self, ingest: Ingest) -> None:
        """For ever: the clock hears each answer, and derivers get it as a reading."""
        while True:
            await self._clock.sleep(POLL_SECONDS if self._exchange_clock.known else RETRY_SECONDS)
            await self._ask(ingest)

    async def _ask(self, ingest: Ingest) -> None:
        try:
            status = await self._info.ask(requests.info("exchangeStatus"), decode_exchange_status)
        except Permanent as error:
            _log.warning("the exchange does not say how it is: %s", error)
            return
        self._exchange_clock.hear(status.time_ms)
        ingest([msgspec.structs.replace(status, time_ms=self._exchange_clock.now_ms() or status.time_ms)])
