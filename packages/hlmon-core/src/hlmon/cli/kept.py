"""How commands name what was set aside: by the beginning of its digest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hlmon.errors import ConfigError
from hlmon.events import Quarantined
from hlmon.fields import nearest

ID_LENGTH: Final = 8


def short_id(kept: Quarantined) -> str:
    """The name that lists show."""
    return kept.digest[:ID_LENGTH]


def chosen_among(kept: Sequence[Quarantined], names: Sequence[str], what: str) -> list[Quarantined]:
    """Those that the user named; `what` is one of them in words. Raises ConfigError for a name of none or several."""
    chosen = []
    for name in names:
        found = [one for one in kept if name and one.digest.startswith(name)]
        if len({one.digest for one in found}) != 1:
            hint = nearest(name, [short_id(one) for one in kept])
            raise ConfigError(f"{'unknown' if not found else 'not the name of one'} {what} {name!r}{hint}")
        chosen += found
    return chosen
