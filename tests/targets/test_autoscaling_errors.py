"""What errors of the Auto Scaling API become, with the answers AWS documents."""

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError, NoCredentialsError, ReadTimeoutError, SSLError
from botocore.stub import Stubber

from setpoint.model import ChangeState, PlannedChange
from setpoint.targets.autoscaling_group import AutoScalingGroupTarget
from setpoint.targets.contract import TargetError
from setpoint.testing.values import permitted

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHANGE = PlannedChange(
    change_id="c1",
    policy="web-tier",
    run_id="r1",
    target="web",
    target_kind="aws.autoscaling_group",
    action="scale_out",
    from_units=3,
    to_units=5,
    reason="cpu above 70",
    dry_run=False,
)


def group(desired: int, **more: Any) -> dict[str, Any]:
    """A DescribeAutoScalingGroups answer with one group."""
    one = {
        "AutoScalingGroupName": "web",
        "MinSize": 2,
        "MaxSize": 12,
        "DesiredCapacity": desired,
        "DefaultCooldown": 300,
        "AvailabilityZones": ["eu-west-1a"],
        "HealthCheckType": "EC2",
        "CreatedTime": NOW,
        **more,
    }
    return {"AutoScalingGroups": [one]}


def client() -> Any:
    return boto3.client("autoscaling", region_name="eu-west-1", aws_access_key_id="lab", aws_secret_access_key="lab")


def scripted(script: list[tuple[str, Any]]) -> tuple[AutoScalingGroupTarget, Stubber]:
    """A target whose API gives these answers in this order; an answer of (code, message, status) is an error."""
    boto = client()
    stubber = Stubber(boto)
    for method, answer in script:
        if isinstance(answer, tuple):
            code, message, status = answer
            stubber.add_client_error(method, code, message, http_status_code=status)
        else:
            stubber.add_response(method, answer)
    stubber.activate()
    return AutoScalingGroupTarget(boto, clock=lambda: NOW), stubber


READ = [("describe_auto_scaling_groups", group(3)), ("describe_instance_refreshes", {"InstanceRefreshes": []})]


@pytest.mark.parametrize(
    ("error", "state", "code", "words"),
    [
        (
            ("ScalingActivityInProgress", "There are scaling activities in progress", 400),
            ChangeState.REFUSED,
            "operation_in_progress",
            "AWS answered ScalingActivityInProgress",
        ),
        (
            ("ValidationError", "New SetDesiredCapacity value 5 is above max value 4 for the AutoScalingGroup.", 400),
            ChangeState.REFUSED,
            "provider_refused",
            "above max value 4",
        ),
        (
            ("AccessDenied", "User: arn:aws:iam::1:user/x is not authorized", 403),
            ChangeState.FAILED,
            "provider_error",
            "autoscaling:SetDesiredCapacity",
        ),
        (
            ("InvalidClientTokenId", "The security token included in the request is invalid.", 403),
            ChangeState.FAILED,
            "provider_error",
            "credentials of the connection",
        ),
    ],
)
def test_an_answer_that_stays_is_a_result(
    error: tuple[str, str, int], state: ChangeState, code: str, words: str
) -> None:
    """An error that will not pass is a refusal or a failure with AWS's words and what to do, not an exception."""
    target, stubber = scripted([*READ, ("set_desired_capacity", error)])
    result = target.apply(CHANGE, permitted)
    assert (result.state, result.reason.code) == (state, code)
    assert words in result.reason.text
    assert result.after_desired_units == 3
    stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    "error",
    [
        ("Throttling", "Rate exceeded", 400),
        ("ResourceContention", "pending update", 500),
        ("ServiceUnavailable", "", 503),
    ],
)
def test_a_passing_error_is_raised_when_nothing_changed(error: tuple[str, str, int]) -> None:
    """After a passing error the capacity is read again; unchanged, the caller is told to retry."""
    target, stubber = scripted([*READ, ("set_desired_capacity", error), ("describe_auto_scaling_groups", group(3))])
    with pytest.raises(TargetError) as caught:
        target.apply(CHANGE, permitted)
    assert (caught.value.code, caught.value.retryable) == (error[0], True)
    stubber.assert_no_pending_responses()


def test_a_lost_answer_whose_call_got_through_is_applied() -> None:
    """After an error that leaves it open, a capacity that stands at the wanted value means the call got through."""
    script = [*READ, ("set_desired_capacity", ("InternalFailure", "", 500))]
    target, stubber = scripted([*script, ("describe_auto_scaling_groups", group(5))])
    result = target.apply(CHANGE, permitted)
    assert (result.state, result.after_desired_units) == (ChangeState.APPLIED, 5)
    assert "its answer was lost" in result.reason.text
    stubber.assert_no_pending_responses()


def test_reading_without_permission_fails_the_change() -> None:
    """When the state may not be read, nothing is changed, and the missing permission is named."""
    target, stubber = scripted([("describe_auto_scaling_groups", ("AccessDenied", "not authorized", 403))])
    result = target.apply(CHANGE, permitted)
    assert result.state is ChangeState.FAILED
    assert "autoscaling:DescribeAutoScalingGroups" in result.reason.text
    stubber.assert_no_pending_responses()


def test_reading_while_throttled_is_raised() -> None:
    """A throttled read is the caller's to retry."""
    target, _ = scripted([("describe_auto_scaling_groups", ("Throttling", "Rate exceeded", 400))])
    with pytest.raises(TargetError, match="Throttling") as caught:
        target.apply(CHANGE, permitted)
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("raised", "retryable", "words"),
    [
        (NoCredentialsError(), False, "Set login .* of the connection the policy names"),
        (ConnectTimeoutError(endpoint_url="https://autoscaling"), True, "try again later"),
        (ReadTimeoutError(endpoint_url="https://autoscaling"), True, "try again later"),
        (SSLError(endpoint_url="https://autoscaling", error="bad certificate"), False, "verify setting"),
    ],
)
def test_a_call_without_an_answer(raised: Exception, retryable: bool, words: str) -> None:
    """No credentials, no connection, no answer: each says what to do and whether to try again."""
    boto = client()

    def no_answer(**_: Any) -> None:
        raise raised

    boto.meta.events.register("before-send.autoscaling", no_answer)
    boto.meta.events.register("before-call.autoscaling", no_answer)
    with pytest.raises(TargetError, match=words) as caught:
        AutoScalingGroupTarget(boto).read(("web",))
    assert caught.value.retryable is retryable


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"Status": "Delete in progress"}, "deletion"),
        ({"Operator": {"Principal": "eks.amazonaws.com"}}, "managed_group"),
        ({"DesiredCapacityType": "vcpu"}, "capacity_type"),
    ],
)
def test_a_group_that_is_not_ours_to_change(more: dict[str, Any], kind: str) -> None:
    """A group being deleted, managed by another service, or counted in something else than instances is left alone."""
    script = [("describe_auto_scaling_groups", group(3, **more)), READ[1]]
    target, stubber = scripted(script)
    result = target.apply(CHANGE, permitted)
    assert (result.state, result.reason.code) == (ChangeState.REFUSED, "operation_in_progress")
    assert kind in result.reason.text
    stubber.assert_no_pending_responses()


def test_weighted_instances_count_by_their_weight() -> None:
    """With instance weights, capacity is counted as the group's desired capacity counts it."""

    def instance(number: int, state: str, weight: str, health: str = "Healthy") -> dict[str, Any]:
        return {
            "InstanceId": f"i-{number}",
            "AvailabilityZone": "eu-west-1a",
            "LifecycleState": state,
            "HealthStatus": health,
            "ProtectedFromScaleIn": False,
            "WeightedCapacity": weight,
        }

    instances = [
        instance(1, "InService", "4"),
        instance(2, "InService", "2", "Unhealthy"),
        instance(3, "Pending:Wait", "4"),
        instance(4, "Terminating", "8"),
    ]
    target, _ = scripted([("describe_auto_scaling_groups", group(10, Instances=instances)), READ[1]])
    state = target.read(("web",))["web"]
    assert (state.in_service_units, state.pending_units, state.unhealthy_units) == (6, 4, 2)
