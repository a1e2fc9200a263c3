"""What an AWS error means for the caller: slow down, try again, look first, or stop and mend something.

One table, by the service's error code or the name of botocore's exception; whoever calls AWS goes by it, waiting in a
task or in the triggerer.

==============  ====================================================  ==================================================
kind            what it means                                         what is done
==============  ====================================================  ==================================================
``throttling``  too many requests; this one was not carried out       tried again, more slowly
``transient``   the service has trouble, or was not reached           tried again
``unknown``     sent, and no whole answer came back                   read what became of it, then tried again
``permanent``   the same request fails until somebody mends a thing   fails at once, and says what to do
==============  ====================================================  ==================================================

A server's error (5xx) to a changing call may have come after the change. So whoever changes something reads it again
before every further try, whatever the kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Kind = Literal["throttling", "transient", "unknown", "permanent"]


class Handling(NamedTuple):
    """What to do about an error.

    :param kind: what kind of failure it is.
    :param todo: what is done, or what a person can do, in a sentence; ``{permissions}`` stands for the IAM actions,
        ``{connection}`` for the Airflow connection.
    """

    kind: Kind
    todo: str

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later without anybody mending anything."""
        return self.kind != "permanent"


THROTTLED = Handling(
    "throttling",
    "It usually passes: try again later. Where it stays, ask AWS for a higher request rate, or let fewer policies "
    "share the account.",
)
PASSING = Handling("transient", "It usually passes: try again later.")
UNREACHABLE = Handling("transient", "AWS could not be reached: try again later.")
UNANSWERED = Handling(
    "unknown", "AWS did not answer in time: nobody knows whether it was carried out. Read first, then try again later."
)
CREDENTIALS = Handling("permanent", "Mend the credentials of {connection}, and check this machine's clock.")
NO_CREDENTIALS = Handling(
    "permanent",
    "Set login (access key id) and password (secret) of {connection}, or give the machine a role.",
)
DENIED = Handling("permanent", "Allow {permissions} to the identity behind {connection}.")
CERTIFICATES = Handling("permanent", "Check the verify setting of {connection} and this machine's certificates.")
WRONG = Handling("permanent", "Check the policy against the message; the same request would fail again.")
PLACE = Handling("permanent", "Check the region and the endpoint of {connection}.")

_BY_HANDLING: tuple[tuple[Handling, tuple[str, ...]], ...] = (
    (
        # botocore/retries/standard.py (ThrottledRetryableChecker), and what AWS calls the same thing elsewhere.
        THROTTLED,
        (
            "BandwidthLimitExceeded",
            "EC2ThrottledException",
            "LimitExceededException",
            "PriorRequestNotComplete",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
            "ThrottledException",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
            "TransactionInProgressException",
        ),
    ),
    (
        # botocore's transient codes; the query protocol's common errors; Auto Scaling's ResourceContention ("You
        # already have a pending update to an Auto Scaling resource"); and a paging token that ran out.
        PASSING,
        (
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "InternalServerException",
            "InternalServiceError",
            "InternalServiceException",
            "InternalServiceFault",
            "InvalidNextToken",
            "RequestTimeout",
            "RequestTimeoutException",
            "ResourceContention",
            "ResourceContentionFault",
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "Unavailable",
        ),
    ),
    # botocore/exceptions.py: no connection was made, so nothing was sent.
    (UNREACHABLE, ("ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError", "ConnectionError")),
    # The request may have arrived; its answer did not, or not whole.
    (
        UNANSWERED,
        (
            "ReadTimeoutError",
            "ConnectionClosedError",
            "ResponseStreamingError",
            "IncompleteReadError",
            "HTTPClientError",
            "ResponseParserError",
        ),
    ),
    (
        # The credentials themselves are wrong, missing or out of date: the connection must be mended.
        CREDENTIALS,
        (
            "AuthFailure",
            "ExpiredToken",
            "ExpiredTokenException",
            "IncompleteSignature",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ),
    ),
    (
        NO_CREDENTIALS,
        ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError"),
    ),
    # The credentials are good, but they may not do this: the permission must be given.
    (DENIED, ("AccessDenied", "AccessDeniedException", "NotAuthorized", "OptInRequired", "UnauthorizedOperation")),
    (CERTIFICATES, ("SSLError",)),
    (PLACE, ("NoRegionError", "UnknownEndpointError", "InvalidRegionError", "UnknownRegionError")),
    (
        # The common errors of the query protocol, and what Auto Scaling says to a request that does not fit its state.
        WRONG,
        (
            "InvalidAction",
            "InvalidParameterCombination",
            "InvalidParameterValue",
            "InvalidQueryParameter",
            "LimitExceeded",
            "MalformedQueryString",
            "MissingAction",
            "MissingParameter",
            "ParamValidationError",
            "ScalingActivityInProgress",
            "ValidationError",
            "ValidationException",
        ),
    ),
)

TABLE: Mapping[str, Handling] = MappingProxyType({name: handling for handling, names in _BY_HANDLING for name in names})
"""What to do, by error code or by the name of botocore's exception."""

_THROTTLING_STATUSES = frozenset({429, 509})
_TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})


def handling_of_code(code: str, http_status: int | None) -> Handling:
    """What to do about an answer of AWS. The code decides; an unknown code leaves it to the HTTP status.

    :param code: the service's error code, such as ``ThrottlingException``; empty when the answer had none.
    :param http_status: the HTTP status of the answer; ``None`` when unknown.
    """
    if code in TABLE:
        return TABLE[code]
    if http_status in _THROTTLING_STATUSES:
        return THROTTLED
    return PASSING if http_status in _TRANSIENT_STATUSES else WRONG


def handling_of(error: BaseException) -> Handling:
    """What to do about an error that boto3 raised: AWS's answer (``ClientError``), or why there is none.

    An exception goes by its own name, or the nearest of its bases in the table; an unknown one is permanent.
    """
    response: Any = getattr(error, "response", None)
    if isinstance(response, Mapping) and "Error" in response:
        return handling_of_code(error_code(error), response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
    names = (base.__name__ for base in type(error).__mro__)
    return next((TABLE[name] for name in names if name in TABLE), WRONG)


def error_code(error: BaseException) -> str:
    """The code of AWS's answer, or the name of the exception where there was none."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, Mapping) and "Error" in response:
        return str(response["Error"].get("Code") or "Unknown")
    return type(error).__name__


def advice(handling: Handling, permissions: tuple[str, ...], *, connection: str | None = None) -> str:
    """What is done about an error, or what a person can do, in one sentence.

    :param permissions: the IAM actions the failed call needs.
    :param connection: the id of the Airflow connection that was used, where the caller knows it.
    """
    named = f"the connection {connection}" if connection else "the connection the policy names"
    return handling.todo.format(permissions=", ".join(permissions), connection=named)
