"""Small files beside the journal: what the user decided, written by commands and read by the monitor."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


class FileMark:
    """Whether a file was replaced since the last look; one that is not there is a state of it, too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None

    def has_changed(self) -> bool:
        """Look; the first time it has changed if it is there."""
        mark = None
        with contextlib.suppress(OSError):
            found = self._path.stat()
            mark = (found.st_mtime_ns, found.st_ino)
        changed, self._seen = mark != self._seen, mark
        return changed


def replace_file(path: Path, body: bytes) -> None:
    """Replace the file; whoever reads it meanwhile sees the old or the new one whole. Raises OSError."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
        Path(name).chmod(0o644)  # the monitor may run as another user
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
