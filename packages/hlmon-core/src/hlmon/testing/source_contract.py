"""The contract of every source, as tests that its author inherits in one class."""

from __future__ import annotations

from hlmon.testing.source_events import SourceFeeds
from hlmon.testing.source_runs import SourceRuns


class SourceContract(SourceFeeds, SourceRuns, defines_cases=True):
    """Subclass it as `class TestMySource(SourceContract)` and define what SourceCase names.

    A run need not end by itself: it is cancelled as soon as everything expected is there.
    """
