"""A source: fills from a text file that grows, one `TIME_MS COIN SIDE SIZE PRICE` a line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Annotated, get_args

import msgspec

from hlmon import AccountStatus, Checkpoint, ConfigError, Fill, Ingest, Settings, Side, SourceFactory, SourceStatus

POLL_SECONDS = 0.05
STREAM = "acme-tape"


class TapeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`desk` is the account that the fills are of."""

    path: Path
    desk: Annotated[str, msgspec.Meta(min_length=1)] = "acme"


class Tape:
    """Follows the file from where the last run ended, which its checkpoint says."""

    def __init__(self, config: TapeConfig) -> None:
        self._config = config
        self._newest_ms = 0

    async def run(self, ingest: Ingest, /) -> None:
        """Feed what is new, for ever."""
        held = [event for event in ingest.states(Checkpoint.kind) if isinstance(event, Checkpoint)]
        self._newest_ms = max((event.time_ms for event in held if event.stream == STREAM), default=0)
        while True:
            fills = [fill for fill in self._fills() if fill.time_ms > self._newest_ms]
            if fills:
                self._newest_ms = fills[-1].time_ms
                mark = Checkpoint(account=self._config.desk, time_ms=self._newest_ms, stream=STREAM)
                ingest([*fills, mark])
            await asyncio.sleep(POLL_SECONDS)

    def status(self) -> SourceStatus:
        """What `hlmon status` shows."""
        account = AccountStatus(address=self._config.desk, status="watched", last_seen_ms=self._newest_ms)
        return SourceStatus(accounts=[account])

    def _fills(self) -> Iterator[Fill]:
        for number, line in enumerate(self._config.path.read_text().splitlines()):
            time_ms, coin, side, size, price = line.split()
            yield Fill(
                account=self._config.desk,
                time_ms=int(time_ms),
                coin=coin,
                side=_side(side),
                size=Decimal(size),
                price=Decimal(price),
                order_id=number,
                trade_id=number + 1,
            )


def _side(text: str) -> Side:
    found: dict[str, Side] = {side: side for side in get_args(Side)}
    return found[text]


@contextmanager
def open_tape(config: TapeConfig, settings: Settings) -> Iterator[Tape]:
    """Prove that the file is there."""
    if not config.path.is_file():
        raise ConfigError(f"source.{settings.name}.path: {config.path} is no file")
    yield Tape(config)


FACTORY = SourceFactory(name="acme-tape", config=TapeConfig, open=open_tape)
