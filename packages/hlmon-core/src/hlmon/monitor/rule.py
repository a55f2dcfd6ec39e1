"""The derivers of a config and of plugins as components. They run on the main thread, as part of admitting events."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from hlmon.contract import Deriver, DeriverFactory, Settings
from hlmon.errors import ConfigError
from hlmon.ingest import Ingest
from hlmon.parts import EnabledPart
from hlmon.status import ComponentStatus

SWITCHED_OFF: Final = "it is not called again: restart hlmon once it is repaired"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rule:
    """One deriver; None if it could not be opened, then `why` says why."""

    part: EnabledPart[DeriverFactory[Any]]
    deriver: Deriver | None
    why: str = ""

    @property
    def memory_name(self) -> str:
        """As users name rules, so that a rule and a deriver of one name keep their memories apart."""
        return self.part.name if self.part.factory.always else f"rule.{self.part.name}"

    def component(self, ingest: Ingest, started_ms: int, now_ms: int) -> ComponentStatus:
        """Failing while its last call failed, and for good if it could not be opened or a call hung."""
        name = self.memory_name
        status = ComponentStatus(
            name=self.part.name,
            part="rule",
            type=self.part.factory.name,
            state="running" if self.deriver is not None else "failing",
            since_ms=started_ms,
            why=self.why,
            failures=ingest.failures.get(name, 0),
        )
        if (trouble := ingest.failing.get(name)) is not None:
            since, why = trouble
            status.state, status.why = "failing", f"{why}; {SWITCHED_OFF}" if name in ingest.hanging else why
            status.since_ms = now_ms - round((time.monotonic() - since) * 1000)
        return status


def open_rule(part: EnabledPart[DeriverFactory[Any]], settings: Settings, stack: ExitStack) -> Rule:
    """Open it until the end of `stack`. Raises ConfigError if that is what a rule of the config raises.

    Opening a rule asks nobody, so what it finds wrong the user can mend at once. Any other trouble is the plugin's.
    """
    try:
        return Rule(part, stack.enter_context(part.open(settings)))
    except ConfigError as error:
        if isinstance(error.__cause__, ConfigError) and not part.factory.always:
            raise
        _log.error("rule %s cannot be opened and is left out", part.name, exc_info=error)
        return Rule(part, None, f"{error}; {SWITCHED_OFF}")
