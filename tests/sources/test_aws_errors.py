"""The classification of AWS errors: a table, row by row."""

from __future__ import annotations

import botocore.exceptions
import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from setpoint.aws_errors import (
    CERTIFICATES,
    CREDENTIALS,
    DENIED,
    NO_CREDENTIALS,
    PASSING,
    PLACE,
    TABLE,
    THROTTLED,
    UNANSWERED,
    UNREACHABLE,
    WRONG,
    Handling,
    advice,
    error_code,
    handling_of,
    handling_of_code,
)

ROWS = {
    THROTTLED: """
        BandwidthLimitExceeded EC2ThrottledException LimitExceededException PriorRequestNotComplete
        ProvisionedThroughputExceededException RequestLimitExceeded RequestThrottled RequestThrottledException SlowDown
        ThrottledException Throttling ThrottlingException TooManyRequestsException TransactionInProgressException""",
    PASSING: """
        InternalError InternalFailure InternalServerError InternalServerException InternalServiceError
        InternalServiceException InternalServiceFault InvalidNextToken RequestTimeout RequestTimeoutException
        ResourceContention ResourceContentionFault ServiceUnavailable ServiceUnavailableException Unavailable""",
    UNREACHABLE: "ConnectTimeoutError EndpointConnectionError ProxyConnectionError ConnectionError",
    UNANSWERED: """
        ReadTimeoutError ConnectionClosedError ResponseStreamingError IncompleteReadError HTTPClientError
        ResponseParserError""",
    CREDENTIALS: """
        AuthFailure ExpiredToken ExpiredTokenException IncompleteSignature InvalidAccessKeyId InvalidClientTokenId
        InvalidSignatureException MissingAuthenticationToken SignatureDoesNotMatch UnrecognizedClientException""",
    NO_CREDENTIALS: "NoCredentialsError PartialCredentialsError CredentialRetrievalError TokenRetrievalError",
    DENIED: "AccessDenied AccessDeniedException NotAuthorized OptInRequired UnauthorizedOperation",
    CERTIFICATES: "SSLError",
    PLACE: "NoRegionError UnknownEndpointError InvalidRegionError UnknownRegionError",
    WRONG: """
        InvalidAction InvalidParameterCombination InvalidParameterValue InvalidQueryParameter LimitExceeded
        MalformedQueryString MissingAction MissingParameter ParamValidationError ScalingActivityInProgress
        ValidationError ValidationException""",
}
EXPECTED = [(name, handling) for handling, names in ROWS.items() for name in names.split()]
KINDS = {
    THROTTLED: "throttling",
    PASSING: "transient",
    UNREACHABLE: "transient",
    UNANSWERED: "unknown",
    CREDENTIALS: "permanent",
    NO_CREDENTIALS: "permanent",
    DENIED: "permanent",
    CERTIFICATES: "permanent",
    PLACE: "permanent",
    WRONG: "permanent",
}


@pytest.mark.parametrize(("name", "handling"), EXPECTED, ids=[name for name, _ in EXPECTED])
def test_every_row(name: str, handling: Handling) -> None:
    """Every code and exception of the table is handled as this list says, whatever the HTTP status."""
    assert TABLE[name] == handling
    assert handling.kind == KINDS[handling]
    assert handling.retryable == (handling.kind != "permanent")
    assert handling_of_code(name, 400) == handling_of_code(name, 500) == handling


def test_there_is_no_row_without_a_test() -> None:
    """The list above is the whole table, and no name stands in it twice."""
    assert sorted(TABLE) == sorted(name for name, _ in EXPECTED)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("", 429, "throttling"),
        ("", 509, "throttling"),
        ("", 503, "transient"),
        ("BrandNewError", 502, "transient"),
        ("BrandNewError", 504, "transient"),
        ("BrandNewError", 400, "permanent"),
        ("BrandNewError", None, "permanent"),
        ("", None, "permanent"),
    ],
)
def test_an_unknown_code_goes_by_its_status(code: str, status: int | None, kind: str) -> None:
    """A code that is not in the table is told from its HTTP status; without one it is permanent."""
    assert handling_of_code(code, status).kind == kind


def test_what_botocore_tries_again_is_retryable() -> None:
    """The library's own retry table and ours agree."""
    from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

    assert all(TABLE[code].kind == "throttling" for code in ThrottledRetryableChecker._THROTTLED_ERROR_CODES)
    transient = set(TransientRetryableChecker._TRANSIENT_ERROR_CODES)
    assert {TABLE[code].kind for code in transient} <= {"transient", "throttling"}


def answered(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "SetDesiredCapacity")


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (answered("Throttling", 400), "Throttling", "throttling"),
        (answered("", 503), "Unknown", "transient"),
        (answered("ReadTimeoutErrorLookalike", 400), "ReadTimeoutErrorLookalike", "permanent"),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="x"), "ReadTimeoutError", "unknown"),
        (botocore.exceptions.ConnectTimeoutError(endpoint_url="x"), "ConnectTimeoutError", "transient"),
        (botocore.exceptions.ConnectionClosedError(endpoint_url="x"), "ConnectionClosedError", "unknown"),
        (botocore.exceptions.SSLError(endpoint_url="x", error="expired"), "SSLError", "permanent"),
        (botocore.exceptions.NoCredentialsError(), "NoCredentialsError", "permanent"),
        (botocore.exceptions.ParamValidationError(report="x"), "ParamValidationError", "permanent"),
        (ResponseParserError("not XML"), "ResponseParserError", "unknown"),
        (RuntimeError("of no library"), "RuntimeError", "permanent"),
    ],
)
def test_an_exception_goes_by_its_nearest_name(error: Exception, code: str, kind: str) -> None:
    """What boto3 raises is found in the table by code, by class, or by the nearest base class."""
    assert (error_code(error), handling_of(error).kind) == (code, kind)


def test_every_kind_of_connection_trouble_of_botocore_is_known() -> None:
    """A subclass that a newer botocore adds to its connection errors is retryable by its base."""
    from botocore.exceptions import ConnectionError as NoConnectionError
    from botocore.exceptions import HTTPClientError, SSLError

    for base in (NoConnectionError, HTTPClientError):
        for kind in base.__subclasses__():
            name = next(one.__name__ for one in kind.__mro__ if one.__name__ in TABLE)
            assert TABLE[name].retryable or issubclass(kind, SSLError)


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("AccessDenied", "Allow cloudwatch:GetMetricData to"),
        ("ExpiredToken", "credentials of the connection"),
        ("ValidationError", "Check the policy"),
        ("SSLError", "certificates"),
        ("Throttling", "higher request rate"),
        ("ReadTimeoutError", "nobody knows whether it was carried out"),
    ],
)
def test_advice_says_what_to_do(code: str, word: str) -> None:
    """Each handling comes with what is done, or what a person can do."""
    assert word in advice(TABLE[code], ("cloudwatch:GetMetricData",))


def test_advice_names_the_connection_that_was_used() -> None:
    """Whoever knows it says it; nobody else can."""
    assert "of the connection aws_queues, " in advice(CREDENTIALS, (), connection="aws_queues")
    assert "behind the connection aws_queues." in advice(DENIED, ("sqs:ReceiveMessage",), connection="aws_queues")
    assert not [one for one in TABLE.values() if "{" in advice(one, ())]
