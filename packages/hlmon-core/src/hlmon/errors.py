"""Every error of hlmon, each class named by what the caller does next."""

from __future__ import annotations

from hlmon.redaction import redact


class HlmonError(Exception):
    """Base of all errors that hlmon raises on purpose; the text is written for the user."""


class ConfigError(HlmonError):
    """The user changes something (config, credentials, path) and starts again.

    The text says what is wrong, where, and what to do.
    """


class JournalError(HlmonError):
    """The journal file cannot be used as it is: locked, read-only, full, foreign or damaged.

    The file is left untouched. The user frees, repairs or moves it and starts again.
    """


class JournalBusy(JournalError):
    """Another program keeps the journal locked for writing; the caller holds what it has and tries again."""


class JournalOutdated(JournalError):
    """An older hlmon wrote the file; it is read once a run has brought it up to date."""


class WireError(HlmonError):
    """Bytes from the exchange were not understood; they go to quarantine and the stream goes on."""


class Transient(HlmonError):
    """The same call may succeed later; the caller waits and repeats it.

    `retry_after` is the wait in seconds that the other side asked for, if it did.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Permanent(HlmonError):
    """The same call will never succeed; the caller narrows it down and sets the cause aside."""


def text_of(error: BaseException) -> str:
    """Whatever a plugin raised, in one line: its type and its text; of a ConfigError, which is for the user, the text.

    Never raises, though an error may be unable to say what it is. Values of secrets are replaced by their references.
    """
    try:
        text = redact(" ".join(str(error).split()))
    except BaseException:  # noqa: BLE001
        text = ""
    if isinstance(error, ConfigError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
