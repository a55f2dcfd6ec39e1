"""REST: questions to the exchange's /info, patient for as long as the caller lives."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import zlib
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, overload

import msgspec

from hlmon.errors import Permanent, Transient, WireError
from hlmon.hyperliquid.budget import Budget
from hlmon.hyperliquid.clock import REAL_TIME, Clock
from hlmon.hyperliquid.decode_outline import check_answer, shown
from hlmon.hyperliquid.requests import most_weight, weight

if TYPE_CHECKING:
    from requests import Response

TIMEOUT_SECONDS = (5.0, 15.0)  # to connect, and between two reads
DEADLINE_SECONDS = 30.0  # for the whole of it, so that an answer that comes drop by drop ends too
LARGEST_ANSWER_BYTES = 32 * 1024 * 1024  # decoded; the longest real one (2,000 orders) has 2 MB
LARGEST_REFUSAL_BYTES = 4096
LONGEST_PAUSE_SECONDS = 30.0
LONGEST_OBEYED_SECONDS = 120.0  # a Retry-After beyond this is not believed

Retry = Callable[[int, Transient], float]
"""Seconds to wait before attempt n + 1, after attempt n (from 0) failed."""

AnswerT = TypeVar("AnswerT")

_PIECE_BYTES = 65_536
_MOST_DIGITS = 9
_GZIP = 16 + zlib.MAX_WBITS

_log = logging.getLogger(__name__)


def patient(clock: Clock) -> Retry:
    """Full jitter up to 30 s, never less than what the exchange asked for; it never gives up."""

    def pause(attempt: int, error: Transient) -> float:
        return max(_obeyed(error), clock.jitter(attempt, first=1.0, cap=LONGEST_PAUSE_SECONDS))

    return pause


def _obeyed(error: Transient) -> float:
    return min(error.retry_after or 0.0, LONGEST_OBEYED_SECONDS)


class _Throttled(Transient):
    """The weight of this minute is spent."""


class _Trouble(NamedTuple):
    """A question that is not answered yet: the moment of its first failure, and the text of the last."""

    since: float
    text: str


class Info:
    """Asks questions; any number of callers, at most `threads` questions at a time, all within one budget."""

    def __init__(
        self,
        url: str,
        budget: Budget,
        *,
        clock: Clock = REAL_TIME,
        retry: Retry | None = None,
        threads: int = 2,
        timeout: tuple[float, float] = TIMEOUT_SECONDS,
        deadline: float = DEADLINE_SECONDS,
    ) -> None:
        self._url = url
        self._budget = budget
        self._clock = clock
        self._retry = retry or patient(clock)
        self._timeout = timeout
        self._deadline = deadline
        self._free = asyncio.Semaphore(threads)
        self._idle: list[_Line] = []
        self._troubles: dict[object, _Trouble] = {}  # by question

    @property
    def failing(self) -> str:
        """Why the question that has gone unanswered for longest is not answered; "" if none is failing."""
        return min(self._troubles.values()).text if self._troubles else ""

    @property
    def failing_since(self) -> float:
        """The moment (of the clock) of that question's first failure; 0 if none is failing."""
        return min(self._troubles.values()).since if self._troubles else 0.0

    @property
    def plenty(self) -> bool:
        """Whether it is idle enough for what may as well be asked later."""
        return not self.failing and self._budget.plenty

    @overload
    async def ask(self, request: Mapping[str, Any]) -> Any: ...
    @overload
    async def ask(self, request: Mapping[str, Any], read: Callable[[bytes], AnswerT]) -> AnswerT: ...
    async def ask(self, request: Mapping[str, Any], read: Callable[[bytes], Any] = msgspec.json.decode) -> Any:
        """What `read` makes of the answer's body; without `read`, its JSON.

        `read` runs in another thread. What fails is repeated for ever, with growing pauses: no connection, every status
        but 200 and 422, a body that cannot be an answer to this request (`check_answer`), and one that `read` refuses
        with whatever exception. Raises Permanent for a request that the exchange does not understand.
        """
        attempt, question = 0, object()
        try:
            while True:
                try:
                    return await self._try(dict(request), read)
                except Transient as error:
                    since = self._troubles[question].since if attempt else self._clock.now()
                    self._troubles[question] = _Trouble(since, f"{request['type']}: {error}")
                    pause = self._retry(attempt, error)
                    _log.warning("%s failed, trying again in %.1f s: %s", request["type"], pause, error)
                await self._clock.sleep(pause)
                attempt += 1
        finally:
            self._troubles.pop(question, None)

    def close(self) -> None:
        """Close the connections that no question uses; a further question would make a new one."""
        while self._idle:
            self._idle.pop().close()

    async def _try(self, request: dict[str, Any], read: Callable[[bytes], Any]) -> Any:
        async with self._free:
            reserved = await self._budget.reserve(most_weight(request))
            cost = weight(request, 0)
            try:
                rows, answer = await self._in_thread(request, read)
                cost = weight(request, rows)
                self._budget.granted()
                return answer
            except _Throttled as error:
                self._budget.refused(_obeyed(error))
                raise
            finally:
                self._budget.settle(reserved, cost)

    async def _in_thread(self, request: dict[str, Any], read: Callable[[bytes], Any]) -> tuple[int, Any]:
        """A daemon thread per question: one that hangs must not delay the end of the program."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[tuple[int, Any] | Exception] = loop.create_future()
        line = self._idle.pop() if self._idle else _Line(self._url, self._timeout)

        def settle(outcome: tuple[int, Any] | Exception) -> None:
            if not answered.done():
                answered.set_result(outcome)

        def work() -> None:
            outcome: tuple[int, Any] | Exception
            try:
                outcome = _answer(line, request, read)
            except BaseException as error:  # noqa: BLE001 - else the question would never end
                outcome = _translated(error)
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, outcome)

        try:
            threading.Thread(target=work, name="hlmon-info", daemon=True).start()
            await asyncio.wait({answered}, timeout=self._deadline)
        except RuntimeError as error:
            raise Transient(f"no thread to ask in: {error}") from error
        finally:
            if answered.done():
                self._idle.append(line)
            else:
                line.cut()
        if not answered.done():
            raise Transient(f"the exchange did not answer in full within {self._deadline:.0f} s")
        outcome = answered.result()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def _answer(line: _Line, request: dict[str, Any], read: Callable[[bytes], Any]) -> tuple[int, Any]:
    """The number of rows, and what `read` makes of the answer; runs in the question's thread."""
    body = line.post(request)
    try:
        return check_answer(str(request["type"]), body), read(body)
    except WireError as error:
        raise Transient(str(error)) from error
    except Exception as error:
        raise Transient(f"unreadable: {shown(body)} ({type(error).__name__}: {error})") from error


def _translated(error: BaseException) -> Exception:
    if isinstance(error, Transient | Permanent):
        return error
    return Transient(f"the exchange cannot be reached: {str(error) or type(error).__name__}")


class _Line:
    """One connection to the exchange, kept open between questions, used by one thread at a time.

    `cut` may be called from any thread. It ends what the other one is waiting for, be it the next byte of a header: a
    timeout between two reads cannot do that, and a thread that waits cannot be stopped.
    """

    def __init__(self, url: str, timeout: tuple[float, float]) -> None:
        # Importing these takes a tenth of a second, which not every start needs.
        from hyperliquid.api import API  # noqa: PLC0415
        from requests.adapters import HTTPAdapter  # noqa: PLC0415

        line = self

        class Adapter(HTTPAdapter):
            def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
                pool: Any = super().get_connection_with_tls_context(*arguments, **options)
                if not issubclass(pool.ConnectionCls, _Noted):
                    pool.ConnectionCls = _noted(pool.ConnectionCls, line)
                return pool

        self._api = API(url, timeout=timeout)
        self._api.session.headers["Accept-Encoding"] = "gzip"  # the one encoding that is read here
        for scheme in ("http://", "https://"):
            self._api.session.mount(scheme, Adapter())
        self._socket: socket.socket | None = None
        self._is_cut = False

    def post(self, request: dict[str, Any]) -> bytes:
        """The body of an answer with status 200. Raises Transient or Permanent for others, or any error."""
        api = self._api
        with api.session.post(
            f"{api.base_url}/info", json=request, timeout=api.timeout, stream=True, allow_redirects=False
        ) as response:
            if response.status_code != 200:
                raise _refusal(response)
            body = _body(response, LARGEST_ANSWER_BYTES)
            if len(body) > LARGEST_ANSWER_BYTES:
                raise Transient(f"an answer of more than {LARGEST_ANSWER_BYTES >> 20} MB")
            return body

    def note(self, connected: socket.socket) -> None:
        """Remember what to cut."""
        self._socket = connected
        if self._is_cut:
            self.cut()

    def close(self) -> None:
        """Close the connection, which nobody uses."""
        self._api.session.close()
        if self._socket is not None:
            self._socket.close()  # the session leaves it to the garbage collector, once an error referred to the pool

    def cut(self) -> None:
        """End what is going on, now or as soon as it is connected."""
        self._is_cut = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class _Noted:
    """Marks a class of connections that tells its line which socket it has."""


def _noted(connection: type[Any], line: _Line) -> type[Any]:
    class NotedConnection(connection, _Noted):  # type: ignore[misc]  # the class is known only when it is used
        def connect(self) -> None:
            super().connect()
            line.note(self.sock)

    return NotedConnection


def _body(response: Response, most: int) -> bytes:
    """The decoded body, cut off somewhat behind `most` bytes: memory is bounded whatever it expands to."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", "", "gzip", "x-gzip"}:
        raise Transient(f"an answer in the encoding {encoding[:20]!r}, which was not asked for")
    expand = zlib.decompressobj(_GZIP) if "gzip" in encoding else None
    body = bytearray()
    for piece in response.raw.stream(_PIECE_BYTES, decode_content=False):
        body += expand.decompress(piece, most + 1 - len(body)) if expand else piece
        if len(body) > most:
            break
    return bytes(body)


def _refusal(response: Response) -> Transient | Permanent:
    """What a status other than 200 means. A redirect is none of the exchange's answers, and not followed."""
    status = response.status_code
    text = f"the exchange answered {status}: {shown(_body(response, LARGEST_REFUSAL_BYTES))}"
    if status == 422:
        return Permanent(text)
    retry_after = asked_seconds(response.headers.get("Retry-After", ""), response.headers.get("Date", ""))
    return (_Throttled if status == 429 else Transient)(text, retry_after=retry_after)


def asked_seconds(retry_after: str, date: str) -> float | None:
    """The wait that Retry-After asks for (RFC 9110, 10.2.3): seconds, or a moment by the server's own clock."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:_MOST_DIGITS])
    try:
        seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(date)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, seconds)
