"""What is wrong with a config: each problem with its place, and all of them in one error."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from hlmon.errors import ConfigError

KeyPath = tuple[str | int, ...]
"""The keys from the root of a document to a value, and positions in lists, from 0: `("account", 0, "address")`."""

TOML_VARIABLE: Final = "HLMON_CONFIG_TOML"
ACCOUNTS_VARIABLE: Final = "ACCOUNT_ADDRESS"

_OUTSIDE: Final = {
    "--account": "account",
    ACCOUNTS_VARIABLE: "account",
    "--journal": "journal",
    "--testnet": "hyperliquid",
    "--url": "hyperliquid",
}
"""What stands in the place of which key of the document."""
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


class Problem(NamedTuple):
    """Something that the user must change. The text says what is wrong and what to do, and repeats no secret.

    The path begins with a key of the document, or with an option or variable that stands in its place, such as
    `("--account", 0)`; an empty one is the document as a whole. `line` is known without the path where it is no TOML.
    """

    path: KeyPath
    text: str
    line: int | None = None

    @property
    def is_outside(self) -> bool:
        """Whether it is about the command line or the environment."""
        return bool(self.path) and self.path[0] in _OUTSIDE

    @property
    def subject(self) -> KeyPath:
        """The path, with the key of the document that an option or variable stands for."""
        return (_OUTSIDE[str(self.path[0])], *self.path[1:]) if self.is_outside else self.path


@dataclass(frozen=True)
class Document:
    """A config as the user wrote it: what to call it in messages ("" if there is none), and its text."""

    origin: str = ""
    text: str = field(default="", repr=False)  # may hold a secret that should have been a reference

    def told(self, problems: Iterable[Problem]) -> list[str]:
        """A line for each problem, once, in the order of the document: `hlmon.toml:7: account[0].address: …`."""
        lines = {problem: self._line(problem) for problem in problems}
        return [self._in_words(*each) for each in sorted(lines.items(), key=lambda each: each[1] or 0)]

    def _in_words(self, problem: Problem, line: int | None) -> str:
        origin = "" if problem.is_outside else self.origin
        place = f"{origin}:{line}" if origin and line else origin
        return ": ".join(filter(None, (place, shown(problem.path), problem.text)))

    def _line(self, problem: Problem) -> int | None:
        """Of the key, or, if it is not there, of the table that lacks it."""
        if problem.line is not None or problem.is_outside:
            return problem.line
        lengths = range(len(problem.path), 0, -1)
        return next((self._lines[path] for n in lengths if (path := problem.path[:n]) in self._lines), None)

    @cached_property
    def _lines(self) -> Mapping[KeyPath, int]:
        from hlmon.toml_lines import lines_of  # noqa: PLC0415  # a config that is right needs none

        return lines_of(self.text)


class ConfigProblems(ConfigError):
    """Several problems, each with its place in the config."""

    def __init__(self, problems: Iterable[Problem], document: Document | None = None) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join((document or Document()).told(self.problems)))


def raise_problems(document: Document, problems: Iterable[Problem]) -> None:
    """Raise one ConfigError with a line for each problem, if there is any."""
    if found := tuple(problems):
        raise ConfigProblems(found, document)


def shown(path: KeyPath) -> str:
    """A path as messages have it: `account[0].address`; keys that are no plain words are quoted."""
    words = [f"[{key}]" if isinstance(key, int) else f".{_word(key)}" for key in path]
    return "".join(words).removeprefix(".")


def _word(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else repr(key)
