"""What is said is written on a thread of its own: nobody waits for a pipe that is full, and what is lost is counted."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from hlmon.output_thread import MAX_LINES, STUCK_SECONDS, TOLD_SECONDS, OutputThread, Printed
from hlmon.telemetry import configure_logging, log_problem
from tests.servers.waiting import wait_for

LOG = logging.getLogger("hlmon.test")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pipe():
    """Both ends; whoever writes into it waits once it is full."""
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


def fill(end: int) -> int:
    """Write until nothing fits; returns the number of bytes."""
    os.set_blocking(end, False)
    number = 0
    for size in (4096, 1):
        with suppress(BlockingIOError):
            while True:
                number += os.write(end, b"." * size)
    os.set_blocking(end, True)
    return number


def read(end: int, number: int) -> bytes:
    found = b""
    while len(found) < number:
        found += os.read(end, number - len(found))
    return found


def test_what_is_put_is_written_in_its_order(pipe):
    output = OutputThread(pipe[1], str)
    for number in range(1000):
        output.put(f"{number:04}\n")
    assert output.flush(30)
    assert read(pipe[0], 5000).split() == [b"%04d" % number for number in range(1000)]
    assert (output.dropped, output.problem()) == (0, "")


def test_a_full_pipe_keeps_nobody_waiting_and_what_does_not_fit_is_counted_and_told_in_its_place(pipe):
    clock = Clock()
    output = OutputThread(pipe[1], "{} dropped\n".format, clock=clock)
    filled = fill(pipe[1])
    output.put("first\n")
    wait_for(lambda: output._writing_since is not None)
    for _ in range(MAX_LINES + 7):
        output.put("more\n")
    assert output.dropped == 7
    assert output.problem().startswith("7 log lines were dropped: see to it that")
    assert not output.flush(0.01)
    read(pipe[0], filled)
    assert read(pipe[0], 6 + 10 + 5) == b"first\n7 dropped\nmore\n"
    read(pipe[0], 5 * (MAX_LINES - 1))
    assert output.flush(30)
    clock.now += TOLD_SECONDS
    assert output.problem() == ""


def test_a_line_that_waits_for_long_is_a_problem_before_any_is_dropped(pipe):
    clock = Clock()
    output = OutputThread(pipe[1], str, clock=clock)
    fill(pipe[1])
    output.put("first\n")
    wait_for(lambda: output._writing_since is not None)
    assert output.problem() == ""
    clock.now += STUCK_SECONDS + 1
    assert output.problem().startswith("nobody has read the log for 11 s: see to it")


def test_few_but_huge_texts_are_bounded_too(pipe):
    output = OutputThread(pipe[1], str)
    fill(pipe[1])
    for _ in range(30):
        output.put("x" * 1_000_000)
    assert output.dropped >= 30 - 9


def test_a_reader_that_is_gone_stops_nothing_and_is_named(pipe):
    output = OutputThread(pipe[1], str)
    os.close(pipe[0])
    output.put("nobody hears this\n")
    assert output.flush(30)
    assert output.problem().startswith("1 log lines were dropped (Broken pipe): see to it")


@pytest.mark.usefixtures("logging_as_it_was")
def test_the_log_into_a_full_pipe_returns_at_once_and_is_whole_when_it_is_read(pipe):
    filled = fill(pipe[1])
    with os.fdopen(os.dup(pipe[1]), "w") as stream:
        configure_logging("INFO", stream=stream)
        for number in range(100):
            LOG.info("line %d", number)
        read(pipe[0], filled)
        assert logging.getLogger().handlers[-1].thread.flush(30)
        assert log_problem() == ""
    with os.fdopen(os.dup(pipe[0])) as lines:
        said = [json.loads(lines.readline())["message"] for _ in range(100)]
    assert said == [f"line {number}" for number in range(100)]


def test_what_is_printed_by_many_threads_comes_out_in_whole_lines(pipe):
    output = OutputThread(pipe[1], str)
    printed = Printed(output, pipe[1])

    def say(name: str) -> None:
        for _ in range(100):
            print(name * 5, file=printed)

    print("begun", end="", file=printed)
    printed.flush()
    print(" and ended", file=printed)
    threads = [threading.Thread(target=say, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert output.flush(30)
    first, *more = read(pipe[0], len("begun and ended\n") + 300 * 6).decode().splitlines()
    assert first == "begun and ended"
    assert sorted(more) == [*["aaaaa"] * 100, *["bbbbb"] * 100, *["ccccc"] * 100]


ENDS = """
import logging, sys
from hlmon.telemetry import configure_logging, print_without_waiting
configure_logging()
print_without_waiting()
logging.getLogger("hlmon").info("from the log")
print("from a plugin", file=sys.stderr)
print("to standard output")
sys.stderr.write("not ended")
sys.exit(7)
"""


def test_everything_said_is_out_when_the_process_has_ended():
    ended = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, timeout=30, check=False)
    first, *rest = ended.stderr.splitlines()
    assert json.loads(first)["message"] == "from the log"
    assert (ended.returncode, ended.stdout, rest) == (7, "to standard output\n", ["from a plugin", "not ended"])


def test_a_process_ends_in_time_with_its_exit_code_though_nobody_reads_what_it_says(pipe):
    fill(pipe[1])
    ended = subprocess.run([sys.executable, "-c", ENDS], stdout=pipe[1], stderr=pipe[1], timeout=15, check=False)
    assert ended.returncode == 7
