"""Real PostgreSQL, Supabase's own PostgREST-compatible server on it, and a proxy in front that does harm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.servers import supabase
from tests.servers.postgrest import plain_postgrest
from tests.servers.process import Unavailable
from tests.servers.supabase import SERVICE_KEY, Postgres, Project
from tests.servers.supabase_proxy import Proxy


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with supabase.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def live_project(postgres: Postgres) -> Iterator[Project]:
    with ExitStack() as stack:
        try:
            project = stack.enter_context(supabase.supabase_lite(postgres))
        except Unavailable as reason:
            pytest.skip(str(reason))
        yield project


@pytest.fixture(scope="session")
def plain_project(postgres: Postgres) -> Iterator[Project]:
    with plain_postgrest(postgres) as project:
        yield project


@pytest.fixture(params=["live_project", "plain_project"])
def project(request: pytest.FixtureRequest) -> Project:
    """Empty, on Supabase's server and then on PostgREST's statements."""
    found: Project = request.getfixturevalue(request.param)
    found.empty()
    return found


@pytest.fixture
def proxy(project: Project) -> Iterator[Proxy]:
    with Proxy(project.url) as server:
        yield server


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch, proxy: Proxy) -> Proxy:
    """The environment in which the sink finds the project through the proxy."""
    monkeypatch.setenv("SUPABASE_URL", proxy.url)
    monkeypatch.setenv("SUPABASE_SERVICE_KEY", SERVICE_KEY)
    return proxy
