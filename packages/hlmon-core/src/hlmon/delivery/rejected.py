"""Events and alerts that were refused for good, and their delivery after all.

The journal has one writer, so what the user asks for is a line in a small file beside it, which the couriers follow.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from hlmon.errors import HlmonError
from hlmon.events import Event, Quarantined, decode
from hlmon.journal import Journal
from hlmon.journal.beside import FileMark, replace_file

NOT_BY_PARTS: Final = frozenset({"wire", "journal"})
"""Origins of what could not be read, or not be stored: no component refused that."""
RETRY_MS: Final = 60_000

_logger = logging.getLogger(__name__)


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """Deliver what `origin` refused to the sink or notifier `to`."""

    origin: str
    digest: str
    to: str
    asked_ms: int


class Refused(NamedTuple):
    """What is to be delivered after all, and what asks for it."""

    retry: Retry
    event: Event


_DECODER: Final = msgspec.json.Decoder(tuple[Retry, ...])


class _Kind(msgspec.Struct):
    kind: str


def retries_path(journal: Path) -> Path:
    """Where it is asked for."""
    return journal.with_name(journal.name + ".rejected.json")


def read_retries(journal: Path) -> tuple[Retry, ...]:
    """All that was asked for, () without a file. Raises HlmonError if it cannot be read or understood."""
    path = retries_path(journal)
    try:
        return _DECODER.decode(path.read_bytes())
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError) as error:
        raise HlmonError(f"{path}: what is to be delivered again cannot be read: {error}") from error


def write_retries(journal: Path, retries: Sequence[Retry]) -> None:
    """Replace the file. Raises HlmonError."""
    path = retries_path(journal)
    try:
        replace_file(path, msgspec.json.format(msgspec.json.encode(retries), indent=2) + b"\n")
    except OSError as error:
        raise HlmonError(f"{path}: what is to be delivered again cannot be written: {error.strerror}") from error


def rejected(journal: Journal) -> list[Quarantined]:
    """Everything that a sink or notifier refused for good, in the order of the journal."""
    found = [event for event in journal.states(Quarantined.kind) if isinstance(event, Quarantined)]
    return [event for event in found if event.unit == "event" and event.origin not in NOT_BY_PARTS]


def event_in(kept: Quarantined, journal: Journal) -> Event | None:
    """The event that was refused, as the journal has it now or else as it was kept; None if neither can be read."""
    try:
        event = decode(msgspec.json.decode(kept.payload, type=_Kind).kind, kept.payload.encode())
    except (msgspec.MsgspecError, HlmonError):
        return None
    return journal.event(event.name) or event


class Retries:
    """What one sink or notifier is to be given again, each once."""

    def __init__(self, to: str, journal: Journal) -> None:
        self._to = to
        self._journal = journal
        self._mark = FileMark(retries_path(journal.path))
        self._due: dict[Retry, int] = {}  # and not before when

    def due(self, now_ms: int) -> Iterator[Refused]:
        """What is to be tried now; say afterwards that it was `delivered`, `refused` or is to be tried `later`."""
        if self._mark.has_changed():
            self._read()
        ready = [retry for retry, from_ms in self._due.items() if from_ms <= now_ms]
        if not ready:
            return
        kept = {(each.origin, each.digest): each for each in rejected(self._journal)}
        for retry in ready:
            found = kept.get((retry.origin, retry.digest))
            event = event_in(found, self._journal) if found else None
            if event is None:
                self.refused(retry, "it is not in the journal any more, or cannot be read", retry.asked_ms)
            else:
                yield Refused(retry, event)

    def delivered(self, retry: Retry, time_ms: int) -> None:
        """The component has it now."""
        self._journal.redelivered.add(retry.origin, retry.digest, self._to, max(time_ms, retry.asked_ms))
        self._due.pop(retry, None)
        _logger.info("%s has what %s refused: %s", self._to, retry.origin, retry.digest[:8])

    def refused(self, retry: Retry, why: str, time_ms: int) -> None:
        """It is given up until it is asked for again."""
        self._journal.redelivered.add(retry.origin, retry.digest, "", max(time_ms, retry.asked_ms))
        self._due.pop(retry, None)
        _logger.error("%s does not take what %s refused (%s): %s", self._to, retry.origin, retry.digest[:8], why)

    def later(self, retry: Retry, now_ms: int) -> None:
        """The component is in trouble."""
        self._due[retry] = now_ms + RETRY_MS

    def refused_again(self, record: Quarantined) -> None:
        """This was refused, perhaps not for the first time."""
        self._journal.redelivered.refused_again(record.origin, record.digest)

    def _read(self) -> None:
        try:
            asked = read_retries(self._journal.path)
        except HlmonError as error:
            _logger.error("%s", error)  # noqa: TRY400  # the reason is in the message
            return
        done = self._journal.redelivered.all()
        self._due = {
            retry: self._due.get(retry, 0)
            for retry in asked
            if retry.to == self._to and done.get((retry.origin, retry.digest), ("", -1))[1] < retry.asked_ms
        }


Recorder = Callable[[Quarantined], None]


def recording(append: Recorder, retries: Retries) -> Recorder:
    """Records a refusal, also one of what was delivered again."""

    def record(refusal: Quarantined) -> None:
        append(refusal)
        retries.refused_again(refusal)

    return record
