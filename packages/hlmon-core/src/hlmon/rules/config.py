"""What a user writes about every rule. Each type adds fields of its own; their descriptions are in docs/rules.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal, Protocol

import msgspec
from msgspec import Meta

from hlmon.events import Severity
from hlmon.rules.template import Template

COMMON_WORDS: Final = ("account", "label", "rule", "severity")
"""The names that every template may use."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """How a type speaks: its title, the names of its values, and which of them are the figures of the alert."""

    title: str
    words: Sequence[str] = ()
    numbers: Sequence[str] = ()
    details: Sequence[str] = ()

    def template(self, text: str) -> Template:
        """A template over the values. Raises ValueError."""
        return Template(text, {*self.words, *COMMON_WORDS}, self.numbers)


class RuleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of every rule. The title and the body are checked when the config is read."""

    speech: ClassVar[Words] = Words(title="")

    severity: Annotated[Severity, Meta(description="how urgent its alerts are")] = "info"
    cooldown_seconds: Annotated[
        float,
        Meta(ge=0, description="after an alert no other about the same account and coin (or condition) for so long"),
    ] = 0
    title: Annotated[str, Meta(description="a template for the title, in place of the type's own")] = ""
    body: Annotated[str, Meta(description="a template for a text before the figures")] = ""
    labels: Annotated[dict[str, str], Meta(description="labels to add, for routes")] = {}

    def __post_init__(self) -> None:
        """Raise ValueError for the first thing that is wrong."""
        for field in ("title", "body"):
            try:
                self.speech.template(getattr(self, field))
            except ValueError as error:
                raise ValueError(f"{field}: {error}") from None


class AccountRule(RuleConfig, frozen=True, kw_only=True):
    """A rule about accounts."""

    accounts: Annotated[tuple[str, ...], Meta(description="addresses or labels of the accounts it is about")] = ()


class CoinRule(AccountRule, frozen=True, kw_only=True):
    """A rule about coins of accounts."""

    coins: Annotated[tuple[str, ...], Meta(description="the coins it is about")] = ()


class ConditionConfig(RuleConfig, frozen=True, kw_only=True):
    """The fields of every rule about something that holds for a while."""

    severity: Annotated[Severity, Meta(description="how urgent its alerts are")] = "warning"
    for_seconds: Annotated[float, Meta(ge=0, description="how long it must hold before the alert")] = 0
    resolved: Annotated[bool, Meta(description="whether its end is told too")] = True


class AccountCondition(ConditionConfig, frozen=True, kw_only=True):
    """A condition of accounts."""

    accounts: Annotated[tuple[str, ...], Meta(description="addresses or labels of the accounts it is about")] = ()


class CoinCondition(AccountCondition, frozen=True, kw_only=True):
    """A condition of coins of accounts."""

    coins: Annotated[tuple[str, ...], Meta(description="the coins it is about")] = ()


CLEAR = Meta(
    description="the condition is over only when the figure is back at this; without it, a tenth inside the threshold"
)
Clear = Annotated[Decimal | None, CLEAR]


Verdict = Literal["happened", "holds", "between", "over"]
"""What an event says: that something happened, or of a condition how it is; between, everything stays as it was."""


class Bound:
    """A threshold with its clear value."""

    def __init__(self, threshold: Decimal, clear: Decimal | None, *, is_above: bool) -> None:
        self.is_above = is_above
        self.threshold = threshold
        tenth = abs(threshold) / 10
        self.clear = clear if clear is not None else threshold - tenth if is_above else threshold + tenth

    def judge(self, value: Decimal) -> Verdict:
        """Whether the value is at the threshold or beyond, at the clear value or better, or between them."""
        sign = 1 if self.is_above else -1
        if (value - self.threshold) * sign >= 0:
            return "holds"
        return "over" if (value - self.clear) * sign <= 0 else "between"

    def problem(self) -> str:
        """What is wrong with the clear value, if anything is."""
        sign = 1 if self.is_above else -1
        if (self.clear - self.threshold) * sign > 0:
            return f"clear: must not be {'more than above' if self.is_above else 'less than below'}"
        return ""


def bound(*, above: Decimal | None = None, below: Decimal | None = None, clear: Decimal | None = None) -> Bound:
    """The bound of a config. Raises ValueError, for `__post_init__`, if its clear value is beyond the threshold."""
    threshold = above if above is not None else below
    if threshold is None:
        raise ValueError("above or below: one of them is required")
    made = Bound(threshold, clear, is_above=above is not None)
    if made.problem():
        raise ValueError(made.problem())
    return made


class TwoSided(Protocol):
    """A config with thresholds `above` and `below`, either of which may be left out."""

    @property
    def clear(self) -> Decimal | None:
        """The value at which the one that is given is over."""


def two_bounds(config: TwoSided, **names: str) -> dict[str, Bound]:
    """The bounds that the config gives, by the names of what is beyond `above` and `below`, in the order of `names`.

    Raises ValueError if there is none, one is wrong, or one clear value is to serve both.
    """
    given = {side: getattr(config, side) for side in names if getattr(config, side) is not None}
    if len(given) > 1 and config.clear is not None:
        raise ValueError("clear: cannot be given for above and below together; write two rules")
    if not given:
        raise ValueError(f"{' or '.join(names)}: one of them is required")
    return {names[side]: bound(**{side: threshold}, clear=config.clear) for side, threshold in given.items()}
