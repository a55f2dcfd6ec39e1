"""Rules about what the exchange says of itself and of who may trade: a halt, API wallets that end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from decimal import Decimal
from typing import Annotated, ClassVar, Final

from msgspec import Meta

from hlmon.contract import Settings
from hlmon.events import Agent, Agents, ExchangeStatus, Severity
from hlmon.rules.config import AccountCondition, ConditionConfig, Verdict, Words
from hlmon.rules.engine import Finding
from hlmon.rules.text import moment, short_address, span, word

DAY_MS: Final = 86_400_000


class ExpiryConfig(AccountCondition, frozen=True, kw_only=True):
    """When an API wallet that ends is an alert."""

    speech: ClassVar[Words] = Words(
        title="API wallet {name} {ends}",
        words=("name", "address", "ends", "until"),
        numbers=("left",),
        details=("address", "until"),
    )

    days: Annotated[Decimal, Meta(description="how many days before its end it is told")] = Decimal(14)

    def __post_init__(self) -> None:
        """Raise ValueError for the first thing that is wrong."""
        super().__post_init__()
        if self.days < 0:
            raise ValueError("days: must not be negative")


class Expiry:
    """How long each API wallet of an account lasts."""

    memory = None

    def __init__(self, config: ExpiryConfig, _settings: Settings) -> None:
        self._soon_ms = config.days * DAY_MS

    def __call__(self, event: Agents, standing: Collection[str], /) -> Iterable[Finding]:
        """Every API wallet, and the ends of those that are gone."""
        for agent in event.agents:
            if agent.valid_until_ms is not None:
                yield self._finding(event, agent, agent.valid_until_ms)
        lasting = {agent.address for agent in event.agents if agent.valid_until_ms is None}
        shown = {agent.address for agent in event.agents} - lasting
        for address in sorted(set(standing) - shown):
            if event.complete or address in lasting:
                yield Finding(account=event.account, subject=address, verdict="over")

    def _finding(self, event: Agents, agent: Agent, until_ms: int) -> Finding:
        left_ms = until_ms - event.time_ms
        left = span(left_ms if left_ms > 0 else None)
        return Finding(
            account=event.account,
            subject=agent.address,
            labels={"agent": agent.address},
            verdict="holds" if left_ms <= self._soon_ms else "over",
            values={
                "name": word(agent.name or short_address(agent.address)),
                "address": word(agent.address),
                "ends": word(f"ends in {left.text}" if left.text else "has ended"),
                "until": moment(until_ms),
                "left": left,
            },
        )


class HaltConfig(ConditionConfig, frozen=True, kw_only=True):
    """When a notice of the exchange is an alert."""

    speech: ClassVar[Words] = Words(title="The exchange says: {notice}", words=("notice",))

    severity: Annotated[Severity, Meta(description="how urgent its alerts are")] = "critical"


class Halt:
    """Whether the exchange says that something is not as always."""

    memory = None

    def __init__(self, _config: HaltConfig, _settings: Settings) -> None:
        pass

    def __call__(self, event: ExchangeStatus, _standing: Collection[str], /) -> Iterator[Finding]:
        """The notice, if there is one."""
        verdict: Verdict = "holds" if event.notice else "over"
        yield Finding(subject="exchange", verdict=verdict, values={"notice": word(event.notice)})
