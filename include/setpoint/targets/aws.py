"""What every AWS target shares: a failed call becomes a ``TargetError`` that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from setpoint.aws_errors import advice, error_code, handling_of
from setpoint.targets.contract import TargetError


@contextmanager
def provider_errors(doing: str, permission: str) -> Iterator[None]:
    """Turn what boto3 raises inside the block into a :class:`TargetError`, by the table in :mod:`setpoint.aws_errors`.

    :param doing: what was being done, as the start of a sentence: ``reading web-asg``.
    :param permission: the IAM action the call needs.
    :raises TargetError: the call failed; ``retryable`` when the same call may succeed later, or when nobody knows
        whether it reached AWS.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        said = str(error.response.get("Error", {}).get("Message", "")).strip() or "no message"
        raise _told(error, f"AWS answered {error_code(error)}: {said.rstrip('.')}", doing, permission) from error
    except (BotoCoreError, ResponseParserError) as error:
        raise _told(error, f"{error_code(error)}: {str(error).rstrip('.')}", doing, permission) from error


def _told(error: Exception, what: str, doing: str, permission: str) -> TargetError:
    handling = handling_of(error)
    text = f"{doing}: {what}. {advice(handling, (permission,))}"
    return TargetError(text, code=error_code(error), retryable=handling.retryable)
