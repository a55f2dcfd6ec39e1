"""The sink "supabase": one upsert a table for each batch, and the database decides what is newer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from hlmon import Checkpoint, ConfigError, Event, Need, Permanent, Secret, Settings, SinkFactory, Transient
from hlmon_supabase.client import KeyRefused, Refused, check_key, checked_url, connected, translated, upsert
from hlmon_supabase.schema import check_schema
from hlmon_supabase.tables import rows_by_table, rows_that_say_more

if TYPE_CHECKING:
    from supabase import Client

URL_VARIABLE: Final = "SUPABASE_URL"
KEY_VARIABLE: Final = "SUPABASE_SERVICE_KEY"

Connect = Callable[[], AbstractContextManager["Client"]]


class SupabaseConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which project, and the key that may write to it."""

    url: Annotated[Secret, msgspec.Meta(description="refers to the project's API URL")] = Secret(f"env:{URL_VARIABLE}")
    service_key: Annotated[
        Secret, msgspec.Meta(description="refers to the key; one in a file may be renewed while hlmon runs")
    ] = Secret(f"env:{KEY_VARIABLE}")


class SupabaseSink:
    """Writes to the project that `connect` opens, anew after its key was refused: the key may have been renewed."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._connection = ExitStack()
        self._client: Client | None = None
        self._schema_lacked = False  # when a row was refused last

    def write(self, events: Sequence[Event], /) -> None:
        """One request a table. Errors of the project or the network are Transient, those of a row Permanent.

        PostgreSQL words a wrong row and a changed column alike; so no row is blamed before the schema was looked at.
        """
        try:
            with self._working() as client:
                for table, rows in rows_by_table(events):
                    upsert(client, table, rows, keeps_known=table.holds_facts)
                    if told_more := rows_that_say_more(table, events):
                        upsert(client, table, told_more, keeps_known=False)
        except Permanent as error:
            self._blame_the_schema(error)
            raise

    def _blame_the_schema(self, error: Permanent) -> None:
        """Raise Refused if the schema is not whole, or was made so only after the row was refused."""
        lacked, self._schema_lacked = self._schema_lacked, True
        with self._working() as client:
            check_schema(client)
        self._schema_lacked = False
        if lacked:
            raise Refused(f"the schema was put right just now ({error})") from error

    def load_checkpoints(self) -> Iterable[Checkpoint]:
        """The newest checkpoint of every account and stream."""
        found: list[Checkpoint] = []
        last_id = 0
        with self._working() as client:
            while page := _checkpoints_after(client, last_id):
                last_id = page[-1]["id"]
                found += [
                    Checkpoint(account=row["account_address"], stream=row["stream"], time_ms=row["complete_to_ms"])
                    for row in page
                ]
        return found

    def check(self) -> None:
        """Raise ConfigError unless the project can be reached with this key and has the whole schema."""
        try:
            with self._working() as client:
                check_schema(client)
        except Transient as error:
            raise ConfigError(str(error)) from error

    def close(self) -> None:
        """Close the connection."""
        self._client = None
        self._connection.close()

    @contextmanager
    def _working(self) -> Iterator[Client]:
        try:
            if self._client is None:
                self._client = self._connection.enter_context(self._connect())
            with translated():
                yield self._client
        except KeyRefused:
            self.close()
            raise
        except ConfigError as error:  # of a secret that is being renewed: no fault of the events
            raise Refused(str(error)) from error


def _checkpoints_after(client: Client, last_id: int) -> list[Any]:
    """The next rows, as many as the project gives at once."""
    query = client.table("checkpoints").select("id,account_address,stream,complete_to_ms")
    return query.gt("id", last_id).order("id").execute().data


def check_supabase(config: SupabaseConfig) -> dict[str, str]:
    """Whether the URL can be a project's, and whether the key says of itself that it is another one."""
    found = {}
    for field, secret, look in (("url", config.url, checked_url), ("service_key", config.service_key, check_key)):
        try:
            look(secret.reveal())
        except ConfigError as error:
            found[field] = str(error)
    return found


@contextmanager
def open_supabase(config: SupabaseConfig, _settings: Settings) -> Iterator[SupabaseSink]:
    """Prove that the key, the project and its schema are right, then write to it until the end of the context."""
    sink = SupabaseSink(lambda: connected(config.url.reveal(), config.service_key.reveal()))
    try:
        sink.check()
        yield sink
    finally:
        sink.close()


def needs(config: SupabaseConfig) -> Sequence[Need]:
    """The two secrets, as far as they are read from the environment."""
    return [*config.url.needs("the project's API URL"), *config.service_key.needs("to write to the project's tables")]


FACTORY: Final = SinkFactory(
    name="supabase", config=SupabaseConfig, open=open_supabase, needs=needs, check=check_supabase, max_batch=500
)
