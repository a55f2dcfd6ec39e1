"""Errors of AWS's client, said in words and by what is to be done.

While events are written nothing but a fault of an event itself is Permanent: a missing table, one with other keys, a
lost permission or wrong credentials are put right by people, and until then the events wait. DynamoDB names a wrong
item and a wrong table alike, so the table is asked with what fits. At opening the same faults are a ConfigError.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from hlmon import ConfigError, HlmonError, Permanent, Transient


class Fault(Enum):
    """What is wrong, and what the user reads about it; `{place}` is the region or URL, `{names}` are the tables."""

    THROTTLED = "DynamoDB in {place} asks for fewer requests ({detail})"
    UNAVAILABLE = "DynamoDB in {place} is not available ({detail})"
    UNREACHABLE = "DynamoDB in {place} cannot be reached ({detail}); check the region, endpoint_url and the network"
    EXPIRED = "the AWS credentials have expired; they are read again with every attempt ({detail})"
    CREDENTIALS = "AWS does not accept the credentials, or there are none ({detail})"
    DENIED = "access denied in {place}: {detail}; the sink needs the actions listed in docs/dynamodb.md"
    NO_TABLE = (
        "a table is missing in {place} ({detail}); tables: {names}; "
        "create them with `hlmon dynamodb create-tables`, or correct region and prefix"
    )
    SETTINGS = "the AWS settings are incomplete or wrong: {detail}"
    EVENT = "DynamoDB refuses the item: {detail}"
    OTHER = "DynamoDB in {place} failed: {detail}"


_CODES: Final = {
    Fault.THROTTLED: (
        "ProvisionedThroughputExceededException",
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "SlowDown",
        "LimitExceededException",
        "ReplicatedWriteConflictException",
    ),
    Fault.UNAVAILABLE: ("InternalServerError", "InternalFailure", "ServiceUnavailable", "ServiceUnavailableException"),
    Fault.EXPIRED: ("ExpiredTokenException", "ExpiredToken", "RequestExpired", "TokenRefreshRequired"),
    Fault.CREDENTIALS: (
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "InvalidClientTokenId",
        "IncompleteSignatureException",
        "IncompleteSignature",
        "MissingAuthenticationTokenException",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "SignatureDoesNotMatch",
        "OptInRequired",
    ),
    Fault.DENIED: ("AccessDeniedException", "AccessDenied"),
    Fault.NO_TABLE: ("ResourceNotFoundException", "ResourceInUseException"),
    Fault.EVENT: ("ValidationException", "ItemCollectionSizeLimitExceededException", "SerializationException"),
}
_FAULT_OF: Final = {code: fault for fault, codes in _CODES.items() for code in codes}

_CLIENT_FAULTS: Final[tuple[tuple[tuple[type[BotoCoreError], ...], Fault], ...]] = (
    ((exceptions.ParamValidationError,), Fault.EVENT),
    (
        (
            exceptions.NoCredentialsError,
            exceptions.PartialCredentialsError,
            exceptions.CredentialRetrievalError,
            exceptions.TokenRetrievalError,
            exceptions.SSOError,
        ),
        Fault.CREDENTIALS,
    ),
    (
        (
            exceptions.NoRegionError,
            exceptions.InvalidRegionError,
            exceptions.ProfileNotFound,
            exceptions.ConfigNotFound,
            exceptions.ConfigParseError,
            exceptions.UnknownEndpointError,
        ),
        Fault.SETTINGS,
    ),
    ((exceptions.HTTPClientError, exceptions.ConnectionError), Fault.UNREACHABLE),
)

RENEWED_BY_READING_AGAIN: Final = frozenset({Fault.EXPIRED, Fault.CREDENTIALS})
"""After one of these the credentials are read anew, since they may have been replaced."""


def code_of(error: Exception) -> str:
    """AWS's own name of the error, "" if it is not from AWS."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def fault_of(error: Exception) -> Fault:
    """What is wrong."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        unknown = Fault.UNAVAILABLE if status >= 500 else Fault.OTHER
        return _FAULT_OF.get(code_of(error), unknown)
    return next((fault for types, fault in _CLIENT_FAULTS if isinstance(error, types)), Fault.OTHER)


def explain(error: Exception, *, place: str, names: str) -> str:
    """One line about the error."""
    detail = " ".join(str(error).split())
    if isinstance(error, ClientError):
        message = error.response.get("Error", {}).get("Message", "") or "no reason given"
        detail = f"{code_of(error)}: {' '.join(message.split())}"
    return fault_of(error).value.format(place=place, names=names, detail=detail)


def when_writing(error: Exception, *, place: str, names: str) -> HlmonError:
    """What a sink raises for it: Permanent if it is the event's fault, Transient otherwise."""
    text = explain(error, place=place, names=names)
    return Permanent(text) if fault_of(error) is Fault.EVENT else Transient(text)


def when_proving(error: Exception, *, place: str, names: str) -> HlmonError:
    """What a sink raises if a table refuses what fits hlmon's tables too: Transient, since no event is to blame."""
    text = explain(error, place=place, names=names)
    if fault_of(error) is not Fault.EVENT:
        return Transient(text)
    return Transient(
        f"a table in {place} has other keys than hlmon's ({text}); tables: {names}; choose another prefix, or move "
        "that table away and run `hlmon dynamodb create-tables`"
    )


def when_opening(error: Exception, *, place: str, names: str) -> HlmonError:
    """What opening raises for it: Transient if a later start may succeed without a change, ConfigError otherwise."""
    text = explain(error, place=place, names=names)
    fault = fault_of(error)
    if fault is Fault.EVENT:
        return ConfigError(f"a table in {place} has other keys than hlmon's ({text}); tables: {names}")
    return Transient(text) if fault in {Fault.THROTTLED, Fault.UNAVAILABLE} else ConfigError(text)
