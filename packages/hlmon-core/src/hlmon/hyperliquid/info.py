"""REST: questions to the exchange's /info, through the official SDK, patient for as long as the caller lives."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hlmon.errors import Permanent, Transient
from hlmon.hyperliquid.budget import Budget
from hlmon.hyperliquid.clock import REAL_TIME, Clock
from hlmon.hyperliquid.requests import most_weight, weight

if TYPE_CHECKING:
    import requests
    from hyperliquid.api import API

TIMEOUT_SECONDS = (5.0, 15.0)  # to connect, and between two reads
LONGEST_PAUSE_SECONDS = 30.0
LONGEST_OBEYED_SECONDS = 120.0  # a Retry-After beyond this is not believed

Retry = Callable[[int, Transient], float]
"""Seconds to wait before attempt n + 1, after attempt n (from 0) failed."""

_log = logging.getLogger(__name__)


def patient(clock: Clock) -> Retry:
    """Full jitter up to 30 s, never less than what the exchange asked for; it never gives up."""

    def pause(attempt: int, error: Transient) -> float:
        asked = min(error.retry_after or 0.0, LONGEST_OBEYED_SECONDS)
        return max(asked, clock.jitter(attempt, first=1.0, cap=LONGEST_PAUSE_SECONDS))

    return pause


class _Throttled(Transient):
    """The weight of this minute is spent."""


class Info:
    """Asks questions; any number of callers, at most `threads` questions at a time, all within one budget.

    `failing` is the text of the last failure, since `failing_since`, while the exchange does not answer; else empty.
    """

    def __init__(
        self,
        url: str,
        budget: Budget,
        *,
        clock: Clock = REAL_TIME,
        retry: Retry | None = None,
        threads: int = 2,
        timeout: tuple[float, float] = TIMEOUT_SECONDS,
    ) -> None:
        self._url = url
        self._budget = budget
        self._clock = clock
        self._retry = retry or patient(clock)
        self._timeout = timeout
        self._free = asyncio.Semaphore(threads)
        self._idle: list[API] = []
        self.failing = ""
        self.failing_since = 0.0

    @property
    def plenty(self) -> bool:
        """Whether it is idle enough for what may as well be asked later."""
        return not self.failing and self._budget.plenty

    async def ask(self, request: Mapping[str, Any]) -> Any:
        """The answer's JSON. Repeats what fails for a time for ever; raises Permanent for what always will fail."""
        attempt = 0
        while True:
            try:
                answer = await self._try(request)
            except Transient as error:
                self.failing_since = self.failing_since if self.failing else self._clock.now()
                self.failing = str(error)
                pause = self._retry(attempt, error)
                _log.warning("%s failed, trying again in %.1f s: %s", request["type"], pause, error)
                await self._clock.sleep(pause)
                attempt += 1
            else:
                self.failing = ""
                return answer

    async def _try(self, request: Mapping[str, Any]) -> Any:
        async with self._free:
            reserved = await self._budget.reserve(most_weight(request))
            cost = weight(request, 0)
            try:
                answer = await self._in_thread(dict(request))
                cost = weight(request, len(answer) if isinstance(answer, list) else 0)
                return answer
            except _Throttled:
                self._budget.drain()
                raise
            finally:
                self._budget.settle(reserved, cost)

    async def _in_thread(self, request: dict[str, Any]) -> Any:
        """A daemon thread per question: one that hangs must not delay the end of the program."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Any] = loop.create_future()

        def settle(answer: Any, error: Exception | None) -> None:
            if answered.cancelled():
                return
            if error is None:
                answered.set_result(answer)
            else:
                answered.set_exception(error)

        def work() -> None:
            answer, failure = None, None
            try:
                answer = self._post(request)
            except Exception as error:  # noqa: BLE001 - it is raised again where the answer is awaited
                failure = error
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, answer, failure)

        threading.Thread(target=work, name="hlmon-info", daemon=True).start()
        return await answered

    def _post(self, request: dict[str, Any]) -> Any:
        from requests import RequestException  # noqa: PLC0415 - a tenth of a second that not every start needs

        api = self._idle.pop() if self._idle else self._new_api()
        try:
            answer = api.post("/info", request)
        except RequestException as error:
            raise Transient(f"the exchange cannot be reached: {error}") from error
        finally:
            self._idle.append(api)
        if isinstance(answer, dict) and set(answer) == {"error"}:  # what the SDK makes of a body that is not JSON
            raise Transient(f"the exchange answered no JSON: {answer['error'][:200]}")
        return answer

    def _new_api(self) -> API:
        from hyperliquid.api import API  # noqa: PLC0415 - as above

        api = API(self._url, timeout=self._timeout)
        api.session.hooks["response"].append(_refuse)
        return api


def _refuse(response: requests.Response, **_options: Any) -> None:
    """Judge a refusal by its status, before the SDK does: it fails on bodies that it does not expect."""
    status = response.status_code
    if status < 400:
        return
    text = f"the exchange answered {status}: {response.text[:200].strip()}"
    if status == 429:
        raise _Throttled(text, retry_after=_seconds(response.headers.get("Retry-After", "")))
    if status >= 500 or status in {408, 425}:
        raise Transient(text, retry_after=_seconds(response.headers.get("Retry-After", "")))
    raise Permanent(text)


def _seconds(text: str) -> float | None:
    return float(text) if text.strip().isdigit() else None
