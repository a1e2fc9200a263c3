"""The world on a practice AWS: what happens to fleets, metrics and alarms, and what faults do to them."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from setpoint.lab.clock import at
from setpoint.lab.faults import FaultKind, FaultRequest
from setpoint.lab.world.state import FleetState
from setpoint.lab.world.traffic import Keyframe, LoadProgramme
from setpoint.lab.world.world import UnknownFleetError


def _shop(practice: Any) -> FleetState:
    found: FleetState = next(state for state in practice.world.state() if state.fleet == "shop")
    return found


def _set(practice: Any, desired: int, fleet: str = "shop") -> None:
    practice.autoscaling.set_desired_capacity(AutoScalingGroupName=fleet, DesiredCapacity=desired)


def _load(practice: Any, rps: float, fleet: str = "shop") -> None:
    practice.world.command_load(LoadProgramme(fleet=fleet, keyframes=(Keyframe(at_seconds=0, rps=rps),)))


def _values(
    practice: Any, name: str = "CPUUtilization", stat: str = "Average", fleet: str = "shop", seconds: float = 60
) -> list[tuple[float, float]]:
    """Return (age in seconds, value) of a fleet's metric, newest first, in five-second periods."""
    now = practice.clock.now()
    metric = {
        "Namespace": "AWS/EC2" if name == "CPUUtilization" else "Storefront",
        "MetricName": name,
        "Dimensions": [{"Name": "AutoScalingGroupName", "Value": fleet}],
    }
    result = practice.cloudwatch.get_metric_data(
        MetricDataQueries=[{"Id": "q", "MetricStat": {"Metric": metric, "Period": 5, "Stat": stat}}],
        StartTime=at(now) - timedelta(seconds=seconds),
        EndTime=at(now) + timedelta(seconds=5),
    )["MetricDataResults"][0]
    return [(now - t.timestamp(), value) for t, value in zip(result["Timestamps"], result["Values"], strict=True)]


def test_metrics_follow_the_instances_in_service(practice: Any) -> None:
    """CPU falls when added instances are in service, not when they are asked for."""
    practice.create()
    practice.wait(20)
    assert _values(practice)[0][1] == pytest.approx(50, abs=2)
    _load(practice, 180.0)
    practice.wait(10)
    assert _values(practice)[0][1] == pytest.approx(90, abs=2)
    _set(practice, 4)
    practice.wait(6)
    assert _shop(practice).capacity.pending == 2
    assert _values(practice)[0][1] == pytest.approx(90, abs=2)
    practice.wait(10)
    assert _shop(practice).capacity.in_service == 4
    assert _values(practice)[0][1] == pytest.approx(45, abs=2)


def test_every_metric_is_published_every_five_seconds(practice: Any) -> None:
    """All six metrics have a point every publish interval, and CPU one value per instance."""
    practice.create()
    practice.wait(40)
    names = ("LatencyP95", "RequestCountPerTarget", "TargetResponseTime", "ErrorRate", "RequestRate")
    for name in ("CPUUtilization", *names):
        ages = [age for age, _ in _values(practice, name, seconds=25)]
        assert len(ages) >= 5, name
        assert max(later - earlier for earlier, later in itertools.pairwise(ages)) == 5, name
    assert _values(practice, stat="SampleCount")[0][1] == 2
    assert _values(practice, "RequestCountPerTarget", "Sum")[0][1] == pytest.approx(250, abs=1)
    p95_ms = _values(practice, "LatencyP95")[0][1]
    assert _values(practice, "TargetResponseTime", "p95")[0][1] * 1000 == pytest.approx(p95_ms, rel=0.5)


def test_a_group_that_does_not_exist_publishes_nothing(practice: Any) -> None:
    """No metric appears for a fleet whose group nobody created."""
    practice.wait(20)
    assert practice.cloudwatch.list_metrics()["Metrics"] == []


def test_two_worlds_with_one_seed_tell_the_same_story(practice: Any) -> None:
    """After a reset the same commands give the same readings again."""

    def story() -> list[tuple[float, float | None]]:
        practice.create()
        _load(practice, 140.0)
        start = practice.clock.now()
        practice.wait(30)
        return [(state.time - start, state.cpu_percent) for state in practice.world.series("shop", start)]

    first = story()
    practice.world.reset()
    assert practice.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert story() == first


def _fault(practice: Any, kind: FaultKind, **parameters: Any) -> None:
    practice.create("shop")
    practice.create("office", desired=1, maximum=4)
    practice.wait(30)
    practice.world.add_fault(FaultRequest(kind=kind, fleet="shop", **parameters))


def test_an_outage_publishes_nothing_for_its_fleet_and_its_time(practice: Any) -> None:
    """During an outage the fleet has no new points, the other fleet has, and afterwards both have."""
    _fault(practice, FaultKind.METRIC_OUTAGE, duration_seconds=30)
    practice.wait(29)
    assert _values(practice)[0][0] >= 29
    assert _values(practice, fleet="office")[0][0] <= 5
    practice.wait(10)
    assert _values(practice)[0][0] <= 5


def test_zeros_are_published_as_values(practice: Any) -> None:
    """Zeros arrive in time and look like data: CPU, latency and requests alike."""
    _fault(practice, FaultKind.ZEROS)
    practice.wait(10)
    for name in ("CPUUtilization", "LatencyP95", "RequestCountPerTarget"):
        age, value = _values(practice, name)[0]
        assert (age <= 5, value) == (True, 0.0)


def test_stale_points_keep_their_old_time(practice: Any) -> None:
    """Stale points are repeated with old timestamps: nothing newer appears, and old points count twice."""
    _fault(practice, FaultKind.STALE)
    newest = _values(practice)[0][0]
    practice.wait(30)
    assert _values(practice)[0][0] == newest + 30
    assert _values(practice, stat="SampleCount")[0][1] > 2


@pytest.mark.parametrize(("factor", "expected"), [(None, 0.5), (100.0, 5000.0)])
def test_out_of_range_values_are_in_another_unit(practice: Any, factor: float | None, expected: float) -> None:
    """Out of range means a ratio for a percentage, or the factor that was asked for."""
    _fault(practice, FaultKind.OUT_OF_RANGE, factor=factor)
    practice.wait(10)
    assert _values(practice)[0][1] == pytest.approx(expected, rel=0.05)


def test_spikes_come_now_and_then(practice: Any) -> None:
    """A spike multiplies some points and leaves others."""
    _fault(practice, FaultKind.SPIKE, factor=10.0, share=0.5)
    practice.wait(60)
    values = [value for _, value in _values(practice, seconds=55)]
    assert max(values) > 400
    assert min(values) < 60


def test_a_bad_change_hurts_until_it_is_taken_back(practice: Any) -> None:
    """Latency rises with every instance added since the fault, and is well again when they are gone."""
    _fault(practice, FaultKind.BAD_CHANGE, latency_ms=200.0)
    practice.wait(10)
    before = _shop(practice).latency_p95_ms or 0
    assert before < 150
    _set(practice, 3)
    practice.wait(12)
    assert (_shop(practice).latency_p95_ms or 0) - before == pytest.approx(200, abs=40)
    _set(practice, 4)
    practice.wait(12)
    assert (_shop(practice).latency_p95_ms or 0) - before == pytest.approx(400, abs=60)
    _set(practice, 2)
    practice.wait(5)
    assert _shop(practice).latency_p95_ms == pytest.approx(before, abs=5)


def test_faults_end_by_time_or_by_hand(practice: Any) -> None:
    """A fault with a duration ends by itself, another when its kind is taken away, and both are shown until then."""
    _fault(practice, FaultKind.ZEROS, duration_seconds=20)
    practice.world.add_fault(FaultRequest(kind=FaultKind.SPIKE))
    assert _shop(practice).faults == (FaultKind.ZEROS, FaultKind.SPIKE)
    practice.wait(21)
    assert _shop(practice).faults == (FaultKind.SPIKE,)
    assert [fault.kind for fault in practice.world.remove_faults(FaultKind.SPIKE)] == [FaultKind.SPIKE]
    assert practice.world.faults() == ()


def test_an_unknown_fleet_is_refused_by_name(practice: Any) -> None:
    """Load and faults for a fleet that is not here are refused, with the fleets there are."""
    for command in (
        lambda: practice.world.add_fault(FaultRequest(kind=FaultKind.ZEROS, fleet="ghost")),
        lambda: _load(practice, 1.0, fleet="ghost"),
        lambda: practice.world.back_to_base("ghost"),
        lambda: practice.world.remove_faults(fleet="ghost"),
    ):
        with pytest.raises(UnknownFleetError, match=r"unknown fleet 'ghost', allowed: shop, office"):
            command()


def test_history_is_recorded_each_tick(practice: Any) -> None:
    """The series holds one state per fleet and tick, and gives those after a time."""
    practice.create()
    practice.wait(10)
    middle = practice.clock.now()
    practice.wait(5)
    assert len(practice.world.series("shop")) == 15
    assert [state.time - middle for state in practice.world.series("shop", since=middle)] == [1, 2, 3, 4, 5]
    assert {state.fleet for state in practice.world.series()} == {"shop", "office"}


def test_points_lie_on_the_grid_of_the_publish_interval(practice: Any) -> None:
    """However unevenly the world ticks, every five-second period has exactly one point."""
    practice.create()
    practice.clock.advance(8.0)
    for step in (0.9, 1.3, 1.1, 0.7, 1.0) * 10:
        practice.clock.advance(step)
        practice.world.tick()
    rates = _values(practice, "RequestRate", "SampleCount", seconds=45)
    assert [count for _, count in rates] == [1.0] * len(rates)
    assert len(rates) >= 9
