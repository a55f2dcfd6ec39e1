"""The sink contract bites: a reference sink keeps it, and each case catches a sink that is wrong in its own way."""

from __future__ import annotations

import pytest

from hlmon.testing import BrokenPromise, SinkContract
from tests.core.memory_sink import PASSWORD, MemorySinkContract
from tests.core.wrong_sinks import WRONG_SINKS, LeaksItsPassword, contract_of


class TestMemorySink(MemorySinkContract):
    """The reference passes every case."""


@pytest.mark.parametrize(("contract", "case"), WRONG_SINKS, ids=[type(c).__name__ for c, _ in WRONG_SINKS])
def test_a_wrong_sink_is_caught_by_the_case_about_it(contract, case):
    with pytest.raises(BrokenPromise, match=r"(?s)^promise: .+\n  because: .+\n  seen: .+"):
        getattr(contract, case)()


def test_every_case_of_the_sink_contract_catches_some_wrong_sink():
    assert {case for _, case in WRONG_SINKS} == set(SinkContract.cases())


def test_a_broken_promise_never_shows_the_secret():
    with pytest.raises(BrokenPromise) as caught:
        contract_of(LeaksItsPassword).test_secrets_never_show()
    assert PASSWORD not in str(caught.value)
