"""Market trades of the configured coins: each trade once, the replay never, every hole stated."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from hlmon.events import Checkpoint, Event, Gap, MarketTrades, Quarantined, Trade
from hlmon.events.readings import trade_names
from hlmon.hyperliquid.stored import Stored

PROBATION_SECONDS = 3.0  # a coin that the exchange dislikes costs the whole socket after about 0.8 s
BARRED_SECONDS = 60.0  # doubles with each time, up to:
LONGEST_BARRED_SECONDS = 3600.0
REMEMBERED_FRAMES = 64


class Coin:
    """One coin's stream: whether it is subscribed, and what of it was seen."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stream = f"trades:{name}"
        self.valid = False
        self.subscribed = False
        self.suspect = False  # subscribed only alone, until it has lived through its probation
        self.asked_at = float("-inf")
        self.barred_until = float("-inf")
        self.refusals = 0
        self.problem = ""
        self.gap: Gap | None = None
        self._replayed = False
        self._newest_ms = 0
        self._recent: deque[tuple[Trade, ...]] = deque(maxlen=REMEMBERED_FRAMES)

    def take(self, event: MarketTrades) -> Iterable[Event]:
        """What to count of a frame, and the end of the hole before it.

        The first frame after subscribing is the replay, and everything after its last trade is live. Later ones are
        compared with the last frames only where their times overlap, since any frame may come twice.
        """
        trades = event.trades
        first, self._replayed = not self._replayed, True
        overlaps = trades[0].time_ms <= self._newest_ms
        self._newest_ms = max(self._newest_ms, event.time_ms)
        if first:
            self._recent.append(trades)
            return self._close_gap(event.time_ms)
        if overlaps:
            known = {name for frame in self._recent for name in _names(frame)}
            trades = tuple(trade for trade, name in zip(trades, _names(trades), strict=True) if name not in known)
            if not trades:
                return ()
            event = MarketTrades(coin=event.coin, time_ms=trades[-1].time_ms, trades=trades)
        self._recent.append(trades)
        return (event,)

    def lost(self, clock_ms: int) -> Iterable[Event]:
        """The stream ended; the hole begins, unless nothing was ever counted or it is open already."""
        replayed, self._replayed, self.subscribed = self._replayed, False, False
        return self._open_gap(max(clock_ms, self._newest_ms)) if replayed else ()

    def checkpoint(self, clock_ms: int) -> Iterable[Event]:
        """How far the stream was seen: where the hole of a sudden end will begin."""
        if self._replayed:
            yield Checkpoint(stream=self.stream, time_ms=max(clock_ms, self._newest_ms))

    def recall(self, stored: Stored) -> Iterable[Event]:
        """Go on with the hole since the end of the last run; a coin that was never watched has none."""
        stated = [gap for gap in stored.gaps if gap.stream == self.stream and gap.end_ms is None]
        if stated:
            self.gap = max(stated, key=lambda gap: gap.start_ms)
            return ()
        seen = [point.time_ms for point in stored.checkpoints if point.stream == self.stream]
        return self._open_gap(max(seen)) if seen else ()

    def _open_gap(self, start_ms: int) -> Iterable[Event]:
        if self.gap is not None:
            return ()
        self.gap = Gap(stream=self.stream, start_ms=start_ms, time_ms=start_ms, reason="trades were not seen")
        return (self.gap,)

    def _close_gap(self, newest_ms: int) -> Iterable[Event]:
        gap, self.gap = self.gap, None
        if gap is None:
            return ()
        end_ms = max(gap.start_ms, newest_ms)
        return (Gap(stream=gap.stream, start_ms=gap.start_ms, end_ms=end_ms, time_ms=end_ms, reason=gap.reason),)


def unread_trades(unread: Sequence[Quarantined]) -> list[Gap]:
    """Trades that came and could not be read, as gaps: the sums over their moments are not complete."""
    return [
        Gap(
            stream=row.stream,
            start_ms=row.time_ms,
            end_ms=row.time_ms,
            time_ms=row.time_ms,
            reason="a trade could not be read",
        )
        for row in unread
        if row.stream.startswith("trades:") and row.time_ms
    ]


def _names(trades: Sequence[Trade]) -> list[tuple[int, object]]:
    return [(trade.time_ms, name) for trade, name in zip(trades, trade_names(trades), strict=True)]


class Markets:
    """All configured coins, in their order."""

    def __init__(self, names: Iterable[str]) -> None:
        self.coins: dict[str, Coin] = {name: Coin(name) for name in names}

    def judge(self, verdicts: Mapping[str, str | None]) -> None:
        """Take over what validation found: None is a good coin, "" one that could not be verified, a text a bad one."""
        for name, verdict in verdicts.items():
            coin = self.coins[name]
            coin.valid, coin.suspect, coin.problem = not verdict, verdict == "", verdict or ""

    def next_wanted(self, now: float) -> Coin | None:
        """The coin to subscribe now. A suspect is tried alone: none is asked for shortly before or after it."""
        for coin in self.coins.values():
            if coin.subscribed and coin.suspect and now - coin.asked_at >= PROBATION_SECONDS:
                coin.suspect, coin.refusals, coin.problem = False, 0, ""
        ready = [c for c in self.coins.values() if c.valid and not c.subscribed and c.barred_until <= now]
        fresh = [c for c in self.coins.values() if now - c.asked_at < PROBATION_SECONDS]
        if not ready or any(coin.suspect for coin in fresh):
            return None
        plain = [coin for coin in ready if not coin.suspect]
        if plain:
            return plain[0]
        return None if fresh else ready[0]

    def refuse(self, coin: Coin, reason: str, now: float) -> None:
        """The exchange does not take this coin; it is tried again after a minute, an hour at last."""
        coin.barred_until = now + min(LONGEST_BARRED_SECONDS, BARRED_SECONDS * 2**coin.refusals)
        coin.refusals += 1
        coin.problem = f"the trades of {coin.name} cannot be watched: {reason}"

    def lost(self, now: float, clock_ms: int, *, unexplained: bool) -> list[Event]:
        """The socket is gone; if nobody knows why, the coins just asked for are suspects, and a suspect is guilty."""
        for coin in self.coins.values():
            if unexplained and now - coin.asked_at < PROBATION_SECONDS:
                if coin.suspect:
                    self.refuse(coin, "the exchange closes the connection when asked for them", now)
                coin.suspect = True
            coin.asked_at = float("-inf")
        return [event for coin in self.coins.values() for event in coin.lost(clock_ms)]

    def checkpoints(self, clock_ms: int) -> list[Event]:
        """How far each coin was seen."""
        return [event for coin in self.coins.values() for event in coin.checkpoint(clock_ms)]

    def recall(self, stored: Stored) -> list[Event]:
        """Go on where the last run ended."""
        return [event for coin in self.coins.values() for event in coin.recall(stored)]

    def take(self, event: MarketTrades) -> Iterable[Event]:
        """What to count of one frame of trades; coins that nobody asked for are not counted."""
        coin = self.coins.get(event.coin)
        return coin.take(event) if coin is not None else ()
