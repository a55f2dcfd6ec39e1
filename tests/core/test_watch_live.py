import signal
from pathlib import Path

import pytest

from hlmon.cli.watch import watch
from hlmon.errors import JournalError
from hlmon.journal import Journal
from hlmon.testing.builders import ALICE, make_fill
from tests.servers.terminal import Terminal


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    with Journal.open(tmp_path / "hlmon.db") as journal:
        journal.append([make_fill()])
    return tmp_path / "hlmon.db"


@pytest.fixture
def terminal(journal_path: Path):
    opened = Terminal("watch", "--journal", journal_path)
    yield opened
    opened.close()


def test_q_leaves_the_live_screen(terminal: Terminal):
    terminal.read_until(b"Last fills")
    terminal.press(b"q")
    assert terminal.process.wait(20) == 0


def test_an_interrupt_leaves_the_live_screen_without_an_error(terminal: Terminal):
    terminal.read_until(b"Last fills")
    terminal.process.send_signal(signal.SIGINT)
    terminal.read_until(b"\x1b[?1049l")  # the terminal's own screen is back
    assert terminal.process.wait(20) == 0
    assert b"Traceback" not in terminal.seen


def test_where_no_terminal_is_the_screen_is_printed_once(journal_path: Path, capsys):
    watch(journal_path, labels={ALICE: "main"}, title="a title")
    printed = capsys.readouterr().out
    assert printed.startswith("a title  ● not running")
    assert printed.count("Last fills") == 1
    assert "main" in printed


def test_a_journal_that_does_not_exist_is_an_error(tmp_path: Path):
    with pytest.raises(JournalError, match="there is no such file"):
        watch(tmp_path / "none.db")
