"""A plugin in memory that does as it is told, and what became of the events it was given."""

from __future__ import annotations

from hlmon.errors import Permanent
from tests.core.entries import events_in


class Plugin:
    """Keeps what it is given, after raising what it is told to raise."""

    def __init__(self, *errors, bad=(), error=Permanent):
        self.errors = list(errors)
        self.bad = {event.name for event in bad}
        self.error = error
        self.calls = []
        self.kept = []

    def __call__(self, events):
        self.calls.append(list(events))
        if self.errors and (error := self.errors.pop(0)):
            raise error
        if self.bad & {event.name for event in events}:
            raise self.error("not this one")
        self.kept += events

    write = __call__


def deliver_all(follower):
    while follower.deliver_next():
        pass


def quarantine_of(journal):
    return events_in(journal, kinds={"quarantine"})
