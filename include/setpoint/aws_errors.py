"""What an AWS error code means for the caller: slow down, try again, or stop and mend something."""

from __future__ import annotations

from typing import Literal

Kind = Literal["throttling", "transient", "permanent"]

# botocore/retries/standard.py (ThrottledRetryableChecker), and what AWS calls the same thing elsewhere.
THROTTLING_CODES = frozenset(
    {
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
    }
)

# botocore's transient codes; the query protocol's common errors; Auto Scaling's ResourceContention ("You already
# have a pending update to an Auto Scaling resource"); and a paging token that ran out, which asking anew cures.
TRANSIENT_CODES = frozenset(
    {
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
    }
)

# The credentials themselves are wrong, missing or out of date: the connection must be mended.
CREDENTIAL_CODES = frozenset(
    {
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
    }
)

# The credentials are good, but they may not do this: the permission must be given.
DENIED_CODES = frozenset(
    {"AccessDenied", "AccessDeniedException", "NotAuthorized", "OptInRequired", "UnauthorizedOperation"}
)

_THROTTLING_STATUSES = frozenset({429, 509})
_TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})


def classify(code: str, http_status: int | None) -> Kind:
    """What kind of failure an AWS error is. The code decides; an unknown code leaves it to the HTTP status.

    :param code: the service's error code, such as ``ThrottlingException``; empty when the answer had none.
    :param http_status: the HTTP status of the answer; ``None`` when unknown.
    :returns: ``throttling`` (the same call works later, more slowly), ``transient`` (the same call may work later) or
        ``permanent`` (the same call fails again until somebody changes something).
    """
    if code in THROTTLING_CODES:
        return "throttling"
    if code in TRANSIENT_CODES:
        return "transient"
    if code in CREDENTIAL_CODES or code in DENIED_CODES:
        return "permanent"
    if http_status in _THROTTLING_STATUSES:
        return "throttling"
    return "transient" if http_status in _TRANSIENT_STATUSES else "permanent"


def advice(code: str, permissions: tuple[str, ...]) -> str:
    """What a person can do about an error that stays, in one sentence.

    :param code: the service's error code.
    :param permissions: the IAM actions the failed call needs.
    """
    if code in DENIED_CODES:
        return f"Allow {', '.join(permissions)} to the identity behind the policy's connection."
    if code in CREDENTIAL_CODES:
        return "Mend the credentials of the connection the policy names, and check this machine's clock."
    if classify(code, None) != "permanent":
        return "It usually passes: try again later."
    return "Check the policy against the message; the same request would fail again."
