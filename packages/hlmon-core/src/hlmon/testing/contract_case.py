"""What all contracts share: cases may be excused with a reason, never changed, and a broken promise explains itself."""

from __future__ import annotations

import functools
import inspect
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn

import pytest

_NOTHING: Mapping[str, str] = MappingProxyType({})


class BrokenPromise(AssertionError):
    """A part does not keep its contract; the text says what was promised, why it matters and what was seen."""

    __module__ = "hlmon.testing"  # where it is public, which is the name that pytest shows


class Contract:
    """Base of the contracts: subclass one, say what is tested, and pytest collects its cases.

    A case that makes no sense for a part is excused by name: `excused = {"test_…": "reason"}`; it is then reported as
    skipped with that reason. Replacing a case in a subclass is refused, and so is replacing what the cases check with:
    only the names in `to_define` are a subclass's to define, and names of its own.
    """

    excused: ClassVar[Mapping[str, str]] = _NOTHING
    to_define: ClassVar[frozenset[str]] = frozenset()
    _cases: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    _fixed: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def __init_subclass__(cls, *, defines_cases: bool = False) -> None:
        """Take note of the cases that a contract defines; refuse a part's test that changes one."""
        super().__init_subclass__()
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
    """The case, in which an error that it does not expect breaks the promise of its first line, too."""
    promise = (case.__doc__ or case.__name__).strip().splitlines()[0]

    @functools.wraps(case)
    def run(self: Any) -> None:
        try:
            case(self)
        except BrokenPromise:
            raise
        except Exception as error:
            because = f"{case.__name__} asks for nothing that may fail there"
            raise BrokenPromise(f"promise: {promise}\n  because: {because}\n  seen: {_named(error)}") from error

    return run


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def check(kept: bool, promise: str, *, because: str, seen: object) -> None:
    """Raise BrokenPromise unless `kept`."""
    __tracebackhide__ = True  # as in the others here: pytest shows the case, and what it says
    if not kept:
        raise BrokenPromise(f"promise: {promise}\n  because: {because}\n  seen: {seen}")


def error_of(call: Callable[[], object]) -> Exception | None:
    """The exception that the call raises, None if it returns."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever a part raises is what is being examined
        return error
    return None


def error_in_thread(call: Callable[[], object]) -> Exception | None:
    """The same of a call that is made as the host makes it: not from the thread that opened the part."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(error_of, call).result()


def check_error(error: Exception | None, allowed: tuple[type[Exception], ...], promise: str, *, because: str) -> None:
    """Raise BrokenPromise unless the error is one of the allowed classes."""
    __tracebackhide__ = True
    seen = "it returned as if all were well" if error is None else _named(error)
    check(isinstance(error, allowed), promise, because=because, seen=seen)


def texts_of(error: BaseException | None) -> str:
    """All that a log would show of an error: its text, its arguments and its whole chain."""
    return "" if error is None else "".join(traceback.format_exception(error)) + repr(error)


@contextmanager
def captured_logs() -> Iterator[list[str]]:
    """Every log line that is written meanwhile, at any level, formatted with its exception."""
    lines: list[str] = []
    formatter = logging.Formatter("%(name)s %(message)s")

    class Capture(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(formatter.format(record) + repr(vars(record)))

    handler, root = Capture(level=logging.NOTSET), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.NOTSET)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
