"""Secrets are references; the value is looked up where it is used and shown nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hlmon.contract import Need
from hlmon.environment import ENVIRON
from hlmon.errors import ConfigError
from hlmon.fields import decode_path
from hlmon.needs import VARIABLE
from hlmon.redaction import remember


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
        remember(self.reference, value)
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
