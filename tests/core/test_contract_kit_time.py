"""A case of a contract ends, whatever the part does, and says where the part hangs."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading

import pytest

from hlmon.testing import BrokenPromise
from tests.core.memory_sink import MemorySink, MemorySinkContract


@pytest.fixture
def released():
    event = threading.Event()
    yield event
    event.set()


def hanging(released, *, where):
    def wait(*_):
        released.wait()

    sink = type("Hangs", (MemorySink,), {where: wait})
    return type("HangsContract", (MemorySinkContract,), {"sink": sink, "time_limit_seconds": 0.2})()


def test_a_sink_that_hangs_in_write_is_named_with_the_place_where_it_stands(released):
    with pytest.raises(
        BrokenPromise, match=r"(?s)^promise: the case ends within 0.2 s.*after 0.2 s it is at .*wait \("
    ):
        hanging(released, where="write").test_an_empty_batch_changes_nothing()


def test_one_that_hangs_in_closing_is_named_too(released):
    with pytest.raises(BrokenPromise, match=r"it is at .*open_sink.*wait \("):
        hanging(released, where="close").test_an_empty_batch_changes_nothing()


def test_of_a_write_on_a_thread_of_its_own_the_place_in_that_thread_is_said(released):
    contract = hanging(released, where="write")
    with pytest.raises(BrokenPromise, match=r"its thread worker at .*wait \(.*test_contract_kit_time.py:\d+\)"):
        contract.test_another_thread_writes_than_the_one_that_opened()


def test_pytest_itself_ends(tmp_path):
    (tmp_path / "test_hangs.py").write_text(
        textwrap.dedent("""
        import time
        from tests.core.memory_sink import MemorySink, MemorySinkContract

        class Hangs(MemorySink):
            def write(self, events):
                while True:
                    time.sleep(10)

        class TestHangs(MemorySinkContract):
            sink = Hangs
            time_limit_seconds = 0.2
        """)
    )
    cases = ["test_an_empty_batch_changes_nothing", "test_another_thread_writes_than_the_one_that_opened"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path), "-k", " or ".join(cases)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "2 failed" in run.stdout
    assert run.stdout.count("it is at") >= 2
