"""Single streams that fall silent while their connection, and every other stream, lives."""

from __future__ import annotations

from hlmon_sim.faults.base import Harm

STREAMS = (
    "userFills", "userTwapSliceFills", "userFundings", "userNonFundingLedgerUpdates", "userHistoricalOrders",
    "userTwapHistory", "allDexsClearinghouseState", "spotState", "openOrders",
)  # fmt: skip


class StreamFaults(Harm):
    """Harm to single streams: unlike a broken connection, nothing tells of it."""

    def mute(self, stream: str = "userFills") -> None:
        """Send nothing more of this stream to those who follow it now, until they subscribe to it again."""
        self.note("mute_fills" if stream == "userFills" else "mute_one")
        for connection in self.connections():
            for subscription in connection.subscriptions.values():
                if subscription.type == stream:
                    subscription.silent = True

    def mute_one(self) -> None:
        """The same with any one stream."""
        self.mute(self.chance.choice([stream for stream in STREAMS if stream != "userFills"]))

    def mute_for(self, seconds: float = 20, stream: str = "") -> None:
        """Send nothing of one stream of one account for so long, even if it is subscribed to again; acks still come."""
        account = self.some_account()
        subject = (stream or self.chance.choice(STREAMS), account.address if account else "")
        self.note("mute_for", seconds, lambda: self.hub.silent_streams.discard(subject))
        self.hub.silent_streams.add(subject)
