"""What a notifier raises, by what is to be done, while it works and when it opens.

A revoked webhook, a wrong token, a missing right are put right by people, and are no fault of the alerts: while the
monitor runs they are Blocked, so that the alerts wait (and a fallback takes over) and arrive once it is put right; if
they were Permanent, each alert would be set aside and nobody would be told. At opening the same is a ConfigError, so
that the program does not begin with a notifier that cannot work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hlmon import ConfigError, Permanent, Transient

_logger = logging.getLogger(__name__)


class Blocked(Transient):
    """The service refuses until its owner changes something there or in the config."""


class Unreachable(Transient):
    """Nobody answered."""


def wrong(**looks: Callable[[], object]) -> dict[str, str]:
    """Field of a config -> what looking at its value says, for those where that is a ConfigError."""
    found = {}
    for field, look in looks.items():
        try:
            look()
        except ConfigError as error:
            found[field] = str(error)
    return found


@contextmanager
def proving() -> Iterator[None]:
    """What is to be put right becomes a ConfigError.

    A service that only asks for patience is there and is the right one: that is logged and the notifier opens.
    """
    try:
        yield
    except (Blocked, Unreachable, Permanent) as error:
        failure = str(error)
    except Transient as error:
        _logger.warning("not proven yet: %s", error)
        return
    else:
        return
    raise ConfigError(failure)


@contextmanager
def working() -> Iterator[None]:
    """A secret that cannot be read while the monitor runs is being renewed, perhaps: that is to be put right too."""
    try:
        yield
    except ConfigError as error:
        raise Blocked(str(error)) from None
