"""The contract of every sink, as tests that its author inherits in one class."""

from __future__ import annotations

from hlmon.testing.sink_failures import SinkSurvives
from hlmon.testing.sink_parts import SinkTakesParts
from hlmon.testing.sink_repetition import SinkKeepsOnce
from hlmon.testing.sink_values import SinkKeepsValues


class SinkContract(SinkKeepsValues, SinkKeepsOnce, SinkTakesParts, SinkSurvives, defines_cases=True):
    """Subclass it as `class TestMySink(SinkContract)` and define what SinkCase names.

    What a sink does not want by `kinds` is not asked of it. Each case begins with an empty store.
    """
