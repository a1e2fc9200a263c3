"""Puts the extended backends in the place of moto's, and takes them out again."""

from typing import Any

from setpoint.lab.aws.environment import Environment


def install(environment: Environment) -> None:
    """Make moto answer with the laboratory's Auto Scaling, CloudWatch and SQS, from now on and in this process.

    Calling it again replaces the environment and forgets all state, moto's included.

    :param environment: clock, configuration, faults and lock that the backends share with the world.
    """
    from setpoint.lab.aws.autoscaling_backend import LabAutoScalingBackend
    from setpoint.lab.aws.autoscaling_responses import LabAutoScalingResponse
    from setpoint.lab.aws.cloudwatch_backend import LabCloudWatchBackend
    from setpoint.lab.aws.cloudwatch_responses import LabCloudWatchResponse
    from setpoint.lab.aws.group import LabAutoScalingGroup
    from setpoint.lab.aws.queue import LabQueue, LabSqsBackend

    LabAutoScalingBackend.environment = environment
    LabAutoScalingBackend.handler = LabAutoScalingResponse.dispatch
    LabCloudWatchBackend.environment = environment
    LabCloudWatchBackend.handler = LabCloudWatchResponse.dispatch
    _put_in_place(LabAutoScalingBackend, LabCloudWatchBackend, LabAutoScalingGroup, LabSqsBackend, LabQueue)


def uninstall() -> None:
    """Make moto answer as it does by itself again, without any state."""
    from moto.autoscaling.models import AutoScalingBackend
    from moto.cloudwatch.models import CloudWatchBackend
    from moto.sqs.models import SQSBackend

    from setpoint.lab.aws.group import LabAutoScalingGroup
    from setpoint.lab.aws.queue import LabQueue

    _put_in_place(
        AutoScalingBackend, CloudWatchBackend, LabAutoScalingGroup.__mro__[1], SQSBackend, LabQueue.__mro__[1]
    )


def reset() -> None:
    """Forget every resource of every service."""
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()


def autoscaling(account_id: str, region: str) -> Any:
    """Return the Auto Scaling backend of an account and region."""
    from moto.autoscaling.models import autoscaling_backends

    return autoscaling_backends[account_id][region]


def cloudwatch(account_id: str, region: str) -> Any:
    """Return the CloudWatch backend of an account and region."""
    from moto.cloudwatch.models import cloudwatch_backends

    return cloudwatch_backends[account_id][region]


def _put_in_place(
    autoscaling_backend: type, cloudwatch_backend: type, group: type, sqs_backend: type, queue: type
) -> None:
    """Replace the classes by the names under which moto looks them up when it creates a backend, group or queue."""
    import moto.autoscaling.models
    import moto.sqs.models
    from moto.autoscaling.models import autoscaling_backends
    from moto.cloudwatch.models import cloudwatch_backends
    from moto.sqs.models import sqs_backends

    autoscaling_backends.backend = autoscaling_backend
    cloudwatch_backends.backend = cloudwatch_backend
    sqs_backends.backend = sqs_backend
    moto.autoscaling.models.FakeAutoScalingGroup = group
    moto.sqs.models.Queue = queue
    reset()
