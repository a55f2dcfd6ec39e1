"""The schema: its SQL, what a database with it holds, and what a live one lacks."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from hlmon import ConfigError
from hlmon_supabase.client import PASTE_SCHEMA

if TYPE_CHECKING:
    from supabase import Client

_OPTIONAL: Final = "realtime "  # a project may have it switched off
_SHOWN: Final = 5


def schema_sql() -> str:
    """The whole schema as SQL that may be run any number of times."""
    return files("hlmon_supabase").joinpath("schema.sql").read_text(encoding="utf-8")


def expected_lines() -> tuple[str, ...]:
    """What `hlmon_schema()` answers in a database that has the whole schema."""
    return tuple(files("hlmon_supabase").joinpath("schema.txt").read_text(encoding="utf-8").splitlines())


def missing(found: Iterable[str]) -> list[str]:
    """What of the schema is not among these lines."""
    return sorted(set(expected_lines()) - set(found))


def read_lines(client: Client) -> list[str]:
    """What the live database says that it has."""
    lines = client.rpc("hlmon_schema").execute().data
    return [str(line) for line in lines] if isinstance(lines, list) else []


def is_required(line: str) -> bool:
    """Whether the sink cannot do without it."""
    return not line.startswith(_OPTIONAL)


def check_schema(client: Client) -> None:
    """Raise ConfigError if the live database lacks something that the sink needs."""
    lacking = [line for line in missing(read_lines(client)) if is_required(line)]
    if lacking:
        more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        raise ConfigError(f"the Supabase project lacks: {'; '.join(lacking[:_SHOWN])}{more}; {PASTE_SCHEMA}")
