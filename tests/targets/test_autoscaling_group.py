"""Auto Scaling groups against the practice AWS: found, read, changed, and left alone when they must be."""

from datetime import timedelta
from typing import Any

import pytest

from setpoint.model import Action, ActivityStatus, ChangeState, PlannedChange, Reason, TargetState, direction
from setpoint.targets.autoscaling_group import AutoScalingGroupConfig, AutoScalingGroupReader, AutoScalingGroupTarget
from setpoint.targets.contract import TargetError
from setpoint.testing.values import permitted

BOOT_SECONDS = 8.0
GONE_SECONDS = 2.0


def change(target: str = "web", *, from_units: int = 3, to_units: int = 5, dry_run: bool = False) -> PlannedChange:
    return PlannedChange(
        change_id="c1",
        policy="web-tier",
        run_id="r1",
        target=target,
        target_kind="aws.autoscaling_group",
        action=direction(from_units, to_units),
        from_units=from_units,
        to_units=to_units,
        reason="cpu p90: 4 of the newest 5 points above 70",
        dry_run=dry_run,
    )


def by_name(*names: str) -> AutoScalingGroupConfig:
    return AutoScalingGroupConfig.model_validate({"kind": "aws.autoscaling_group", "names": list(names)})


def by_tags(**tags: str) -> AutoScalingGroupConfig:
    return AutoScalingGroupConfig.model_validate({"kind": "aws.autoscaling_group", "match": {"tags": tags}})


def target_of(aws: Any) -> AutoScalingGroupTarget:
    return AutoScalingGroupTarget(aws.client, clock=aws.now)


def desired(aws: Any, name: str = "web") -> int:
    answer = aws.client.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    return int(answer["AutoScalingGroups"][0]["DesiredCapacity"])


class CountingClient:
    """The client, with a record of the calls that went through it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)

        def call(**arguments: Any) -> Any:
            self.calls.append((name, arguments))
            return real(**arguments)

        return call

    def count(self, name: str) -> int:
        return sum(1 for called, _ in self.calls if called == name)


def test_finds_by_name_sorted(aws: Any) -> None:
    """Groups chosen by name come back sorted."""
    aws.group("web")
    aws.group("api")
    assert target_of(aws).find(by_name("web", "api")) == ("api", "web")


def test_missing_names_are_all_listed(aws: Any) -> None:
    """Named groups that do not exist are an error that lists every one and the connection asked."""
    aws.group("web")
    with pytest.raises(TargetError, match=r"gone, old in the connection's region \(connection aws_default\)") as caught:
        target_of(aws).find(by_name("web", "old", "gone"))
    assert (caught.value.code, caught.value.retryable) == ("target_missing", False)


def test_finds_by_all_tags(aws: Any) -> None:
    """A group is chosen when it has every tag with the wanted value, and no other group is."""
    aws.group("web", tier="web", stage="live")
    aws.group("web-test", tier="web", stage="test")
    aws.group("api", tier="api", stage="live")
    assert target_of(aws).find(by_tags(tier="web", stage="live")) == ("web",)
    assert target_of(aws).find(by_tags(tier="nothing")) == ()


def test_reads_a_large_fleet_in_few_calls(aws: Any) -> None:
    """230 groups are found over several pages, and read in calls of 100 names at most."""
    names = tuple(f"fleet-{number:03}" for number in range(230))
    for name in names:
        aws.group(name, desired=0, smallest=0, tier="many")
    client = CountingClient(aws.client)
    target = AutoScalingGroupTarget(client, clock=aws.now)
    assert target.find(by_tags(tier="many")) == names
    assert client.count("describe_auto_scaling_groups") == 3
    client.calls.clear()
    assert tuple(sorted(target.read(names, operations=False))) == names
    assert [len(arguments["AutoScalingGroupNames"]) for _, arguments in client.calls] == [100, 100, 30]
    client.calls.clear()
    assert len(target.read(names)) == 230
    assert client.count("describe_instance_refreshes") == 230


def test_reads_how_a_group_stands(aws: Any) -> None:
    """Bounds, desired capacity and instances by state come from one look; new instances are pending at first."""
    aws.group("web")
    state = target_of(aws).read(("web", "no-such-group"))["web"]
    assert (state.min_units, state.desired_units, state.max_units) == (2, 3, 12)
    assert (state.in_service_units, state.pending_units) == (0, 3)
    assert (state.unit, state.read_at) == ("instance", aws.now())
    aws.pass_time(BOOT_SECONDS)
    later = target_of(aws).read(("web", "no-such-group"))
    assert set(later) == {"web"}
    assert (later["web"].in_service_units, later["web"].pending_units) == (3, 0)


def test_applies_once_and_then_not_again(aws: Any) -> None:
    """The first call sets the capacity, a retry of the same change finds it there and is a no_op."""
    aws.group("web")
    client = CountingClient(aws.client)
    target = AutoScalingGroupTarget(client, clock=aws.now)
    first = target.apply(change(), permitted)
    assert first.state is ChangeState.APPLIED
    assert first.before is not None
    assert (first.before.desired_units, first.after_desired_units) == (3, 5)
    assert first.request_id
    assert desired(aws) == 5
    second = target.apply(change(), permitted)
    assert (second.state, second.reason.code) == (ChangeState.NO_OP, "already_there")
    assert client.count("set_desired_capacity") == 1


def test_the_last_question_is_asked_right_before_the_call(aws: Any) -> None:
    """Two reads, the question with what they said, the call; a no is a refusal, and an error calls nothing either."""
    aws.group("web")
    client = CountingClient(aws.client)
    target = AutoScalingGroupTarget(client, clock=aws.now)

    def no(state: TargetState) -> Reason:
        assert (state.target, state.desired_units) == ("web", 3)
        return Reason.of("cooldown", "the target rests")

    def lost(_: TargetState) -> None:
        raise LookupError("the lease is lost")

    refused = target.apply(change(), no)
    assert (refused.state, refused.reason.code) == (ChangeState.REFUSED, "cooldown")
    with pytest.raises(LookupError):
        target.apply(change(), lost)
    assert desired(aws) == 3
    client.calls.clear()
    asked: list[int] = []
    target.apply(change(), lambda _: asked.append(len(client.calls)))
    names = [name for name, _ in client.calls]
    assert names == ["describe_auto_scaling_groups", "describe_instance_refreshes", "set_desired_capacity"]
    assert asked == [2]


@pytest.mark.parametrize(
    ("planned", "code", "words"),
    [
        (
            change(from_units=4, to_units=6),
            "capacity_moved",
            "wants 3 instances; this change was decided when it wanted 4",
        ),
        (change(to_units=13), "out_of_bounds", "allows 2 to 12 instances"),
        (change(to_units=1), "out_of_bounds", "asks for 1"),
        (change("gone"), "target_missing", "gone does not exist"),
        (change(dry_run=True), "dry_run", "a dry run changes nothing"),
    ],
)
def test_refuses_what_the_live_state_forbids(aws: Any, planned: PlannedChange, code: str, words: str) -> None:
    """A change is refused, with the numbers, when the group moved, is gone or does not allow it; nothing is called."""
    aws.group("web")
    client = CountingClient(aws.client)
    result = AutoScalingGroupTarget(client, clock=aws.now).apply(planned, permitted)
    assert (result.state, result.reason.code) == (ChangeState.REFUSED, code)
    assert words in result.reason.text
    assert client.count("set_desired_capacity") == 0


def test_a_suspended_launch_forbids_scaling_out_only(aws: Any) -> None:
    """With Launch suspended nothing would arrive, so scaling out is refused; scaling in still works."""
    aws.group("web")
    aws.client.suspend_processes(AutoScalingGroupName="web", ScalingProcesses=["Launch", "AlarmNotification"])
    (operation,) = target_of(aws).read(("web",))["web"].operations
    assert (operation.kind, operation.blocks) == ("suspended_process", ("scale_out",))
    refused = target_of(aws).apply(change(), permitted)
    assert (refused.state, refused.reason.code) == (ChangeState.REFUSED, "operation_in_progress")
    assert "process Launch is suspended (User suspended at" in refused.reason.text
    assert target_of(aws).apply(change(to_units=2), permitted).state is ChangeState.APPLIED


def test_a_suspended_terminate_forbids_scaling_in_only(aws: Any) -> None:
    """With Terminate suspended no instance would go, so scaling in is refused; scaling out still works."""
    aws.group("web")
    aws.client.suspend_processes(AutoScalingGroupName="web", ScalingProcesses=["Terminate"])
    assert target_of(aws).apply(change(to_units=2), permitted).state is ChangeState.REFUSED
    assert target_of(aws).apply(change(), permitted).state is ChangeState.APPLIED


def test_an_instance_refresh_in_progress_is_not_disturbed(aws: Any) -> None:
    """While an instance refresh runs both directions are refused, with its id and progress; afterwards they are not."""
    aws.group("web")
    aws.pass_time(BOOT_SECONDS)
    refresh_id = aws.client.start_instance_refresh(AutoScalingGroupName="web")["InstanceRefreshId"]
    for to_units in (5, 2):
        refused = target_of(aws).apply(change(to_units=to_units), permitted)
        assert (refused.state, refused.reason.code) == (ChangeState.REFUSED, "operation_in_progress")
        assert f"instance_refresh: refresh {refresh_id} is" in refused.reason.text
    assert target_of(aws).read(("web",), operations=False)["web"].operations == ()
    aws.client.cancel_instance_refresh(AutoScalingGroupName="web")
    aws.pass_time(BOOT_SECONDS + GONE_SECONDS)
    assert target_of(aws).apply(change(), permitted).state is ChangeState.APPLIED


def test_a_second_step_does_not_wait_for_the_groups_own_cooldown(aws: Any) -> None:
    """HonorCooldown is off: the policy's cooldown decides, not a second one inside AWS."""
    aws.group("web")
    assert target_of(aws).apply(change(), permitted).state is ChangeState.APPLIED
    assert target_of(aws).apply(change(from_units=5, to_units=6), permitted).state is ChangeState.APPLIED


def test_settles_when_capacity_is_in_service(aws: Any) -> None:
    """A change is settled when its instances serve, not when AWS took the call."""
    aws.group("web")
    aws.pass_time(BOOT_SECONDS)
    target = target_of(aws)
    target.apply(change(), permitted)
    assert not target.settled(change(), target.read(("web",))["web"])
    aws.pass_time(BOOT_SECONDS)
    assert target.settled(change(), target.read(("web",))["web"])
    back = change(from_units=5, to_units=2)
    assert back.action is Action.SCALE_IN
    assert not target.settled(back, target.read(("web",))["web"])
    target.apply(back, permitted)
    aws.pass_time(GONE_SECONDS)
    assert target.settled(back, target.read(("web",))["web"])


def test_health_tells_a_failed_launch_from_a_slow_one(aws: Any) -> None:
    """A launch without capacity is a failed activity with AWS's own words; a booting one is in progress."""
    aws.group("web")
    aws.pass_time(BOOT_SECONDS)
    since = aws.now()
    aws.pass_time(1)
    target = target_of(aws)
    target.apply(change(to_units=4), permitted)
    slow = target.health("web", since)
    assert [one.status for one in slow.activities] == [ActivityStatus.IN_PROGRESS]
    assert slow.failed == ()
    aws.fail_launches()
    target.apply(change(from_units=4, to_units=6), permitted)
    failed = target.health("web", since)
    assert failed.failed
    assert "do not have sufficient m5.large capacity" in failed.failed[0].status_message
    assert failed.in_service_units == 3


def test_health_reads_activities_only_back_to_the_moment(aws: Any) -> None:
    """Older activities are left out, and their pages are not fetched."""
    aws.group("web", desired=0, smallest=0, largest=400)
    aws.client.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=250)
    aws.pass_time(BOOT_SECONDS + 60)
    since = aws.now()
    aws.pass_time(1)
    aws.client.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=252)
    client = CountingClient(aws.client)
    reader = AutoScalingGroupReader(client, clock=aws.now)
    assert len(reader.health("web", since).activities) == 2
    assert client.count("describe_scaling_activities") == 1
    assert len(reader.health("web", since - timedelta(hours=1)).activities) == 252
    assert client.count("describe_scaling_activities") == 1 + 3


def test_health_of_a_group_that_is_gone(aws: Any) -> None:
    """Health of a group that does not exist is an error, never an empty answer."""
    with pytest.raises(TargetError, match="gone does not exist"):
        target_of(aws).health("gone", aws.now())
