"""The rule `expression`: a condition in CEL, the Common Expression Language, over the fields of one kind of event.

Needs hlmon-core[expressions].

Every number is a double for CEL, which does not mix kinds of numbers in arithmetic: `size * price > 10000.0`. A field
that is not set is null, and an expression that fails because of that is not true.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from hlmon.contract import Settings
from hlmon.events import (
    STORED,
    AccountSnapshot,
    AccountState,
    Agents,
    Event,
    ExchangeStatus,
    Fact,
    MarketTrades,
    OpenOrders,
    Prices,
    Pulse,
    SpotState,
    Trade,
    Twap,
)
from hlmon.fields import nearest
from hlmon.rules.config import CoinCondition, Verdict, Words
from hlmon.rules.engine import Finding
from hlmon.rules.text import UNKNOWN, Shown, plain, word

_READINGS: Final = (AccountState, SpotState, OpenOrders, Agents, Twap, Prices, MarketTrades, ExchangeStatus, Pulse)
KINDS: Final[Mapping[str, type[Event]]] = {
    **{kind: cls for kind, cls in STORED.items() if kind != "alert"},
    **{cls.kind: cls for cls in _READINGS},
}
"""Every kind of event but alerts: the ones that are stored, and readings."""

_BINDINGS: Final = re.compile(r"\b(?:all|exists|exists_one|filter|map)\(\s*(\w+)\s*,")
_SCALARS: Final[dict[Any, Any]] = {str: "", bool: False, int: 1.0, float: 1.0, Decimal: 1.0}
_FAILURES: Final = (TypeError, ValueError, RuntimeError, KeyError, OverflowError, ArithmeticError)
"""What the CEL library raises when an expression cannot be evaluated."""


class ExpressionConfig(CoinCondition, frozen=True, kw_only=True):
    """What is asked, of which events. Both expressions are compiled and tried when the config is read."""

    event: Annotated[str, Meta(description="the kind of event, e.g. `fill`, `account`, `position`")]
    when: Annotated[str, Meta(description="a CEL expression over its fields, e.g. `size * price > 10000.0`")]
    until: Annotated[
        str, Meta(description="the condition is over only when this expression is true; without it, when `when` is not")
    ] = ""
    each: Annotated[
        bool | None,
        Meta(
            description="true: an alert for each event for which it is true; false: one when it becomes true and one "
            "when it is over; the default is true for what happens once (`fill`, `funding`, …), false for what holds"
        ),
    ] = None

    def __post_init__(self) -> None:
        """Raise ValueError for the first thing that is wrong."""
        if self.event not in KINDS:
            raise ValueError(f"event: unknown kind {self.event!r}{nearest(self.event, KINDS)}")
        for field in ("title", "body"):
            try:
                speech_of(self.event).template(getattr(self, field))
            except ValueError as error:
                raise ValueError(f"{field}: {error}") from None
        for field, text in (("when", self.when), ("until", self.until or "true")):
            try:
                compiled(text, self.event)
            except ValueError as error:
                raise ValueError(f"{field}: {error}") from None
        if self.tells_each and (self.for_seconds or self.until):
            raise ValueError("for_seconds and until are for conditions; with each event told nothing holds or ends")

    @property
    def tells_each(self) -> bool:
        """Whether each event is an alert of its own."""
        cls = KINDS[self.event]
        return issubclass(cls, Fact) and cls is not AccountSnapshot if self.each is None else self.each

    @property
    def speech(self) -> Words:  # type: ignore[override]  # the values are those of the kind
        """How the kind speaks."""
        return speech_of(self.event)


class Expression:
    """The findings of one expression."""

    memory = None

    def __init__(self, config: ExpressionConfig, _settings: Settings) -> None:
        self._type = KINDS[config.event]
        self._when = compiled(config.when, config.event)
        self._until = compiled(config.until, config.event) if config.until else None
        self._each = config.tells_each
        asked = {name for program in (self._when, self._until) if program for name in program.variables()}
        self._fields = tuple(name for name in field_names(self._type) if name in asked)

    def __call__(self, event: Event, _standing: Collection[str], /) -> Iterable[Finding]:
        """What the expression says of this event."""
        if type(event) is not self._type:
            return
        verdict = self._judge({name: _plain(getattr(event, name)) for name in self._fields})
        if self._each and verdict == "over":
            return
        labels = {
            name: value for name in ("coin", "side") if isinstance(value := getattr(event, name, ""), str) and value
        }
        yield Finding(
            account=event.account,
            subject=event.key if self._each and event.kind in STORED else _subject(event),
            labels=labels,
            verdict="happened" if self._each else verdict,
            values=shown_fields(event),
        )

    def _judge(self, fields: dict[str, Any]) -> Verdict:
        if _is_true(self._when, fields):
            return "holds"
        return "over" if self._until is None or _is_true(self._until, fields) else "between"


def _subject(event: Event) -> str:
    """What the condition is about: the order, the coin, or else the stream or the account itself."""
    for name in ("order_id", "coin", "stream"):
        if value := getattr(event, name, None):
            return str(value)
    return event.kind


def compiled(text: str, kind: str) -> Any:
    """The program. Raises ValueError if it is no CEL, asks for a field that the kind has not, or gives no truth."""
    try:
        import cel  # noqa: PLC0415  # an extra: it takes 0.2 s and 25 MB, and few need it
    except ImportError:
        raise ValueError("CEL is not installed; run: pip install 'hlmon-core[expressions]'") from None
    sample = _sample(KINDS[kind])
    try:
        program = cel.compile(text)
    except ValueError as error:
        raise ValueError(_reason(error)) from None
    bound = set(_BINDINGS.findall(text))
    for name in program.variables():
        if name not in sample and name not in bound:
            raise ValueError(f"{kind} has no field {name!r}{nearest(name, sample)}")
    try:
        result = program.execute(sample)
    except _FAILURES as error:
        raise ValueError(_reason(error)) from None
    if not isinstance(result, bool):
        raise ValueError(f"must be true or false, not {type(result).__name__}")  # noqa: TRY004  # for __post_init__
    return program


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0].partition(" CEL does not coerce")[0].strip()


def _is_true(program: Any, fields: dict[str, Any]) -> bool:
    try:
        return program.execute(fields) is True
    except _FAILURES:
        return False


def field_names(cls: type[Event]) -> tuple[str, ...]:
    """The fields of a kind as expressions know them."""
    return (*cls.__struct_fields__, *_derived(cls))


def _derived(cls: type[Event]) -> list[str]:
    """Properties that are figures: the delta of a CVD bucket, the signed size of a fill."""
    return [name for name in ("delta", "signed_size", "is_perp") if isinstance(getattr(cls, name, None), property)]


def _plain(value: Any) -> Any:
    if isinstance(value, bool | str | NoneType):
        return value
    if isinstance(value, int | float | Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Collection):
        return [_plain(item) for item in value]
    return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}


def _sample(cls: Any) -> dict[str, Any]:
    """Fields of the right types, so that an expression can be tried before an event has come."""
    hints = get_type_hints(cls)
    sample = {name: _sample_of(hints[name]) for name in cls.__struct_fields__}
    if issubclass(cls, msgspec.Struct) and cls is not Trade:
        sample |= {name: False if name == "is_perp" else 1.0 for name in _derived(cls)}
    return sample


def _sample_of(type_: Any) -> Any:
    origin, arguments = get_origin(type_), get_args(type_)
    if type_ in _SCALARS:
        return _SCALARS[type_]
    if origin in {Union, UnionType}:
        return _sample_of(next(each for each in arguments if each is not NoneType))
    if origin is Literal:
        return arguments[0]
    if origin in {tuple, list}:
        return [_sample_of(arguments[0])]
    if origin is dict or type_ is Any:
        return {}
    return _sample(type_)


def speech_of(kind: str) -> Words:
    """Every plain field is a value for templates, and a figure if it is set."""
    sample = _sample(KINDS[kind])
    words = tuple(name for name, value in sample.items() if isinstance(value, str | bool) and name != "account")
    numbers = tuple(name for name, value in sample.items() if isinstance(value, float) and not name.endswith("_ms"))
    what = "{coin} " if "coin" in words else ""
    hidden = {"coin", "tx_hash", "order_id", "trade_id", "twap_id", "cloid", "is_perp", "signed_size"}
    details = tuple(name for name in (*words, *numbers) if name not in hidden)
    return Words(title=f"{{rule}}: {what}{kind.replace('_', ' ')}", words=words, numbers=numbers, details=details)


def shown_fields(event: Event) -> dict[str, Shown]:
    """The plain fields as people read them."""
    return {name: _shown(getattr(event, name)) for name in field_names(type(event)) if name != "account"}


def _shown(value: Any) -> Shown:
    if isinstance(value, bool):
        return word("yes" if value else "no")
    if isinstance(value, str):
        return word(value)
    return plain(Decimal(str(value))) if isinstance(value, int | float | Decimal) else UNKNOWN
