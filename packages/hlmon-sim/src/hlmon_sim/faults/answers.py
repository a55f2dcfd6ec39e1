"""REST requests that are refused, or answered late, by somebody else, or without end."""

from __future__ import annotations

from hlmon_sim.faults.base import Harm
from hlmon_sim.foreign import ForeignAnswers


class AnswerFaults(Harm):
    """Harm to REST."""

    rest_status: int = 0  # answer every REST request with this status
    rest_latency_ms: int = 0
    foreign: ForeignAnswers | None = None  # answers every REST request instead of the exchange

    def rest_storm(self, status: int = 429, seconds: float = 5) -> None:
        """Refuse every REST request with this status."""
        self.note(f"storm_{status}", seconds, lambda: self._set_storm(0))
        self._set_storm(status)

    def _set_storm(self, status: int) -> None:
        self.rest_status = self.hub.refuse_posts = status

    def latency(self, seconds: float = 5, latency_ms: int = 1_000) -> None:
        """Answer REST requests and posts late."""
        self.note("latency", seconds, lambda: self._set_latency(0))
        self._set_latency(latency_ms)

    def _set_latency(self, latency_ms: int) -> None:
        self.rest_latency_ms = self.hub.post_delay_ms = latency_ms

    def foreign_answers(self, kind: str = "foreign", seconds: float = 5) -> None:
        """Answer REST requests as no exchange does: `foreign`, `dribble`, `bomb` or `deep`."""
        foreign = ForeignAnswers(kind, self.chance.random())

        def end() -> None:
            if self.foreign is foreign:
                self.foreign = None

        self.note(kind, seconds, end)
        self.foreign = foreign
