"""What an author reads when a case fails: the promise, the reason, what was seen, and nothing of the kit's own."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import ClassVar

import pytest

from hlmon.testing import BrokenPromise, DeriverContract, NotifierContract, SinkContract, SourceContract
from tests.core.test_contract_kit_derivers import EverySecondFill, LooksAtTheClock, NeverConcludes, contract_of

FORGETFUL = """
from contextlib import nullcontext
from hlmon import NoConfig, SinkFactory
from hlmon.testing import SinkContract

class Forgetful:
    def write(self, events):
        pass

    def load_checkpoints(self):
        return []

class TestForgetful(SinkContract):
    def factory(self):
        return SinkFactory(name="forgetful", config=NoConfig, open=lambda config, settings: nullcontext(Forgetful()))

    def config(self):
        return NoConfig()

    def stored(self):
        return []
"""


def test_a_failure_shows_the_case_and_its_words_and_nothing_of_the_kit_below(tmp_path):
    (tmp_path / "test_it.py").write_text(FORGETFUL)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "returns", "test_it.py"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    assert "def test_what_was_written_is_stored_when_write_returns" in said
    assert re.search(
        r"^E +hlmon\.testing\.BrokenPromise: promise: .+\n"
        r"E +because: .+\n"
        r"E +seen: \('fill', '0x\w+', '[\w:]+'\) is missing; ",
        said,
        re.MULTILINE,
    )
    assert "def check(" not in said
    assert "def expect(" not in said


class SaysNothingTwice(EverySecondFill):
    told: ClassVar[set] = set()

    def __call__(self, event):
        concluded = [alert for alert in super().__call__(event) if alert.name not in self.told]
        self.told |= {alert.name for alert in concluded}
        return concluded


def seen(contract, case):
    with pytest.raises(BrokenPromise) as caught:
        getattr(contract, case)()
    return str(caught.value).partition("\n  seen: ")[2]


def test_two_runs_of_a_deriver_are_told_apart_where_they_begin_to_differ():
    assert re.fullmatch(
        r"number 1 \(alert\) has labels = \{'year': '\d+'\}, the other time \{'year': '\d+'\}",
        seen(contract_of(LooksAtTheClock), "test_the_clock_plays_no_part"),
    )
    assert seen(contract_of(SaysNothingTwice), "test_the_same_events_give_the_same_conclusions").startswith(
        "3 events, the other time 0; in one only: [Alert("
    )


@pytest.mark.parametrize("contract", [SinkContract, NotifierContract, DeriverContract, SourceContract])
def test_what_no_case_can_do_without_is_asked_for_without_the_offer_of_an_excuse(contract):
    silent = type("Silent", (contract,), {})()
    for hook in ("factory", "config"):
        with pytest.raises(BrokenPromise, match=rf"^Silent must define {hook}\(\), which returns [\w' ]+$"):
            getattr(silent, hook)()
    if contract is not DeriverContract:
        with pytest.raises(BrokenPromise, match=r"or excuse the case with a reason$"):
            silent.outage()


def test_a_deriver_that_concludes_nothing_is_told_so():
    assert seen(contract_of(NeverConcludes), "test_the_events_are_of_its_kinds_and_derive_something") == "nothing"
