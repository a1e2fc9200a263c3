"""The classification of AWS error codes."""

import pytest

from setpoint.aws_errors import CREDENTIAL_CODES, DENIED_CODES, THROTTLING_CODES, TRANSIENT_CODES, advice, classify


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("Throttling", 400, "throttling"),
        ("ThrottlingException", 400, "throttling"),
        ("RequestLimitExceeded", 503, "throttling"),
        ("", 429, "throttling"),
        ("InternalServiceFault", 500, "transient"),
        ("ResourceContention", 400, "transient"),
        ("RequestTimeout", 408, "transient"),
        ("", 503, "transient"),
        ("BrandNewError", 502, "transient"),
        ("ValidationError", 400, "permanent"),
        ("InvalidParameterValue", 400, "permanent"),
        ("AccessDenied", 403, "permanent"),
        ("ExpiredToken", 403, "permanent"),
        ("AccessDenied", 500, "permanent"),
        ("BrandNewError", 400, "permanent"),
        ("BrandNewError", None, "permanent"),
        ("", None, "permanent"),
    ],
)
def test_a_code_has_its_kind(code: str, status: int | None, kind: str) -> None:
    """Every row says what a caller does about that answer."""
    assert classify(code, status) == kind


def test_the_tables_do_not_contradict_each_other() -> None:
    """No code stands in two tables."""
    tables = (THROTTLING_CODES, TRANSIENT_CODES, CREDENTIAL_CODES, DENIED_CODES)
    assert len(frozenset.union(*tables)) == sum(map(len, tables))


def test_what_botocore_takes_for_throttling_is_throttling() -> None:
    """The library's own retry table and ours agree."""
    from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

    assert all(classify(code, None) == "throttling" for code in ThrottledRetryableChecker._THROTTLED_ERROR_CODES)
    transient = set(TransientRetryableChecker._TRANSIENT_ERROR_CODES) - THROTTLING_CODES
    assert all(classify(code, None) == "transient" for code in transient)


@pytest.mark.parametrize(
    ("code", "word"),
    [("AccessDenied", "cloudwatch:GetMetricData"), ("ExpiredToken", "connection"), ("ValidationError", "policy")],
)
def test_advice_names_what_to_mend(code: str, word: str) -> None:
    """A permanent error comes with what to do about it."""
    assert word in advice(code, ("cloudwatch:GetMetricData",))
