"""Requests over HTTP: time-outs, TLS verified, proxies honoured; no repetition, no redirect, no address in an error.

The addresses of Discord and Telegram are secrets, and the errors and debug lines of the client contain them: neither
gets out of here.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

import requests

from hlmon_notify.answers import Answer
from hlmon_notify.errors import Blocked, Unreachable

CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 15.0
_LONGEST_ANSWER: Final = 65_536

_logger = logging.getLogger(__name__)

logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # what is below has whole addresses in it


class Http:
    """A connection to one service, whose `name` is for messages; `agent` is what hlmon calls itself there."""

    def __init__(self, name: str, agent: str = "hlmon-notify") -> None:
        self.name = name
        self._session = requests.Session()  # its adapters repeat nothing
        self._session.headers["User-Agent"] = agent
        self._session.auth = _leave_as_it_is  # else a .netrc would add its own

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        self._session.close()

    def send(self, method: str, url: str, **content: Any) -> Answer:
        """One request. Raises Unreachable if nobody answers and Blocked for a redirect."""
        try:
            answer = self._send(method, url, content)
        except (requests.RequestException, OSError, ValueError) as error:
            failure = f"{self.name} {_reason(error)}"
        else:
            if 300 <= answer.status < 400:
                raise Blocked(
                    f"{self.name} answers {answer.status}, a redirect, which is not followed; name the final URL"
                )
            _logger.debug("%s answers %d", self.name, answer.status)
            return answer
        raise Unreachable(failure)  # out here, so that it does not refer to the error with the address

    def _send(self, method: str, url: str, content: Mapping[str, Any]) -> Answer:
        timeout = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
        with self._session.request(
            method, url, timeout=timeout, allow_redirects=False, stream=True, **content
        ) as found:
            body = next(found.iter_content(_LONGEST_ANSWER), b"")
            return Answer(found.status_code, found.headers, body)


def _leave_as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _reason(error: BaseException) -> str:
    """What went wrong, from the parts of the error that hold no address."""
    chain = list(_chain(error))
    for each in chain:
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"shows a certificate that is not trusted ({each.verify_message})"
    if any(isinstance(each, requests.Timeout) for each in chain):
        return "did not answer in time"
    if any(isinstance(each, requests.exceptions.ProxyError) for each in chain):
        return "cannot be reached: the proxy does not let it through"
    said = next((each.strerror for each in chain if isinstance(each, OSError) and each.strerror), type(error).__name__)
    return f"cannot be reached ({said})"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what lies beneath it, wherever the client put it."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            beneath = (each.__cause__, each.__context__, getattr(each, "reason", None), *each.args)
            waiting += [found for found in beneath if isinstance(found, BaseException)]
