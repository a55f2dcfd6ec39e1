"""Clients of AWS without repetitions of their own, and what each of AWS's errors means for the caller.

Only what AWS says of the message itself is Permanent. A missing topic, a lost permission, wrong credentials, an address
that is not verified are for the owner: see `errors` for why those wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ParamValidationError
from botocore.exceptions import ConnectionError as BotoConnectionError

from hlmon import HlmonError, Permanent, Transient
from hlmon_notify.answers import short
from hlmon_notify.errors import Blocked, Unreachable

_SETTINGS: Final = Config(
    # The core decides when to try again; a product of two policies would help nobody.
    retries={"mode": "standard", "total_max_attempts": 1},
    connect_timeout=5,
    read_timeout=15,
    tcp_keepalive=True,
    user_agent_extra="hlmon",
)

_PATIENCE: Final = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "KMSThrottling",
        "KMSThrottlingException",
        "LimitExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ServiceUnavailable",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_THE_MESSAGE: Final = frozenset(
    {"BadRequestException", "InvalidParameter", "InvalidParameterValue", "MessageRejected", "ValidationError"}
)
_NOT_VERIFIED: Final = ("not verified", "did not have authority")
"""How SES words a MessageRejected that is not the message's fault."""


def client(service: Literal["sns", "sesv2"], region: str, endpoint_url: str) -> Any:
    """A client with the credentials that AWS's own chain finds now; "" leaves a setting to AWS."""
    session = boto3.Session()  # not the default one, which keeps the credentials of its first use
    return session.client(service, region_name=region or None, endpoint_url=endpoint_url or None, config=_SETTINGS)


class Connection:
    """A client that is made anew after an error, since the credentials may have been replaced."""

    def __init__(self, name: str, connect: Callable[[], Any]) -> None:
        self._name, self._connect = name, connect
        self._client: Any = None

    @contextmanager
    def using(self) -> Iterator[Any]:
        """The client; its errors are told in words."""
        try:
            if self._client is None:
                self._client = self._connect()
            yield self._client
        except (BotoCoreError, ClientError, ValueError) as error:
            self.close()
            raise meaning(self._name, error) from error

    def close(self) -> None:
        """Close the client."""
        if self._client is not None:
            self._client.close()
            self._client = None


def meaning(name: str, error: Exception) -> HlmonError:
    """What an error of AWS's client says to the caller."""
    if isinstance(error, ClientError):
        return _refusal(name, error)
    if isinstance(error, ParamValidationError):
        return Permanent(f"{name} refuses the message: {short(error)}")
    if isinstance(error, HTTPClientError | BotoConnectionError):
        return Unreachable(f"{name} cannot be reached ({short(error)})")
    return Blocked(f"AWS's settings or credentials for {name} are incomplete or wrong ({short(error)})")


def _refusal(name: str, error: ClientError) -> HlmonError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = short(error.response.get("Error", {}).get("Message", ""))
    text = f"{code}: {message}"
    if code in _PATIENCE or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
        return Transient(f"{name} asks for patience ({text})")
    if code in _THE_MESSAGE and not any(words in message.lower() for words in _NOT_VERIFIED):
        return Permanent(f"{name} refuses the message ({text})")
    return Blocked(f"{name} refuses ({text}); see the permissions, names and region in docs/notifiers.md")
