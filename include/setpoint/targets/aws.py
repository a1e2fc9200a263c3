"""What every AWS target shares: a failed call becomes a ``TargetError`` that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from setpoint.aws_errors import advice, classify
from setpoint.targets.contract import TargetError

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError


@contextmanager
def provider_errors(doing: str, permission: str) -> Iterator[None]:
    """Turn what botocore raises inside the block into a :class:`TargetError`.

    :param doing: what was being done, as the start of a sentence: ``reading web-asg``.
    :param permission: the IAM action the call needs.
    :raises TargetError: the call failed; ``retryable`` when the same call may succeed later, or when nobody knows
        whether it reached AWS.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _answered(error, doing, permission) from error
    except BotoCoreError as error:
        raise _unanswered(error, doing) from error


def _answered(error: ClientError, doing: str, permission: str) -> TargetError:
    code = str(error.response.get("Error", {}).get("Code", "Unknown"))
    said = str(error.response.get("Error", {}).get("Message", "")).strip() or "no message"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    retryable = classify(code, status) != "permanent"
    text = f"{doing}: AWS answered {code}: {said.rstrip('.')}. {advice(code, (permission,))}"
    return TargetError(text, code=code, retryable=retryable)


def _unanswered(error: BotoCoreError, doing: str) -> TargetError:
    from botocore import exceptions as boto

    code = type(error).__name__
    unreachable = isinstance(error, boto.HTTPClientError | boto.ConnectionError)
    retryable = unreachable and not isinstance(error, boto.SSLError)
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError):
        todo = "Set login (access key id) and password (secret) of the policy's connection, or give the machine a role."
    elif isinstance(error, boto.SSLError):
        todo = "Check the connection's verify setting and this machine's certificates."
    elif retryable:
        todo = "AWS could not be reached or did not answer in time: try again later."
    else:
        todo = "The same call would fail again."
    return TargetError(f"{doing}: {code}: {str(error).rstrip('.')}. {todo}", code=code, retryable=retryable)
