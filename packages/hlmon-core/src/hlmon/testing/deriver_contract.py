"""The contract of every deriver and alert rule, as tests that its author inherits in one class."""

from __future__ import annotations

from hlmon.testing.deriver_conclusions import DeriverConcludes
from hlmon.testing.deriver_purity import DeriverIsPure


class DeriverContract(DeriverConcludes, DeriverIsPure, defines_cases=True):
    """Subclass it as `class TestMyRule(DeriverContract)` and define `factory`, `config` and `events`."""
