"""Tables of the config to structs: every problem is found at once, named by its path, in the words of TOML.

No message repeats a value of the user, since it may be a secret in the wrong place.
"""

from __future__ import annotations

import difflib
import enum
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from hlmon.errors import HlmonError
from hlmon.problems import KeyPath, Problem

ValueT = TypeVar("ValueT")
Decode = Callable[[type, Any], Any]

_WORDS = {
    "array": "a list",
    "bool": "true or false",
    "date": "a date",
    "datetime": "a date and time",
    "decimal": "a number",
    "float": "a number",
    "int": "a whole number",
    "object": "a table",
    "str": "text",
    "time": "a time",
}
_SIGNS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_WRONG_TYPE = re.compile(r"Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`")
_OUT_OF_BOUNDS = re.compile(r"Expected `(?P<type>\w+)` (?P<length>of length )?(?P<sign>>=|<=|>|<) (?P<bound>\S+)")
_PLACE = re.compile(r" - at `[^`]*`$")


def closest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that was probably meant, if any is near."""
    return next(iter(difflib.get_close_matches(name, sorted(names), n=1)), None)


def nearest(name: str, names: Iterable[str]) -> str:
    """What to add to a message about an unknown name: the nearest of `names`, or all of them if none is near."""
    known = sorted(names)
    close = closest(name, known)
    if close:
        return f"; did you mean {close!r}?"
    return f"; known: {', '.join(known)}" if known else ""


def decode_path(type_: type, value: Any) -> Any:
    """Msgspec's hook for the types it does not know: a file system path, `~` expanded. Raises ValueError."""
    if type_ is not Path:
        raise ValueError(f"a config field cannot be of type {type_.__name__}")
    if not isinstance(value, str) or not value:
        raise ValueError("must be a path")
    return Path(value).expanduser()


def read(
    value: object, type_: type[ValueT], path: KeyPath, problems: list[Problem], decode: Decode = decode_path
) -> ValueT | None:
    """What stands at `path` as a value of this type, or None after adding to `problems` each thing that is wrong."""
    before = len(problems)
    _check(value, type_, path, _Finder(problems, decode))
    if len(problems) > before:
        return None
    return msgspec.convert(value, type_, strict=True, dec_hook=decode)


def without_wrong(value: object, type_: Any, decode: Decode = decode_path) -> tuple[Any, tuple[int, ...]] | None:
    """Of a wrong list or table its right elements, as a value of this type; None if that leaves nothing to go by.

    Of a list the positions of those elements, too.
    """

    def is_right(item: object, item_type: Any) -> bool:
        problems: list[Problem] = []
        read(item, item_type, (), problems, decode)
        return not problems

    bare = _bare(type_)
    right: Any = value
    positions: tuple[int, ...] = ()
    if isinstance(value, list) and get_args(bare):
        positions = tuple(position for position, item in enumerate(value) if is_right(item, get_args(bare)[0]))
        right = [value[position] for position in positions]
    elif isinstance(value, Mapping):
        if _is_struct(bare):
            types = {field.encode_name: field.type for field in msgspec.structs.fields(bare)}
        else:
            types = dict.fromkeys(value, get_args(bare)[-1] if get_args(bare) else Any)
        right = {name: item for name, item in value.items() if name in types and is_right(item, types[name])}
    return (msgspec.convert(right, type_, dec_hook=decode), positions) if is_right(right, type_) else None


class _Finder:
    def __init__(self, problems: list[Problem], decode: Decode) -> None:
        self.problems = problems
        self.decode = decode

    def add(self, path: KeyPath, text: str) -> None:
        self.problems.append(Problem(path, text))

    def convert(self, value: Any, type_: Any, path: KeyPath) -> None:
        try:
            msgspec.convert(value, type_, strict=True, dec_hook=self.decode)
        except (msgspec.ValidationError, HlmonError) as error:
            self.add(path, _in_words(str(error), type_))


def _check(value: Any, type_: Any, path: KeyPath, find: _Finder) -> None:
    bare = _bare(type_)
    if _is_struct(bare) and isinstance(value, Mapping):
        _check_struct(value, bare, path, find)
        return
    before = len(find.problems)
    origin, arguments = get_origin(bare), get_args(bare)
    if origin in {list, set, frozenset, tuple} and arguments[1:] in {(), (...,)} and isinstance(value, list):
        for position, item in enumerate(value):
            _check(item, arguments[0], (*path, position), find)
    elif origin in {dict, Mapping} and isinstance(value, Mapping):
        for key, item in value.items():
            _check(item, arguments[1], (*path, key), find)
    if len(find.problems) == before:
        find.convert(value, type_, path)  # of a list or table, what is asked of it as a whole


def _check_struct(table: Mapping[str, Any], type_: type[msgspec.Struct], path: KeyPath, find: _Finder) -> None:
    before = len(find.problems)
    fields = {field.encode_name: field for field in msgspec.structs.fields(type_)}
    for name in table.keys() - fields.keys():
        find.add((*path, name), f"unknown field{nearest(name, fields)}")
    for name, field in fields.items():
        if name in table:
            _check(table[name], field.type, (*path, name), find)
        elif field.required:
            find.add((*path, name), "is required")
    if len(find.problems) == before:
        find.convert(table, type_, path)  # what the struct itself checks, in __post_init__


def _is_struct(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, msgspec.Struct)


def _bare(type_: Any) -> Any:
    """The type without its bounds and description; TOML has no null, so `X | None` reads as X."""
    if get_origin(type_) is Annotated:
        return _bare(get_args(type_)[0])
    if get_origin(type_) in {Union, UnionType}:
        others = [argument for argument in get_args(type_) if argument is not NoneType]
        if len(others) == 1:
            return _bare(others[0])
    return type_


def _in_words(message: str, type_: Any) -> str:
    message = _PLACE.sub("", message)
    if message == "Invalid decimal string":
        return "must be a number"
    if message.startswith("Invalid enum value"):
        return f"must be one of {', '.join(repr(choice) for choice in _choices(type_))}"
    if found := _WRONG_TYPE.match(message):
        return f"must be {_words(found['expected'])}, not {_words(found['got'])}"
    if found := _OUT_OF_BOUNDS.match(message):
        return _bounds_in_words(**found.groupdict())
    return message


def _bounds_in_words(type: str, length: str | None, sign: str, bound: str) -> str:  # noqa: A002  # a group of the pattern
    if not length:
        return f"must be {_SIGNS[sign]} {bound}"
    if (sign, bound) == (">=", "1"):
        return "must not be empty"
    return f"must have {_SIGNS[sign]} {bound} {'characters' if type == 'str' else 'entries'}"


def _words(types: str) -> str:
    return " or ".join(_WORDS.get(name, name) for name in types.split(" | ") if name != "null")


def _choices(type_: Any) -> tuple[Any, ...]:
    if get_origin(type_) is Annotated:
        return _choices(get_args(type_)[0])
    if get_origin(type_) is Literal:
        return get_args(type_)
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        return tuple(member.value for member in type_)
    return tuple(choice for argument in get_args(type_) for choice in _choices(argument))
