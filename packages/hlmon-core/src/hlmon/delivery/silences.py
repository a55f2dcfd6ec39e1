"""The user's silences: a small file beside the journal, written by `hlmon silence` and read by the monitor."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hlmon.errors import HlmonError
from hlmon.journal.beside import FileMark, replace_file
from hlmon.routing import Silence

_DECODER = msgspec.json.Decoder(tuple[Silence, ...])
_logger = logging.getLogger(__name__)


def silences_path(journal: Path) -> Path:
    """Where the silences of a journal are."""
    return journal.with_name(journal.name + ".silences.json")


def read_silences(path: Path) -> tuple[Silence, ...]:
    """All silences of the file, () without one. Raises HlmonError if it cannot be read or understood."""
    try:
        return _DECODER.decode(path.read_bytes())
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError) as error:
        raise HlmonError(f"{path}: the silences cannot be read: {error}") from error


def write_silences(path: Path, silences: Sequence[Silence]) -> None:
    """Replace the file; whoever reads it meanwhile sees the old or the new one whole. Raises HlmonError."""
    try:
        replace_file(path, msgspec.json.format(msgspec.json.encode(silences), indent=2) + b"\n")
    except OSError as error:
        raise HlmonError(f"{path}: the silences cannot be written: {error.strerror}") from error


class SilenceFile:
    """The silences as they are now; a file that cannot be understood changes nothing and is said once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark = FileMark(path)
        self.silences: tuple[Silence, ...] = ()

    def refresh(self) -> bool:
        """Read the file if it changed; whether it did."""
        if not self._mark.has_changed():
            return False
        try:
            self.silences = read_silences(self._path)
        except HlmonError as error:
            _logger.error("%s; the ones known before stay", error)  # noqa: TRY400  # the reason is in the message
            return False
        return True
