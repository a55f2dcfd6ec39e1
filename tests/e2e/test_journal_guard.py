"""A journal has one monitor, and what is no journal is left as it is."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hlmon.journal import Journal

ADDRESS = "0x" + "1" * 40
JOURNAL_TROUBLE = 3
AS_ORDINARY_USER = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1  # root may write anywhere; where tests run as root, not this process
ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def run_on(hlmon):
    """A function that runs a monitor on a journal at this path, to its end."""

    def run(path: Path, **options):
        return hlmon("run", "--account", ADDRESS, "--url", "http://127.0.0.1:9", "--journal", path, **options)

    return run


def assert_is_one_line_about(path: Path, result) -> None:
    assert result.returncode == JOURNAL_TROUBLE
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"error: journal {path}: ")


def test_a_second_monitor_on_a_journal_is_refused_and_told_the_process_of_the_first(monitor_of, run_on, wait):
    monitor = monitor_of("")
    monitor.start("run", "--wait-for-accounts")
    wait(lambda: monitor.query("SELECT 1 FROM marks WHERE name = 'status'"), 60, "a status")
    result = run_on(monitor.journal, cwd=monitor.folder)
    assert_is_one_line_about(monitor.journal, result)
    assert f"process {monitor.process.pid}" in result.stderr
    assert monitor.process.poll() is None
    assert monitor.terminate() == 0


def test_a_journal_is_free_again_after_its_monitor_was_killed(monitor_of, wait):
    monitor = monitor_of("")
    for _ in range(2):
        monitor.start("run", "--wait-for-accounts")
        pid = monitor.process.pid
        wait(lambda pid=pid: (monitor.status()["status"] or {}).get("pid") == pid, 60, "a status", every=0.2)
        monitor.kill()


def database_of_another_program(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE events (id INTEGER PRIMARY KEY)")
        database.execute("INSERT INTO events VALUES (1)")
    database.close()


@pytest.mark.parametrize(
    "make",
    [database_of_another_program, lambda path: path.write_text("accounts:\n  - none\n")],
    ids=["a database of another program", "a text"],
)
def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(make, run_on, tmp_path):
    path = tmp_path / "foreign.db"
    make(path)
    before = path.read_bytes()
    result = run_on(path, cwd=tmp_path)
    assert_is_one_line_about(path, result)
    assert "it was left as it is" in result.stderr
    assert path.read_bytes() == before


def test_a_folder_is_refused_as_a_journal(run_on, tmp_path):
    result = run_on(tmp_path, cwd=tmp_path)
    assert result.returncode != 0
    assert str(tmp_path) in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_journal_named_by_the_config_that_is_a_folder_is_refused_in_one_line(hlmon, tmp_path):
    (tmp_path / "hlmon.toml").write_text(f'journal = "{tmp_path}"\n[[account]]\naddress = "{ADDRESS}"\n')
    assert_is_one_line_about(tmp_path, hlmon("run", cwd=tmp_path))


def as_ordinary_user(*arguments, cwd):
    command = [sys.executable, "-c", AS_ORDINARY_USER, sys.executable, "-m", "hlmon", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_folder_that_cannot_be_written_is_a_fault_of_the_config(command, tmp_path):
    (tmp_path / "kept").mkdir(mode=0o555)
    toml = 'journal = "kept/hlmon.db"\n[[account]]\naddress = "{}"\n[sink.archive]\ntype = "jsonl"\npath = "kept/a"\n'
    (tmp_path / "hlmon.toml").write_text(toml.format(ADDRESS))
    result = as_ordinary_user(command, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    journal, sink = result.stderr.splitlines()
    assert journal.startswith("error: hlmon.toml:1: journal: the folder kept cannot be written by this user; ")
    assert sink.startswith("error: hlmon.toml:6: sink.archive.path: cannot write kept/a; ")
    assert list((tmp_path / "kept").iterdir()) == []


def test_check_names_a_journal_that_cannot_be_written(tmp_path):
    with Journal.open(tmp_path / "hlmon.db"):
        pass
    (tmp_path / "hlmon.db").chmod(0o444)
    (tmp_path / "hlmon.toml").write_text(f'[[account]]\naddress = "{ADDRESS}"\n')
    result = as_ordinary_user("check", cwd=tmp_path)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "journal: hlmon.db cannot be written by this user; " in result.stderr


def test_a_journal_that_cannot_be_written_is_refused_and_left_as_it_is(monitor_of, tmp_path, wait):
    monitor = monitor_of("")
    monitor.start("run", "--wait-for-accounts")
    wait(lambda: monitor.query("SELECT 1 FROM marks WHERE name = 'status'"), 60, "a status")
    monitor.terminate()
    path = Path(shutil.copy(monitor.journal, tmp_path))
    path.chmod(0o444)
    before = path.read_bytes()
    result = as_ordinary_user("run", "--account", ADDRESS, "--journal", path, cwd=tmp_path)
    assert_is_one_line_about(path, result)
    assert "it cannot be written" in result.stderr
    assert path.read_bytes() == before
