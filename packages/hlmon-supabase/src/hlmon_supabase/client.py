"""The Supabase client: which key and URL are right ones, and what each answer means for the caller.

`supabase` and `httpx` are imported when a client is made: together they take 50 MB.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from hlmon import ConfigError, Permanent, Transient
from hlmon_supabase.rows import Row
from hlmon_supabase.tables import Table

if TYPE_CHECKING:
    import httpx
    from postgrest.exceptions import APIError
    from supabase import Client

TIMEOUT_S: Final = 30.0

PASTE_SCHEMA: Final = "run `hlmon supabase sql`, paste what it prints into the project's SQL editor and run it there"
RIGHT_KEY: Final = "use the secret key (sb_secret_…) or the legacy service_role key, from the project's API settings"


class Refused(Transient):
    """The project refuses work for a reason that only its owner can remove; a running monitor waits for that."""


class KeyRefused(Refused):
    """The key is wrong, expired or revoked; a renewed one may be in its place already."""


def checked_url(url: str) -> str:
    """The URL of a project's API. Raises ConfigError for what is often mistaken for it."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ConfigError("the Supabase URL must be the project's API URL, such as https://abcdefgh.supabase.co")
    if parts.hostname in ("supabase.com", "app.supabase.com"):
        raise ConfigError("the Supabase URL is that of the dashboard; it must be like https://abcdefgh.supabase.co")
    return f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/').removesuffix('/rest/v1')}"


def check_key(key: str) -> None:
    """Raise ConfigError for a key that says of itself that it is not the service key."""
    role = "anon" if key.startswith("sb_publishable_") else _role_of(key)
    if role not in (None, "service_role"):
        raise ConfigError(f"the Supabase key is the {role} key, which may not write; {RIGHT_KEY}")


def _role_of(key: str) -> str | None:
    """The role that a legacy key carries, without a look at its signature; None if it is no such key."""
    try:
        payload = key.split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["role"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return None


@contextmanager
def connected(url: str, key: str) -> Iterator[Client]:
    """A client without retries of its own, closed at the end. Nothing is sent yet."""
    import httpx
    from supabase import Client, ClientOptions

    check_key(key)
    with httpx.Client(timeout=TIMEOUT_S, event_hooks={"response": [_refuse]}) as http:
        options = ClientOptions(
            auto_refresh_token=False, persist_session=False, postgrest_client_retry=False, httpx_client=http
        )
        yield Client(checked_url(url), key, options)


def upsert(client: Client, table: Table, rows: list[Row], *, keeps_known: bool) -> None:
    """Write rows in one statement: known facts stay, states are replaced where the database finds them newer."""
    from postgrest.types import ReturnMethod

    query = client.table(table.name).upsert(
        rows, on_conflict=table.conflict, ignore_duplicates=keeps_known, returning=ReturnMethod.minimal
    )
    query.execute()


def _refuse(response: httpx.Response) -> None:
    """Raise what the status alone says; other answers are told apart by the code in their body."""
    status = response.status_code
    if status == 401:
        response.read()
        raise KeyRefused(f"Supabase does not accept the key ({_message(response)}); {RIGHT_KEY}")
    if status == 402:
        response.read()
        raise Refused(
            f"Supabase restricts the project ({_message(response)}); see its usage and bills in the dashboard"
        )
    if status == 540:
        raise Refused("the Supabase project is paused; resume it in the dashboard")
    if status == 413:
        raise Permanent("Supabase says that the request is too large")
    if status in (408, 429) or status >= 500:
        response.read()
        wait = _seconds(response.headers.get("retry-after", ""))
        raise Transient(f"Supabase answers {status} ({_message(response)})", retry_after=wait)


def _message(response: httpx.Response) -> str:
    """What the answer says, in one line."""
    try:
        return str(response.json()["message"])[:200]
    except (ValueError, KeyError, TypeError):
        return response.reason_phrase or "without a reason"


def _seconds(retry_after: str) -> float | None:
    return float(retry_after) if retry_after.isdecimal() else None


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the client as Transient and Permanent; their texts tell the user what to do."""
    import httpx
    from postgrest.exceptions import APIError

    try:
        yield
    except httpx.TimeoutException as error:
        raise Transient(f"Supabase did not answer in time ({type(error).__name__})") from error
    except httpx.TransportError as error:
        raise Transient(f"Supabase cannot be reached ({error or type(error).__name__})") from error
    except httpx.HTTPError as error:
        raise Transient(f"Supabase's answer cannot be read ({error or type(error).__name__})") from error
    except APIError as error:
        raise _meaning(error) from error


_PERMANENT: Final = ("21", "22", "23", "54", "P0001")
"""SQLSTATE: repeated rows, wrong data, violated constraints, limits of the database, a trigger's RAISE."""

_SCHEMA: Final = ("42P01", "42703", "42P10", "42883", "PGRST202", "PGRST204", "PGRST205")


def _meaning(error: APIError) -> Exception:
    code, message = error.code or "", " ".join(filter(None, (error.message, _detail(error.details))))
    if code in _SCHEMA:
        return Refused(f"the schema of hlmon is missing or older ({message}); {PASTE_SCHEMA}")
    if code.startswith("PGRST3"):
        return KeyRefused(f"Supabase does not accept the key ({message}); {RIGHT_KEY}")
    if code == "42501":
        return Refused(f"the Supabase key may not do this ({message}); {RIGHT_KEY}, then {PASTE_SCHEMA}")
    if code.startswith(_PERMANENT):
        return Permanent(f"Supabase refuses the row: {message} ({code})")
    if code.isdecimal():  # a status with a body that is not PostgREST's
        return Transient(f"Supabase answers {code} ({error.message}); is the URL that of the project's API?")
    return Transient(f"Supabase answers {code or 'with an error'}: {message}")


def _detail(details: Any) -> str:
    return str(details)[:300] if details else ""
