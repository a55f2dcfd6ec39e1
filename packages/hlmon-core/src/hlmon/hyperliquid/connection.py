"""The life of one WebSocket: opened again for ever, kept alive, and dropped when it has gone silent."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from hlmon.errors import JournalError
from hlmon.hyperliquid.background import causes
from hlmon.hyperliquid.budget import Budget
from hlmon.hyperliquid.clock import REAL_TIME, Clock
from hlmon.hyperliquid.requests import PING
from hlmon.status import ConnectionStatus

PING_SECONDS = 30.0
PONG_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 10.0  # the limit of connections per minute does the rest
STABLE_SECONDS = 10.0  # a connection that lived so long starts the back-off anew
CONNECTIONS_PER_MINUTE = 25  # of the exchange's 30
MESSAGES_PER_MINUTE = 1800  # of the exchange's 2000
LARGEST_FRAME_BYTES = 64 * 1024 * 1024
INNER_ERROR = "an error inside hlmon, see the log"

_log = logging.getLogger(__name__)


class Connection:
    """One WebSocket after the other, for ever.

    `receive` gets every frame as it came, on the event loop, one after the other. `opened` runs as a task from the
    moment a socket is open and is cancelled when it is lost. `lost` is told why, once per socket that was open, and
    whether the exchange went without a word.
    """

    def __init__(
        self,
        url: str,
        *,
        receive: Callable[[bytes], None],
        opened: Callable[[], Awaitable[None]],
        lost: Callable[[str, bool], None],
        clock: Clock = REAL_TIME,
    ) -> None:
        self._url = url
        self._receive = receive
        self._opened = opened
        self._lost = lost
        self._clock = clock
        self._connections = Budget(CONNECTIONS_PER_MINUTE, clock=clock)
        self._messages = Budget(MESSAGES_PER_MINUTE, clock=clock)
        self._socket: ClientConnection | None = None
        self._state = ConnectionStatus(state="connecting")
        self._since = clock.now()
        self._last_frame = 0.0
        self._alive = clock.now()  # the last moment of an open socket
        self._reason = ""
        self._fatal: JournalError | None = None

    async def run(self) -> None:
        """Connect, live, lose, wait, again; ends only by cancellation."""
        attempt = 0
        while True:
            await self._connections.spend()
            self._enter("connecting")
            started = self._clock.now()
            try:
                reason = await self._live()
            except JournalError:
                raise
            except Exception as error:  # noqa: BLE001 - the life of the source hangs on this loop
                _log.error("a connection failed in an unknown way", exc_info=error)
                reason = INNER_ERROR
            attempt = 0 if self._clock.now() - started >= STABLE_SECONDS else attempt + 1
            self._state.reason = reason
            self._enter("waiting")
            pause = self._clock.jitter(attempt, first=1.0, cap=LONGEST_PAUSE_SECONDS)
            _log.warning("connection lost, next in %.1f s: %s", pause, reason)
            await self._clock.sleep(pause)
            self._state.reconnects += 1

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send one message within the exchange's limit per minute; what cannot be sent is lost with its socket."""
        await self._messages.spend()
        if self._socket is not None:
            await self._socket.send(json.dumps(message, separators=(",", ":")))

    def drop(self, reason: str) -> None:
        """Give this socket up without a handshake; the next one is opened after the usual pause."""
        self._reason = reason
        if self._socket is not None:
            self._socket.transport.abort()

    @property
    def down_seconds(self) -> float:
        """For how long there has been no socket; 0 while there is one."""
        return 0.0 if self._socket is not None else self._clock.now() - self._alive

    def status(self) -> ConnectionStatus:
        """The socket's present state, in this machine's time."""
        self._state.last_frame_ms = self._clock.wall_ms(self._last_frame)
        self._state.since_ms = self._clock.wall_ms(self._since)
        return self._state

    def _enter(self, state: str) -> None:
        self._state.state = state  # type: ignore[assignment]
        self._since = self._clock.now()

    async def _live(self) -> str:
        """One socket from its opening to its end; returns why it ended."""
        self._reason = ""
        try:
            async with connect(
                self._url,
                compression=None,  # costs 135 us per 50 kB frame and saves no money here
                max_size=LARGEST_FRAME_BYTES,
                max_queue=256,
                open_timeout=10,
                close_timeout=1,
                ping_interval=None,  # the exchange wants its own ping
            ) as socket:
                return await self._listen(socket)
        except (OSError, TimeoutError, WebSocketException) as error:
            return self._reason or f"cannot connect: {error}"

    async def _listen(self, socket: ClientConnection) -> str:
        self._socket, self._last_frame = socket, self._clock.now()
        self._enter("live")
        _log.info("connected to %s", self._url)
        works: tuple[Callable[[], Awaitable[None]], ...] = (self._opened, lambda: self._keep_alive(socket))
        tasks = [asyncio.ensure_future(self._guarded(work)) for work in works]
        now, receive = self._clock.now, self._receive
        try:
            while True:
                frame = await socket.recv(decode=False)
                self._last_frame = now()
                receive(frame)
        except ConnectionClosed as error:
            reason = self._reason or str(error)
            unexplained = not self._reason and error.rcvd is None
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever one frame does, the next socket may live
            _log.error("a frame could not be taken", exc_info=error)
            reason, unexplained = INNER_ERROR, False
        finally:
            self._socket, self._alive = None, now()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._lost(reason, unexplained)
        if self._fatal is not None:
            raise self._fatal
        return reason

    async def _keep_alive(self, socket: ClientConnection) -> None:
        """Ping every 30 s. Any frame is a sign of life, not only the pong: that may stand behind a thousand others."""
        while True:
            await self._clock.sleep(PING_SECONDS - PONG_SECONDS)
            await self._messages.spend()
            sent = self._clock.now()
            await socket.send(PING, text=True)
            await self._clock.sleep(PONG_SECONDS)
            if self._last_frame < sent:
                self.drop(f"nothing came within {PONG_SECONDS:.0f} s of a ping")

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """A socket whose other work failed is of no use: drop it rather than listen on in silence."""
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - none may end in silence
            found = list(causes(error))
            if all(isinstance(cause, WebSocketException) for cause in found):
                return  # the listening side says why
            self._fatal = next((cause for cause in found if isinstance(cause, JournalError)), None)
            _log.error("the work on a connection failed", exc_info=error)
            self.drop(INNER_ERROR)
