"""The errors of the two APIs, with the codes and the wording that AWS answers."""

from moto.core.exceptions import ServiceException


class LabServiceError(ServiceException):
    """Base: an error that moto's protocol layers turn into the answer a client expects."""


class ValidationError(LabServiceError):
    """The request is wrong; the message says how."""

    code = "ValidationError"


class ScalingActivityInProgress(LabServiceError):
    """A cooldown or a running activity blocks the request."""

    code = "ScalingActivityInProgress"


class ResourceInUse(LabServiceError):
    """The group still has instances."""

    code = "ResourceInUse"


class AlreadyExists(LabServiceError):
    """A group of that name exists."""

    code = "AlreadyExists"


class InvalidNextToken(LabServiceError):
    """The paging token is not one of ours, or no longer."""

    code = "InvalidNextToken"
    message = "The token specified is invalid."


class InstanceRefreshInProgress(LabServiceError):
    """Only one refresh a group at a time."""

    code = "InstanceRefreshInProgress"
    message = "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh."


class ActiveInstanceRefreshNotFound(LabServiceError):
    """There is nothing to cancel."""

    code = "ActiveInstanceRefreshNotFound"


class InvalidParameterValue(LabServiceError):
    """CloudWatch: a value is out of its range."""

    code = "InvalidParameterValue"


class InvalidParameterCombination(LabServiceError):
    """CloudWatch: parameters that exclude each other, or too many datapoints."""

    code = "InvalidParameterCombination"


def group_not_found(name: str) -> ValidationError:
    """Return the error for a group that does not exist."""
    return ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
