"""Secrets are references; the value is looked up where it is used and shown nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hlmon.contract import Need
from hlmon.environment import ENVIRON
from hlmon.errors import ConfigError
from hlmon.fields import decode_path
from hlmon.needs import VARIABLE

_SHORTEST_REDACTED: Final = 4  # shorter ones would turn up in innocent text

_revealed: dict[str, str] = {}  # reference -> its last value, for `redact`; one entry per secret of the config


class Secret:
    """A reference to a secret: `env:NAME` or `file:/path`. Raises ValueError for anything else, without repeating it.

    Neither str, repr nor an error of it ever contains the value; only `reveal` returns it. It has no JSON form.
    """

    __slots__ = ("reference",)

    def __init__(self, reference: str) -> None:
        scheme, _, target = reference.partition(":") if isinstance(reference, str) else ("", "", "")
        if not (scheme == "env" and VARIABLE.fullmatch(target)) and not (scheme == "file" and target):
            raise ValueError('must be a reference, "env:NAME" or "file:/path", not the secret itself')
        self.reference = reference

    def reveal(self) -> str:
        """The value as it is now, without line ends around it. Raises ConfigError naming the reference only."""
        scheme, _, target = self.reference.partition(":")
        value = (ENVIRON.get(target) if scheme == "env" else self._contents(target)) or ""
        value = value.strip("\r\n")
        if not value:
            raise ConfigError(f"the secret {self.reference} is {'not set' if scheme == 'env' else 'empty'}")
        _revealed[self.reference] = value
        return value

    def needs(self, why: str) -> tuple[Need, ...]:
        """What a deployment must provide so that it can be revealed: its variable; a file is nothing to provide."""
        scheme, _, target = self.reference.partition(":")
        return (Need(kind="secret", name=target, why=why),) if scheme == "env" else ()

    def _contents(self, path: str) -> str:
        try:
            return Path(path).expanduser().read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"the secret {self.reference} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"the secret {self.reference} is not UTF-8 text") from None

    def __repr__(self) -> str:
        return f"Secret({self.reference!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reference == self.reference

    def __hash__(self) -> int:
        return hash(self.reference)

    def __reduce__(self) -> Any:
        return Secret, (self.reference,)


def decode_field(type_: type, value: Any) -> Any:
    """Msgspec's hook for the types of config fields that it does not know: Secret and Path. Raises ValueError."""
    return Secret(value) if type_ is Secret else decode_path(type_, value)


def redact(text: str) -> str:
    """The text with every secret value that was ever revealed replaced by its reference: the last line of defence."""
    known = sorted(_revealed.items(), key=lambda item: -len(item[1]))  # the longest first: one may contain another
    for reference, value in known:
        for form in _forms(value):
            text = text.replace(form, f"[{reference}]")
    return text


def _forms(value: str) -> list[str]:
    """How a value may stand in a log line: as it is, in JSON, in a repr; of a URL also without its host."""
    forms = [value, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"), repr(value)[1:-1]]
    if value.startswith(("https://", "http://")):
        forms.append("/".join(value.split("/")[3:]))
    return [form for form in forms if len(form) >= _SHORTEST_REDACTED]
