"""Who may write a journal, under whatever name it is reached, who may read its files, and where it should not lie."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from hlmon.errors import JournalError
from hlmon.journal import Journal
from hlmon.journal.holders import READ_BYTES, WRITE_BYTES, locking
from hlmon.journal.place import network_file_system, network_in
from hlmon.testing.builders import make_fill

OPEN = "import sys; from pathlib import Path; from hlmon.journal import Journal; Journal.open(Path(sys.argv[1])); "
HOLD = OPEN + "print('open', flush=True); sys.stdin.read()"


PRINT = """
import contextlib
for stream in range(3):
    with contextlib.suppress(OSError):
        os.write(stream, b"printed")
os._exit(0)
"""


def mode(path: Path | str) -> str:
    return oct(stat.S_IMODE(os.stat(path).st_mode))  # noqa: PTH116  # as shown by ls


@contextmanager
def written_by_another_process(path: Path):
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, stdin=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        yield other.pid
        other.kill()


def test_what_a_monitor_creates_is_its_owners_only_whatever_the_umask(path):
    before = os.umask(0)
    try:
        with Journal.open(path) as journal:
            journal.append([make_fill()])
            modes = {each.name: mode(each) for each in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {f"hlmon.db{suffix}": "0o600" for suffix in ("", "-wal", "-shm", ".lock")}


def test_a_journal_that_others_may_read_stays_so_with_its_log(path):
    with Journal.open(path):
        pass
    path.chmod(0o640)
    with Journal.open(path) as journal:
        journal.append([make_fill()])
        assert {mode(path), mode(f"{path}-wal"), mode(f"{path}-shm")} == {"0o640"}


def test_a_symbolic_link_in_place_of_the_lock_is_refused_and_not_followed(path, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.with_name("hlmon.db.lock").symlink_to(victim)
    with pytest.raises(JournalError, match=r"hlmon\.db\.lock is a symbolic link, which hlmon does not follow; remove"):
        Journal.open(path)
    assert victim.read_text() == "precious"
    assert not path.exists()


def test_a_pipe_in_place_of_the_lock_is_refused(path):
    os.mkfifo(path.with_name("hlmon.db.lock"))
    with pytest.raises(JournalError, match=r"hlmon\.db\.lock is no ordinary file; remove it"):
        Journal.open(path)


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_one_file_reached_by_two_paths_has_one_monitor(path, tmp_path, link):
    with Journal.open(path):
        pass
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "same.db"
    getattr(other, link)(path)
    with written_by_another_process(path) as pid:
        with pytest.raises(JournalError, match=rf"another monitor is writing to it \(process {pid}[,)]"):
            Journal.open(other)
        with Journal.open(other, read_only=True) as reader:
            assert reader.last_seq() == 0
    with Journal.open(other):
        pass


def test_a_lock_that_was_refused_leaves_the_first_monitors_own_locks_alone(path, tmp_path):
    """SQLite's locks on a file go when a process closes any descriptor of it: the log would be deleted under it."""
    with Journal.open(path) as journal:
        journal.append([make_fill()])
        (tmp_path / "other").mkdir()
        other = tmp_path / "other" / "same.db"
        other.hardlink_to(path)
        for name in (path, other):
            with pytest.raises(JournalError, match=f"another monitor is writing .* {os.getpid()}"):
                Journal.open(name)
        Journal.open(path, read_only=True).close()
        shell = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM events'); c.close()"
        subprocess.run([sys.executable, "-c", shell, path], check=True, timeout=30)
        assert journal.lost() == ""
        assert journal.append([make_fill()]) == 1


def test_nothing_is_printed_into_the_journal_of_a_process_that_was_started_without_standard_streams(path):
    code = f"import os; os.closerange(0, 3); {OPEN}\n" + PRINT
    assert subprocess.run([sys.executable, "-c", code, path], timeout=30, check=False).returncode == 0
    assert b"printed" not in path.read_bytes()
    assert b"printed" not in path.with_name("hlmon.db.lock").read_bytes()
    with Journal.open(path) as journal:
        assert journal.append([make_fill()]) == 1


MOUNTS = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/nas rw shared:2 - cifs //nas/share rw,vers=3.0
31 22 0:41 / /mnt/with\040space rw - nfs4 nas:/export rw
32 22 0:42 / /data rw master:1 propagate_from:2 - nfs4 fs-0123abcd.efs.eu-west-1.amazonaws.com:/ rw
33 22 0:43 / /tls rw - nfs4 127.0.0.1:/ rw
34 32 0:44 / /data/local rw - tmpfs tmpfs rw
35 22 0:45 / /ssh rw - fuse.sshfs me@host: rw
36 22 0:46 / /home/me/fuse rw - fuse.portal portal rw
"""


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/var/lib/hlmon/hlmon.db", ""),
        ("/mnt/nas/hlmon.db", "SMB"),
        ("/mnt/nasty/hlmon.db", ""),
        ("/mnt/with space/hlmon.db", "NFS"),
        ("/data/hlmon.db", "EFS"),
        ("/tls/hlmon.db", "EFS"),
        ("/data/local/hlmon.db", ""),
        ("/ssh/hlmon.db", "sshfs"),
        ("/home/me/fuse/hlmon.db", ""),
    ],
)
def test_a_network_file_system_is_recognised(path, name):
    assert network_in(MOUNTS, Path(path)) == name


def test_a_network_file_system_is_warned_about_before_the_journal_is_used(path, monkeypatch, tmp_path, caplog):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:40 / {tmp_path} rw - nfs nas:/export rw\n")
    monkeypatch.setattr("hlmon.journal.place._MOUNTS", mounts)
    assert network_file_system(path) == "NFS"
    with Journal.open(path) as journal:
        assert journal.append([make_fill()]) == 1
    assert f"journal {path} is on NFS, a network file system" in caplog.text


def test_this_file_is_on_a_local_file_system_by_the_kernels_own_list(path):
    assert network_file_system(path) == ""


LOCKS = """1: POSIX  ADVISORY  WRITE 17 fd:01:99 120 120
1: -> POSIX  ADVISORY  WRITE 18 fd:01:99 120 120
2: POSIX  ADVISORY  READ  19 fd:01:99 124 124
3: POSIX  ADVISORY  READ  20 fd:01:99 128 128
4: POSIX  ADVISORY  READ  0 fd:01:99 125 125
5: POSIX  ADVISORY  WRITE 21 fd:01:98 0 EOF
6: FLOCK  ADVISORY  WRITE 22 fd:01:99 0 EOF
7: OFDLCK ADVISORY  READ -1 fd:01:99 123 123
"""


def test_who_holds_which_lock_is_read_from_the_kernels_list():
    assert list(locking(LOCKS, 99, WRITE_BYTES)) == [17]
    assert list(locking(LOCKS, 99, READ_BYTES)) == [19]
    assert list(locking(LOCKS, 98, READ_BYTES)) == [21]
