"""The user's names for accounts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from hlmon.events import AccountInfo, Event
from hlmon.plain import plain_line


class Labels(Mapping[str, str]):
    """Address -> label of the accounts in the config, and of the masters that are watched instead of agents there.

    A master bears the label of its agent unless it has its own. Which these are it learns as a deriver does, from each
    AccountInfo; it may be read from any thread meanwhile.
    """

    def __init__(self, configured: Mapping[str, str], infos: Iterable[Event] = ()) -> None:
        self._configured = {address: plain_line(label) for address, label in configured.items()}
        self._masters: dict[str, str] = {}  # by agent
        self._labels = dict(self._configured)
        for info in infos:
            self(info)

    def __getitem__(self, address: str) -> str:
        return self._labels[address]

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __len__(self) -> int:
        return len(self._labels)

    def __call__(self, event: Event, /) -> Sequence[Event]:
        """Learn who is behind an agent; nothing is derived."""
        if isinstance(event, AccountInfo) and event.role != "unknown":
            if event.role == "agent" and event.master:
                self._learn(self._masters | {event.account: event.master})
            elif event.account in self._masters:
                self._learn({agent: master for agent, master in self._masters.items() if agent != event.account})
        return ()

    def dump_memory(self) -> bytes:
        """Who is behind which agent."""
        return msgspec.json.encode(self._masters)

    def load_memory(self, memory: bytes, /) -> None:
        """Take over what `dump_memory` returned."""
        self._learn(msgspec.json.decode(memory, type=dict[str, str]))

    def _learn(self, masters: dict[str, str]) -> None:
        self._masters = masters
        own = {address: label for address, label in self._configured.items() if label}
        inherited = {master: own[agent] for agent, master in masters.items() if agent in own}
        self._labels = dict(self._configured) | inherited | own
