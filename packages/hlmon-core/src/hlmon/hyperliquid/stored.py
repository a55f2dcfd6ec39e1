"""What the journal knows when the feed starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from hlmon.contract import Ingest
from hlmon.events import AccountInfo, Checkpoint, Event, Gap, Order, Position


@runtime_checkable
class KnowsOrders(Protocol):
    """An ingest that finds the orders whose end is not known without handing out all of them."""

    def unended_orders(self) -> Sequence[Event]:
        """Those orders, the one that changed last at the end."""


@dataclass(frozen=True)
class Stored:
    """The states to go on from, of all accounts and coins.

    `orders` are those whose end is not known, `open_coins` the open positions on further dexes than the main one, as
    account and coin.
    """

    infos: Sequence[AccountInfo] = ()
    checkpoints: Sequence[Checkpoint] = ()
    gaps: Sequence[Gap] = ()
    open_coins: Sequence[tuple[str, str]] = ()
    orders: Sequence[Order] = ()

    @classmethod
    def read(cls, ingest: Ingest) -> Stored:
        """What `ingest` holds."""
        return cls(
            [event for event in ingest.states("account_info") if isinstance(event, AccountInfo)],
            [event for event in ingest.states("checkpoint") if isinstance(event, Checkpoint)],
            [event for event in ingest.states("gap") if isinstance(event, Gap)],
            [(e.account, e.coin) for e in ingest.states("position") if isinstance(e, Position) and _is_further(e)],
            [event for event in _orders(ingest) if isinstance(event, Order)],
        )


def _orders(ingest: Ingest) -> Sequence[Event]:
    return ingest.unended_orders() if isinstance(ingest, KnowsOrders) else ()


def _is_further(position: Position) -> bool:
    return position.is_open and ":" in position.coin
