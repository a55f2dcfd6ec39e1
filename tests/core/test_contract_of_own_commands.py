"""The commands of hlmon that read a journal keep the contract that those of plugins have."""

from __future__ import annotations

from importlib import import_module
from typing import ClassVar

from hlmon.testing import CommandContract
from hlmon.testing.builders import STORED_BUILDERS


class OwnCommand(CommandContract):
    words_after: ClassVar[tuple[str, ...]] = ()
    of: ClassVar[str] = ""

    def command(self):
        return import_module(f"hlmon.cli.{self.of}").command

    def arguments(self):
        return self.words_after


class TestGaps(OwnCommand):
    of = "gaps"
    words_after = ("--all",)


class TestExplain(OwnCommand):
    of = "explain"


class TestQuarantine(OwnCommand):
    of = "quarantine"
    words_after = ("list",)


class TestVerify(OwnCommand):
    of = "verify"

    def events(self):
        return [STORED_BUILDERS["fill"](), STORED_BUILDERS["checkpoint"](stream="userFills")]
