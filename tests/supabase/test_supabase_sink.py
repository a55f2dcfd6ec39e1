"""The sink keeps its contract over real PostgreSQL: through Supabase's own server and by PostgREST's statements."""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import sha256
from typing import ClassVar

import pytest
from msgspec.structs import replace

from hlmon import Secret, Settings
from hlmon.testing import PluginContract, SinkContract
from hlmon.testing.builders import make_alert, make_fill
from hlmon_supabase.sink import FACTORY, SupabaseConfig
from tests.servers import recorded
from tests.servers.supabase import ANON_KEY, SERVICE_KEY
from tests.servers.supabase_rows import stored_in


class SupabaseCase:
    server: ClassVar[str]
    secrets: ClassVar = [SERVICE_KEY, ANON_KEY]

    @pytest.fixture
    def project(self, request):
        project = request.getfixturevalue(self.server)
        project.empty()
        return project

    @pytest.fixture(autouse=True)
    def _empty_store(self, project, keys, monkeypatch):
        self.project = project
        self.proxy = keys
        monkeypatch.setenv("ANON_KEY", ANON_KEY)
        monkeypatch.setenv("FOREIGN_KEY", "sb_secret_of_another_project")
        monkeypatch.setenv("DASHBOARD", "https://supabase.com/dashboard/project/abc")
        monkeypatch.setenv("DATABASE", "postgresql://postgres:secret@db.abc.supabase.co:5432/postgres")

    def factory(self):
        return FACTORY

    def config(self):
        return SupabaseConfig()

    def wrong_configs(self):
        return {
            "the anon key": SupabaseConfig(service_key=Secret("env:ANON_KEY")),
            "the key of another project": SupabaseConfig(service_key=Secret("env:FOREIGN_KEY")),
            "no key": SupabaseConfig(service_key=Secret("env:NO_SUCH_KEY")),
            "the URL of the dashboard": SupabaseConfig(url=Secret("env:DASHBOARD")),
            "the URL of the database": SupabaseConfig(url=Secret("env:DATABASE")),
        }

    def stored(self):
        return stored_in(self.project)

    def refusal(self):
        incompressible = "".join(sha256(bytes([number])).hexdigest() for number in range(200))
        return make_alert(subject=incompressible)  # its key fits into no row of an index

    @contextmanager
    def outage(self):
        with self.proxy.outage():
            yield


class TestThroughSupabasesServer(SupabaseCase, SinkContract):
    server = "live_project"
    excused: ClassVar = {
        "test_decimals_keep_every_digit": "this server reads numeric texts as JavaScript numbers; PostgREST does not",
        "test_a_refused_event_raises_permanent": "this server answers 500 to what PostgREST answers with 413",
    }


class TestByPostgrestsStatements(SupabaseCase, SinkContract):
    server = "plain_project"

    def test_a_fact_that_comes_with_more_takes_the_place_of_the_first_and_the_first_never_comes_back(self):
        told_first = make_fill(twap_id=None)
        completed = replace(told_first, twap_id=9001)
        with self.opened() as sink:
            for fills in ([told_first], [completed], [told_first], [completed]):
                self.write(sink, fills)
        assert list(self.stored()) == [completed]


@pytest.mark.skipif(not recorded.RECORDED.is_dir(), reason=recorded.NOT_HERE)
def test_every_event_that_was_recorded_comes_back_as_it_was(plain_project, monkeypatch):
    plain_project.empty()
    monkeypatch.setenv("SUPABASE_URL", plain_project.url)
    monkeypatch.setenv("SUPABASE_SERVICE_KEY", SERVICE_KEY)
    events = recorded.events()
    with FACTORY.open(SupabaseConfig(), Settings(name="recorded")) as sink:
        for start in range(0, len(events), FACTORY.max_batch):
            sink.write(events[start : start + FACTORY.max_batch])
    assert {event.name: event for event in stored_in(plain_project)} == {event.name: event for event in events}


class TestSupabasePlugin(PluginContract):
    entry_point = "supabase"
