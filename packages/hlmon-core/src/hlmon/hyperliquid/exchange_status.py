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
from hlmon.hyperliquid.exchange_clock import EARLIEST_MS, FAR_MS, FIRST_MOMENTS, ExchangeClock
from hlmon.hyperliquid.info import Info
from hlmon.watchdog.skew import SET_CLOCK, TOLD_SKEW_MS, skew_text

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
        self._told_ms = 0  # the difference of the clocks that the log was last told

    async def begin(self, ingest: Ingest) -> None:
        """Ask until the clock is known, if the answers agree: before the first rows are judged by it."""
        for _ in range(FIRST_MOMENTS):
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
        self._exchange_clock.hear(status.time_ms, is_answer=True)
        self._tell_skew()
        ingest([msgspec.structs.replace(status, time_ms=self._exchange_clock.now_ms() or status.time_ms)])

    def _tell_skew(self) -> None:
        """In the log, once: that the clocks differ, that they do so quite otherwise, that they agree again."""
        skew_ms = self._exchange_clock.skew_ms()
        if skew_ms is None:
            return
        text = skew_text(skew_ms)
        if text and abs(skew_ms - self._told_ms) > max(TOLD_SKEW_MS, abs(self._told_ms) // 2):
            _log.warning("%s: %s", text, SET_CLOCK)
            self._told_ms = skew_ms
        elif not text and self._told_ms:
            _log.info("this machine's clock agrees with the exchange's again")
            self._told_ms = 0
