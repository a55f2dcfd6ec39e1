"""`hlmon rejected`: what a sink or notifier refused for good is delivered after all."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from hlmon.cli import program
from hlmon.delivery.rejected import Retries, retries_path
from hlmon.errors import Permanent, Transient
from hlmon.ingest import Ingest
from hlmon.quarantine import QuarantineDesk
from hlmon.routing import Route
from hlmon.testing.builders import ALICE, make_alert, make_fill
from tests.core.delivering import Plugin, deliver_all
from tests.servers.dispatching import AT_ONCE, Chat, run_for, states, work

CONFIG = f"""
journal = "hlmon.db"
[[account]]
address = "{ALICE}"
[sink.archive]
type = "jsonl"
path = "archive.jsonl"
[sink.other]
type = "jsonl"
path = "other.jsonl"
[notifier.chat]
type = "log"
[notifier.mail]
type = "log"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hlmon.toml").write_text(CONFIG)


def run(*arguments, code=0):
    result = CliRunner().invoke(program, ["rejected", *arguments], prog_name="hlmon")
    assert result.exit_code == code, result.output
    return result.output


def listed(*options):
    return [(each["refused"]["origin"], each["state"]) for each in json.loads(run("list", "--json", *options))]


@pytest.fixture
def sink_of(journal, follow):
    """A function that makes a follower with what it is to be given again, as the monitor does."""

    def make(plugin, name="archive", **options):
        follower = follow(plugin, kinds={"fill"}, retries=Retries(name, journal), **options)
        follower.name = name
        return follower

    return make


@pytest.fixture
def fill(journal, sink_of):
    """A fill that the sink "archive" has refused, between two that it took."""
    fills = [make_fill() for _ in range(3)]
    journal.append(fills)
    deliver_all(sink_of(Plugin(bad=[fills[1]])))
    return fills[1]


def test_what_a_sink_refused_is_listed_with_its_reason_and_shown_whole(fill):
    table = run("list")
    assert all(word in table for word in ("fill", "archive", "refused", "not this one"))
    thing = json.loads(run("list", "--json"))[0]["refused"]["digest"][:8]
    (shown,) = json.loads(run("show", thing))
    assert (shown["event"]["trade_id"], shown["state"]) == (fill.trade_id, "refused")


def test_a_sink_gets_it_after_all_once_and_the_rest_goes_on(journal, fill, sink_of):
    plugin = Plugin()
    follower = sink_of(plugin)
    deliver_all(follower)
    assert plugin.kept == []
    assert "1 go to archive" in run("retry")
    assert listed() == [("archive", "asked: goes to archive")]
    late = make_fill()
    journal.append([late])
    deliver_all(follower)
    assert plugin.kept == [fill, late]
    assert (listed(), listed("--all")) == ([], [("archive", "delivered to archive")])
    assert "dealt with" in run("list")


def test_the_monitor_counts_what_was_refused_until_it_is_delivered_after_all_or_dismissed(journal, fill, sink_of):
    desk = QuarantineDesk(journal, Ingest(journal, []), lambda: 0)
    desk.look()
    assert desk.rejected == {"archive": 1}
    run("retry")
    deliver_all(sink_of(Plugin()))
    desk.look()
    assert desk.rejected == {}


def test_what_is_asked_for_without_a_monitor_is_delivered_by_the_next_one_and_by_no_later_one(fill, sink_of):
    run("retry")
    for kept in ([fill], []):
        plugin = Plugin()
        deliver_all(sink_of(plugin))
        assert plugin.kept == kept


def test_what_is_refused_again_stays_on_the_list_and_can_be_asked_for_again(fill, sink_of):
    run("retry")
    for _ in range(2):  # a restart does not try again by itself
        deliver_all(sink_of(Plugin(Permanent("no"))))
        assert listed() == [("archive", "refused")]
    run("retry")
    plugin = Plugin()
    deliver_all(sink_of(plugin))
    assert (plugin.kept, listed()) == ([fill], [])


def test_a_sink_in_trouble_gets_it_later(fill, sink_of, time):
    run("retry")
    plugin = Plugin(Transient("down"))
    follower = sink_of(plugin)
    deliver_all(follower)
    assert plugin.kept == []
    time.now_ms += 60_000
    deliver_all(follower)
    assert plugin.kept == [fill]


def test_another_sink_can_have_it(fill, sink_of):
    run("retry", "--to", "other")
    here, there = Plugin(), Plugin()
    deliver_all(sink_of(here))
    deliver_all(sink_of(there, "other"))
    assert (here.kept, fill in there.kept) == ([], True)
    assert listed("--all") == [("archive", "delivered to other")]


@pytest.fixture
def alert(journal, make, time):
    """An alert that the notifier "chat" has refused; no route leads it to "mail"."""
    alert = make_alert(time_ms=time.now_ms)
    journal.append([alert])
    run_for(make(chat=Chat(bad=[alert]), mail=Chat(), routes=ROUTES), time, 1)
    assert states(journal) == ["refused"]
    return alert


ROUTES = [Route(to=("chat",), wait_seconds=0)]


def test_an_alert_is_sent_after_all_by_the_running_monitor_whatever_its_age(journal, alert, make, time):
    time.now_ms += 3_600_000
    chat = Chat()
    (dispatcher,) = make(chat=chat, routes=[AT_ONCE])
    work(dispatcher)
    run("retry")
    work(dispatcher)
    assert (chat.messages, states(journal), listed()) == ([[alert]], ["sent"], [])


def test_an_alert_that_is_refused_once_more_is_on_the_list_again(journal, alert, make, time):
    run("retry")
    work(*make(chat=Chat(bad=[alert]), routes=[AT_ONCE]))
    assert states(journal) == ["refused"]
    assert listed() == [("chat", "refused")]


def test_another_notifier_can_send_it_though_no_route_leads_there(journal, alert, make, time):
    run("retry", "--to", "mail")
    chat, mail = Chat(), Chat()
    run_for(make(chat=chat, mail=mail, routes=ROUTES), time, 3)
    assert (chat.messages, mail.messages) == ([], [[alert]])
    assert (states(journal, "mail"), listed("--all")) == (["sent"], [("chat", "delivered to mail")])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["retry", "--to", "chta"], "the config has no sink or notifier 'chta'; did you mean 'chat'"),
        (["retry", "--to", "mail"], "is no alert, so it cannot go to the notifier mail; choose a sink"),
        (["retry", "xyz"], "unknown refused thing 'xyz'"),
        (["show", "xyz"], "unknown refused thing 'xyz'"),
    ],
)
def test_what_cannot_be_done_is_said(fill, arguments, says):
    assert says in " ".join(run(*arguments, code=2).split())


def test_a_file_that_cannot_be_understood_is_named(fill, journal):
    retries_path(journal.path).write_text("{")
    assert "hlmon.db.rejected.json: what is to be delivered again cannot be read" in run("list", code=4)


def test_nothing_refused_is_said(journal):
    assert run("list") == "Nothing was refused.\n"
    assert run("retry") == "Nothing is left to deliver again.\n"
