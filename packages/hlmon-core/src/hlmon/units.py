"""What the fields of events are measured in: each type here is a plain one with its unit and its usual meaning.

`docs/events.md` is made from these, so a field says its unit where it is declared, and nowhere else. Type checkers and
msgspec see the plain type.
"""

from __future__ import annotations

import types
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias, get_args, get_origin

import msgspec


class Unit(NamedTuple):
    """A unit in a few words, and what a field in it means unless it says more."""

    name: str
    meaning: str = ""


def says(meaning: str) -> msgspec.Meta:
    """What one field means, to stand in its annotation."""
    return msgspec.Meta(description=meaning)


TimeMs: TypeAlias = Annotated[int, Unit("ms since 1970, UTC")]
DurationMs: TypeAlias = Annotated[int, Unit("ms")]
Minutes: TypeAlias = Annotated[int, Unit("minutes")]
Count: TypeAlias = Annotated[int, Unit("count")]
Multiple: TypeAlias = Annotated[Decimal, Unit("multiple")]
WholeMultiple: TypeAlias = Annotated[int, Unit("multiple")]
Points: TypeAlias = Annotated[int, Unit("points, 0 to 100")]
Ratio: TypeAlias = Annotated[Decimal, Unit("ratio, signed")]
Price: TypeAlias = Annotated[Decimal, Unit("USD per coin")]
Usd: TypeAlias = Annotated[Decimal, Unit("USD")]
SignedUsd: TypeAlias = Annotated[Decimal, Unit("USD, signed")]
Coins: TypeAlias = Annotated[Decimal, Unit("coins")]
SignedCoins: TypeAlias = Annotated[Decimal, Unit("coins, signed")]
Tokens: TypeAlias = Annotated[Decimal, Unit("tokens of `coin`")]
SignedTokens: TypeAlias = Annotated[Decimal, Unit("tokens of `token`, signed")]
FeeTokens: TypeAlias = Annotated[Decimal, Unit("tokens of `fee_token`, signed")]

Id: TypeAlias = Annotated[int, Unit("number of the exchange")]
Ordinal: TypeAlias = Annotated[int, Unit("count from 0")]
Address: TypeAlias = Annotated[str, Unit("address, lower case")]
Coin: TypeAlias = Annotated[str, Unit("coin", "the exchange's name: `BTC`, `xyz:SILVER`, `@107`, `PURR/USDC`")]
Dex: TypeAlias = Annotated[str, Unit("perp dex", 'the exchange\'s name; "" is the main one')]
Token: TypeAlias = Annotated[str, Unit("token", "the exchange's name")]
Hash: TypeAlias = Annotated[str, Unit("hash, hexadecimal")]
ClientId: TypeAlias = Annotated[str, Unit("hexadecimal", "the id that the client gave the order")]
Key: TypeAlias = Annotated[str, Unit("key of an event")]
Word: TypeAlias = Annotated[str, Unit("word")]
Text: TypeAlias = Annotated[str, Unit("text")]
Raw: TypeAlias = Annotated[dict[str, Any], Unit("JSON as it came")]

FLAG: Final = Unit("true or false")
CHOICE: Final = Unit("one of its words")


def unit_of(annotation: Any) -> Unit:
    """The unit of a resolved annotation; of a container that of what it holds. Raises TypeError where none is said."""
    said = [each for each in getattr(annotation, "__metadata__", ()) if isinstance(each, Unit)]
    found = set(said[:1]) or _units_inside(annotation)
    if len(found) != 1:
        raise TypeError(f"{annotation} has {len(found)} units {sorted(found)}: use one type of hlmon.units")
    return found.pop()


def _units_inside(annotation: Any) -> set[Unit]:
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation is bool:
        return {FLAG}
    if origin is Literal:
        return {CHOICE}
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return {Unit(f"see {annotation.__name__}")}
    if origin is Annotated:
        return {unit_of(inner[0])}
    held = inner[1:] if origin is dict else inner
    return {unit_of(each) for each in held if each not in {types.NoneType, Ellipsis}}


def meaning_of(annotation: Any) -> str:
    """What a resolved annotation says of its field, else what its unit usually means. Raises TypeError for neither."""
    said = [each.description for each in getattr(annotation, "__metadata__", ()) if isinstance(each, msgspec.Meta)]
    meaning = next(filter(None, said), "") or unit_of(annotation).meaning
    if not meaning:
        raise TypeError(f"{annotation} says not what it means: use Annotated[…, says(…)]")
    return meaning
