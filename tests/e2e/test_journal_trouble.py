"""What others do to the journal of a running monitor is waited for or said; nothing is called kept that is not."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request

import pytest

from tests.core.test_journal_trouble import shell
from tests.servers.process import free_port

NOTICED_S = 10
LONGER_THAN_SQLITE_WAITS_S = 8.0
JOURNAL_TROUBLE = 3
KEPT = "everything received is in the journal"


class Story:
    """A monitor of one account that trades all the time, and what /healthz says of it."""

    def __init__(self, exchange_of, monitor_of, make_toml, wait) -> None:
        self.exchange = exchange_of(accounts=1, rate=5.0)
        self.port = free_port()
        watchdog = f'[watchdog]\nhealthz = "127.0.0.1:{self.port}"\n'
        self.monitor = monitor_of(make_toml(self.exchange.url, self.exchange.server.addresses, more=watchdog))
        self.wait = wait
        self.monitor.start()
        wait(lambda: self.fills() > 5 and not self.reasons(), 40, "a monitor that is well")

    def fills(self) -> int:
        return next((number for (number,) in self.monitor.query("SELECT count(*) FROM fills")), 0)

    def reasons(self) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                body = answer.read()
        except urllib.error.HTTPError as answer:
            body = answer.read()
        except OSError as error:
            return str(error)
        return " ".join(json.loads(body)["reasons"])


@pytest.fixture
def story(exchange_of, monitor_of, make_toml, wait):
    return Story(exchange_of, monitor_of, make_toml, wait)


def test_somebodys_sql_shell_with_a_write_lock_is_waited_for_and_nothing_is_lost(story):
    with shell(story.monitor.journal, "write") as other:
        began = time.monotonic()
        story.wait(lambda: f"process {other.process.pid} (" in story.reasons(), NOTICED_S, "the reason")
        before = story.fills()
        story.wait(lambda: time.monotonic() - began > LONGER_THAN_SQLITE_WAITS_S, 20, every=0.5)
        assert story.monitor.process.poll() is None
        assert story.fills() == before
        other.end()
    story.wait(lambda: story.fills() > before and not story.reasons(), 20, "all that waited")
    assert story.monitor.terminate() == 0
    assert story.monitor.hlmon("verify").returncode == 0
    assert KEPT in story.monitor.log.read_text()


@pytest.mark.parametrize("happens", ["removed", "replaced by another file"])
def test_a_journal_that_is_gone_is_noticed_and_never_called_kept(story, happens, tmp_path):
    journal = story.monitor.journal
    if happens == "removed":
        journal.unlink()
    else:
        (tmp_path / "other.db").write_bytes(journal.read_bytes())
        (tmp_path / "other.db").replace(journal)
    story.wait(
        lambda: f"hlmon.db was {happens} while the monitor writes it" in story.reasons(), NOTICED_S, "the reason"
    )
    assert story.monitor.terminate() == JOURNAL_TROUBLE
    log = story.monitor.log.read_text()
    assert KEPT not in log
    assert "error: journal" in log.splitlines()[-1]


def test_a_stop_while_the_journal_is_locked_says_that_the_last_events_are_not_kept(story):
    with shell(story.monitor.journal, "write"):
        time.sleep(0.5)
        assert story.monitor.terminate() == JOURNAL_TROUBLE
    assert KEPT not in story.monitor.log.read_text()
    assert "the last events that came in are not in the journal" in story.monitor.log.read_text()
