"""What all contracts share: cases may be excused with a reason, never changed, and a broken promise explains itself."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn

import pytest

from hlmon.testing.promises import BrokenPromise, named
from hlmon.testing.time_limit import in_time

_IN_TIME = "what never comes back is never asked again: a part that hangs delivers nothing and says nothing"
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Contract:
    """Base of the contracts: subclass one, say what is tested, and pytest collects its cases.

    A case that makes no sense for a part is excused by name: `excused = {"test_…": "reason"}`; it is then reported as
    skipped with that reason. Replacing a case in a subclass is refused, and so is replacing what the cases check with:
    only the names in `to_define` are a subclass's to define, and names of its own.

    A case runs on a thread of its own, and is broken off after `time_limit_seconds` with a word about where it stood.
    """

    excused: ClassVar[Mapping[str, str]] = _NOTHING
    time_limit_seconds: ClassVar[float] = 60.0
    to_define: ClassVar[frozenset[str]] = frozenset()
    _cases: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    _fixed: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def __init_subclass__(cls, *, defines_cases: bool = False) -> None:
        """Take note of the cases that a contract defines; refuse a part's test that changes one."""
        super().__init_subclass__()
        cls.to_define |= {"time_limit_seconds"}
        if defines_cases:
            for name in [name for name in dir(cls) if name.startswith("test_")]:
                setattr(cls, name, _explained(getattr(cls, name)))
            cls._cases = {name: getattr(cls, name) for name in dir(cls) if name.startswith("test_")}
            cls._fixed = {name: inspect.getattr_static(cls, name) for name in _methods_of(cls) - cls.to_define}
            return
        cls._refuse_changes()
        for name, reason in cls.excused.items():
            if name not in cls._cases:
                raise TypeError(f"{cls.__name__} excuses {name}, which is no case of its contract")
            if not reason.strip():
                raise TypeError(f"{cls.__name__} excuses {name} without a reason")

    @classmethod
    def _refuse_changes(cls) -> None:
        for name, case in cls._cases.items():
            if inspect.getattr_static(cls, name, None) is not case:
                raise TypeError(f'{cls.__name__} replaces {name}; a case may be excused: excused = {{"{name}": "why"}}')
        for name, method in cls._fixed.items():
            if inspect.getattr_static(cls, name, None) is not method:
                allowed = ", ".join(sorted(cls.to_define))
                raise TypeError(f"{cls.__name__} replaces {name}, with which its cases check; it may define: {allowed}")

    @classmethod
    def cases(cls) -> tuple[str, ...]:
        """The names of the contract's cases, the excused ones included."""
        return tuple(cls._cases)

    @pytest.fixture(autouse=True)
    def _excuse(self, request: pytest.FixtureRequest) -> None:
        self._refuse_changes()  # made after the class was defined
        reason = self.excused.get(request.function.__name__)
        if reason is not None:
            pytest.skip(f"excused: {reason}")

    def missing(self, hook: str, purpose: str, *, excusable: bool = True) -> NoReturn:
        """Fail because the test class does not say something that a case needs; not all can be done without."""
        instead = "; or excuse the case with a reason" if excusable else ""
        raise BrokenPromise(f"{type(self).__name__} must define {hook}, which {purpose}{instead}")


def _methods_of(contract: type[Contract]) -> set[str]:
    """What is defined between a contract and `Contract`, this one included; names of Python itself are not."""
    names = {name for each in contract.__mro__ if issubclass(each, Contract) for name in vars(each)}
    return {name for name in names if callable(getattr(contract, name)) and not name.startswith(("__", "test_"))}


def _explained(case: Callable[[Any], None]) -> Callable[[Any], None]:
    """The case within its time, in which an error that it does not expect breaks the promise of its first line, too."""
    promise = (case.__doc__ or case.__name__).strip().splitlines()[0]

    @functools.wraps(case)
    def run(self: Any) -> None:
        seconds = self.time_limit_seconds
        try:
            in_time(lambda: case(self), seconds, f"the case ends within {seconds:g} s: {promise}", because=_IN_TIME)
        except BrokenPromise:
            raise
        except Exception as error:
            because = f"{case.__name__} asks for nothing that may fail there"
            raise BrokenPromise(f"promise: {promise}\n  because: {because}\n  seen: {named(error)}") from error

    return run
