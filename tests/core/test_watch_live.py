import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hlmon.cli.watch import watch
from hlmon.errors import JournalError
from hlmon.journal import Journal
from hlmon.testing.builders import ALICE, make_fill

HLMON = Path(sys.executable).with_name("hlmon")


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    with Journal.open(tmp_path / "hlmon.db") as journal:
        journal.append([make_fill()])
    return tmp_path / "hlmon.db"


class Terminal:
    """`hlmon watch` on a terminal of its own."""

    def __init__(self, journal_path: Path) -> None:
        self.end, inner = pty.openpty()
        environ = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
        self.process = subprocess.Popen(
            [HLMON, "watch", "--journal", journal_path], stdin=inner, stdout=inner, stderr=inner, env=environ
        )
        os.close(inner)
        self.seen = b""

    def read_until(self, text: bytes) -> None:
        while text not in self.seen:
            assert select.select([self.end], [], [], 20)[0], f"not shown: {text!r}"
            self.seen += os.read(self.end, 65_536)


@pytest.fixture
def terminal(journal_path: Path):
    opened = Terminal(journal_path)
    yield opened
    opened.process.kill()
    opened.process.wait()
    os.close(opened.end)


def test_q_leaves_the_live_screen(terminal: Terminal):
    terminal.read_until(b"Last fills")
    os.write(terminal.end, b"q")
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
