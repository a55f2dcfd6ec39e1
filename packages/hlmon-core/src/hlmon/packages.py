"""The packages that belong to hlmon: what to install for a type or a command that somebody names without having it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_HAVE: Final[Mapping[str, tuple[str, ...]]] = {
    "hlmon-dynamodb": ("dynamodb",),
    "hlmon-notify": ("discord", "email", "sns", "telegram", "webhook"),
    "hlmon-notify[apprise]": ("apprise",),
    "hlmon-sim": ("demo", "sim"),
    "hlmon-supabase": ("supabase",),
}
PACKAGE_OF: Final = {name: package for package, names in _HAVE.items() for name in names}
"""Type or command -> the package, as an installer takes it."""

OWN_NAMES: Final = frozenset({"builtin", "core", "deploy", "notify", *PACKAGE_OF})
"""What the plugin of somebody else cannot be called."""
