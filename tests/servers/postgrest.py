"""A project whose REST interface is the statements of PostgREST alone; needs PostgreSQL and nothing else."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import parse_qs, urlsplit

import psycopg

from hlmon_supabase.schema import schema_sql
from tests.servers.listener import Listener
from tests.servers.supabase import ANON_KEY, SERVICE_KEY, Postgres, Project
from tests.servers.supabase_proxy import Exchange


class Postgrest(Listener):
    """Answers what the sink asks with the statements that PostgREST itself makes of it.

    PostgREST gives the body of a request to PostgreSQL as it is (json_to_recordset) and so never touches a number; the
    other server reads it as JavaScript does.
    """

    def __init__(self, postgres: Postgres, database: str) -> None:
        self.connect = lambda: postgres.connect(database)
        self.faults, self.requests = deque(), []
        super().__init__(Statement)


class Statement(Exchange):
    """One request as one transaction with the rights of its key."""

    def pass_on(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        role = {SERVICE_KEY: "service_role", ANON_KEY: "anon"}.get(self.headers["apikey"])
        if role is None:
            return self.answer(401, b'{"message":"Invalid API key"}')
        table = url.path.removeprefix("/rest/v1/")
        sql, body = (
            self.upsert(table, query) if self.command == "POST" and "/" not in table else self.read(table, query)
        )
        with closing(self.server.connect()) as connection:
            try:
                with connection.transaction():
                    connection.execute(f"SET LOCAL ROLE {role}")
                    answer = connection.execute(sql, body).fetchone()[0]
            except psycopg.Error as error:
                problem = {
                    "code": error.sqlstate,
                    "message": error.diag.message_primary,
                    "details": error.diag.message_detail,
                }
                return self.answer(400, json.dumps(problem).encode())
        return self.answer(200, json.dumps(answer).encode(), ("Content-Type", "application/json"))

    def upsert(self, table: str, query: dict[str, str]) -> tuple[str, list[str]]:
        columns = [column.strip('"') for column in query["columns"].split(",")]
        with closing(self.server.connect()) as connection:
            found = connection.execute(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass",
                [table],
            ).fetchall()
        types = dict(found)
        names = ", ".join(f'"{column}"' for column in columns)
        record = ", ".join(f'"{column}" {types[column]}' for column in columns)
        changes = ", ".join(f'"{column}" = EXCLUDED."{column}"' for column in columns)
        action = f"UPDATE SET {changes}" if "merge-duplicates" in self.headers["Prefer"] else "NOTHING"
        return (
            f"WITH source AS (INSERT INTO {table} ({names}) "
            f"SELECT {names} FROM json_to_recordset(%s::json) AS _ ({record}) "
            f"ON CONFLICT ({query['on_conflict']}) DO {action} RETURNING 1) SELECT COUNT(*) FROM source"
        ), [self.body.decode()]

    def read(self, table: str, query: dict[str, str]) -> tuple[str, list[str]]:
        if table.startswith("rpc/"):
            return f"SELECT {table.removeprefix('rpc/')}()", []
        return (
            f"SELECT COALESCE(json_agg(page), '[]') FROM (SELECT {query['select']} FROM {table} WHERE id > %s "
            f"ORDER BY id LIMIT 1000) AS page"
        ), [query["id"].removeprefix("gt.")]


@contextmanager
def plain_postgrest(postgres: Postgres, name: str = "plain") -> Iterator[Project]:
    """An empty project of this kind."""
    with postgres.project(name) as database, Postgrest(postgres, name) as server:
        database.execute(schema_sql())
        yield Project("statements", server.url, database)
