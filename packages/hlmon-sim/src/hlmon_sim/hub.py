"""All WebSocket connections: subscriptions, limits, and who is sent what. Knows no sockets and no clock of its own."""

from __future__ import annotations

import heapq
import itertools
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from hlmon_sim import feeds, rest_market
from hlmon_sim.limits import Guest, base_weight, row_weight
from hlmon_sim.records import Json, Record
from hlmon_sim.rest import UNPROCESSABLE, Unprocessable
from hlmon_sim.scenario import Limits
from hlmon_sim.subscriptions import (
    InvalidSubscription,
    Poisonous,
    Subscription,
    UnknownSubscription,
    normalise,
)
from hlmon_sim.world import World

GREETING = "Websocket connection established."
PONG = b'{"channel":"pong"}'
POISON_MS = 800
LINGER_MS = 2_000
OUTBOX_FRAMES = 50_000
Payload = bytes | str
Distortion = Callable[[str, Any], Any]
"""From the type of a state and the state to how it is sent."""
encode = msgspec.json.encode


class Connection:
    """One client. What is to be written to it waits in `outbox`; `wake` is called when something is there."""

    def __init__(self, guest: Guest, now_ms: int) -> None:
        self.guest = guest
        self.subscriptions: dict[str, Subscription] = {}
        self.outbox: deque[tuple[Payload, bool]] = deque()  # payload, is binary
        self.later: deque[tuple[int, Payload]] = deque()
        self.delay_ms = 0
        self.duplicated = False
        self.silent = False  # half open: nothing is sent and nothing heard any more, but TCP stays up
        self.last_sent_ms = now_ms
        self.abort_ms: int | None = None
        self.pending_posts = 0
        self.wake: Callable[[], None] = lambda: None
        self.abort: Callable[[], None] = lambda: None

    def send(self, payload: Payload, now_ms: int, delay_ms: int = 0) -> None:
        """Send now, or after what is delayed already."""
        if self.silent:
            return
        delay_ms = max(delay_ms, self.delay_ms)
        if delay_ms or self.later:
            due_ms = max(now_ms + delay_ms, self.later[-1][0] if self.later else 0)
            self.later.append((due_ms, payload))
        else:
            self._put(payload, now_ms)

    def release(self, now_ms: int) -> None:
        """Send what is due by now."""
        while self.later and self.later[0][0] <= now_ms:
            self._put(self.later.popleft()[1], now_ms)

    def _put(self, payload: Payload, now_ms: int) -> None:
        if len(self.outbox) >= OUTBOX_FRAMES:
            self.abort()
            return
        self.last_sent_ms = now_ms
        for _ in range(2 if self.duplicated and payload != GREETING else 1):
            self.outbox.append((payload, False))
        self.wake()


class Hub:
    """The exchange's WebSocket side. Everything happens in `receive`, `publish` and `tick`."""

    def __init__(self, world: World, limits: Limits) -> None:
        self.world = world
        self.limits = limits
        self.connections: list[Connection] = []
        self.post_delay_ms = 0
        self.refuse_posts = 0  # an HTTP status while REST is in trouble
        self.distortions: dict[str, Distortion] = {}  # what is wrong with whole states, by a name
        self.silent_streams: set[tuple[str, str]] = set()  # type and user of which nothing is sent, but acks
        self._guests: dict[str, Guest] = {}
        self._followers: dict[feeds.Subject, dict[Subscription, Connection]] = {}
        self._late: list[tuple[int, int, Record]] = []
        self._count = itertools.count()
        world.listeners.append(self.publish)

    def guest(self, ip: str) -> Guest:
        """The counts of one IP address."""
        return self._guests.setdefault(ip, Guest(self.limits))

    def connect(self, ip: str) -> Connection | None:
        """A new connection, greeted; None if this IP address has or makes too many."""
        guest, now_ms = self.guest(ip), self.world.now_ms
        if guest.connections >= self.limits.connections or not guest.arrivals.take(now_ms):
            return None
        guest.connections += 1
        connection = Connection(guest, now_ms)
        self.connections.append(connection)
        connection.send(GREETING, now_ms)
        return connection

    def disconnect(self, connection: Connection) -> None:
        """Forget a connection; its users stay counted for about two seconds."""
        if connection not in self.connections:
            return
        self.connections.remove(connection)
        connection.guest.connections -= 1
        for subscription in list(connection.subscriptions.values()):
            self._remove(connection, subscription, LINGER_MS)

    # what clients say

    def receive(self, connection: Connection, text: str) -> None:
        """Take one message of a client."""
        now_ms = self.world.now_ms
        if connection.silent or connection.abort_ms is not None:
            return
        if not connection.guest.messages.take(now_ms):
            self._error(connection, f"Cannot send more than {self.limits.messages_per_minute} messages per minute.")
            return
        try:
            message = json.loads(text)
            method = message["method"]
        except (ValueError, KeyError, TypeError, RecursionError):
            method = None
        if method == "ping":
            connection.send(PONG, now_ms)
        elif method == "subscribe":
            self._subscribe(connection, message.get("subscription"), text)
        elif method == "unsubscribe":
            self._unsubscribe(connection, message.get("subscription"), text)
        elif method == "post" and isinstance(message.get("id"), int):
            self._post(connection, message["id"], message.get("request"))
        else:
            self._error(connection, f"Error parsing JSON into valid websocket request: {text}")

    def _normalised(self, connection: Connection, asked: object, text: str) -> Subscription | None:
        try:
            return normalise(asked, self.world.market)
        except UnknownSubscription:
            self._error(connection, f"Error parsing JSON into valid websocket request: {text}")
        except InvalidSubscription:
            self._error(connection, f"Invalid subscription {encode(asked).decode()}")
        except Poisonous:
            connection.abort_ms = self.world.now_ms + POISON_MS
        return None

    def _subscribe(self, connection: Connection, asked: object, text: str) -> None:
        subscription = self._normalised(connection, asked, text)
        if subscription is None:
            return
        guest, now_ms = connection.guest, self.world.now_ms
        if subscription.key in connection.subscriptions:
            self._error(connection, f"Already subscribed: {subscription.key}")
        elif guest.subscriptions >= self.limits.subscriptions:
            self._error(connection, f"Cannot subscribe to more than {self.limits.subscriptions} channels.")
        elif subscription.user and not guest.users.take(subscription.user, now_ms):
            self._error(connection, f"Cannot track more than {self.limits.users} total users.")
        else:
            guest.subscriptions += 1
            connection.subscriptions[subscription.key] = subscription
            self._followers.setdefault(subscription.subject, {})[subscription] = connection
            subscription.next_ms = now_ms + subscription.every_ms
            self._acknowledge(connection, "subscribe", subscription)
            self._tell_state(connection, subscription, feeds.greet(self.world, self.limits, subscription))

    def _unsubscribe(self, connection: Connection, asked: object, text: str) -> None:
        subscription = self._normalised(connection, asked, text)
        if subscription is None:
            return
        held = connection.subscriptions.get(subscription.key)
        if held is None:
            self._error(connection, f"Already unsubscribed: {subscription.key}")
        else:
            self._remove(connection, held, 0)
            self._acknowledge(connection, "unsubscribe", held)

    def _remove(self, connection: Connection, subscription: Subscription, linger_ms: int) -> None:
        connection.guest.subscriptions -= 1
        del connection.subscriptions[subscription.key]
        followers = self._followers[subscription.subject]
        del followers[subscription]
        if not followers:
            del self._followers[subscription.subject]
        if subscription.user:
            connection.guest.users.release(subscription.user, self.world.now_ms, linger_ms)

    def _acknowledge(self, connection: Connection, method: str, subscription: Subscription) -> None:
        self._send(
            connection,
            feeds.frame("subscriptionResponse", {"method": method, "subscription": subscription.form}),
        )

    def _error(self, connection: Connection, text: str) -> None:
        self._send(connection, feeds.frame("error", text))

    def _send(self, connection: Connection, message: Json | None) -> None:
        if message is not None:
            connection.send(encode(message), self.world.now_ms)

    def _post(self, connection: Connection, number: int, request: Any) -> None:
        waiting = sum(due_ms > self.world.now_ms for due_ms, _ in connection.later) if self.post_delay_ms else 0
        if waiting >= self.limits.posts_in_flight:
            self._error(connection, f"too many pending post requests id={number}")
            return
        payload = request.get("payload") if isinstance(request, Mapping) else None
        response = self._answer(connection.guest, payload)
        message = feeds.frame("post", {"id": number, "response": response})
        connection.send(encode(message), self.world.now_ms, self.post_delay_ms)

    def _answer(self, guest: Guest, payload: Any) -> Json:
        try:
            kind = rest_market.request_type(payload)
            if self.refuse_posts or not guest.weight.take(self.world.now_ms, base_weight(kind)):
                return {"type": "error", "payload": str(self.refuse_posts or 429)}
            data = self.answer(kind, payload)
        except Unprocessable:
            return {"type": "error", "payload": UNPROCESSABLE}
        guest.weight.charge(self.world.now_ms, row_weight(kind, len(data) if isinstance(data, list) else 0))
        return {"type": "info", "payload": {"type": kind, "data": data}}

    def answer(self, kind: str, request: Mapping[str, Any]) -> Any:
        """The answer to a request as JSON-able data, as the clients see it now; raises Unprocessable."""
        data = rest_market.answer(self.world, self.limits, request)
        for distort in self.distortions.values():
            data = distort(kind, data)
        return data

    # what clients are told

    def publish(self, records: Sequence[Record]) -> None:
        """Send what happened to those who follow it; what is not visible yet waits for `tick`."""
        now_ms = self.world.now_ms
        for record in records:
            if record.visible_ms > now_ms:
                heapq.heappush(self._late, (record.visible_ms, next(self._count), record))
        self._tell([record for record in records if record.visible_ms <= now_ms])

    def _tell(self, records: Sequence[Record]) -> None:
        for subject, message in feeds.happenings(records, self._followers.__contains__):
            encoded = encode(message) if message else b""
            for subscription, connection in self._followers[subject].items():
                if self._is_silent(subscription):
                    continue
                if encoded and not subscription.form.get("aggregateByTime"):
                    connection.send(encoded, self.world.now_ms)
                else:
                    self._tell_differently(connection, subscription, message)

    def _tell_differently(self, connection: Connection, subscription: Subscription, message: Json) -> None:
        """Subscriptions that are sent their whole state at every change, and merged fills."""
        if not message:
            self._tell_state(connection, subscription, feeds.current(self.world, subscription))
        else:
            self._send(connection, feeds.merged(message))

    def _tell_state(self, connection: Connection, subscription: Subscription, message: Json | None) -> None:
        """A state or a snapshot, unless its stream is silent."""
        if message is None or self._is_silent(subscription):
            return
        for distort in self.distortions.values():
            message = message | {"data": distort(subscription.type, message["data"])}
        self._send(connection, message)

    def _is_silent(self, subscription: Subscription) -> bool:
        return subscription.silent or subscription.subject in self.silent_streams

    def tick(self) -> None:
        """Do what is due by the world's time: late records, repeated states, delayed frames, cuts."""
        now_ms = self.world.now_ms
        due = []
        while self._late and self._late[0][0] <= now_ms:
            due.append(heapq.heappop(self._late)[2])
        self._tell(due)
        for connection in list(self.connections):
            for subscription in list(connection.subscriptions.values()):
                if subscription.every_ms and subscription.next_ms <= now_ms:
                    subscription.next_ms = now_ms + subscription.every_ms
                    self._tell_state(connection, subscription, feeds.current(self.world, subscription))
            connection.release(now_ms)
            idle = now_ms - connection.last_sent_ms >= self.limits.idle_seconds * 1000
            poisoned = connection.abort_ms is not None and connection.abort_ms <= now_ms
            if (idle and not connection.silent) or poisoned:
                connection.abort()
