"""A rule as the monitor runs it: opened from the words of a config, its alerts coming back to it."""

from __future__ import annotations

import tomllib
from contextlib import ExitStack

import pytest

from hlmon.config import PartTable
from hlmon.contract import Settings
from hlmon.events import Alert
from hlmon.parts import part_config
from hlmon.rules.types import FACTORIES
from hlmon.testing.builders import ALICE, BOB

TYPES = {factory.name: factory for factory in FACTORIES}
WATCHED = Settings(name="my-rule", accounts={ALICE: "Treasury", BOB: ""})


class Watch:
    """One rule; calling it with events gives the alerts about them."""

    def __init__(self, type_, toml, settings=WATCHED):
        self.factory = TYPES[type_]
        table = PartTable(section="rule", name=settings.name, type=type_, fields=tomllib.loads(toml))
        self.config = part_config(table, self.factory)
        self.settings = settings
        self.told: list[Alert] = []
        self.rule = self.open()

    def open(self):
        return ExitStack().enter_context(self.factory.open(self.config, self.settings))

    def __call__(self, *events):
        before = len(self.told)
        for event in events:
            assert event.kind in self.factory.kinds, event.kind
            for alert in self.rule(event):
                self.told.append(alert)
                assert list(self.rule(alert)) == []
        return self.told[before:]

    def titles(self, *events):
        return [alert.title for alert in self(*events)]

    def restart(self):
        """The monitor stops and starts: all that is left is what it saved."""
        saved = self.rule.dump_memory()
        self.rule = self.open()
        self.rule.load_memory(saved)
        return self

    def rebuild(self, *stored):
        """The monitor was killed before it saved anything: stored events and alerts come again, to no effect."""
        self.rule = self.open()
        for event in sorted([*stored, *self.told], key=lambda event: event.time_ms):
            list(self.rule(event))
        return self


@pytest.fixture
def watch():
    """`watch(type, toml)` opens a rule of that type."""

    def opened(type_, toml="", settings=WATCHED):
        return Watch(type_, toml, settings)

    return opened
