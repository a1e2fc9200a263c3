"""The gate's verdicts, fault by fault."""

from __future__ import annotations

import importlib
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from setpoint.model import Completeness, SeriesStatus, Verdict
from setpoint.quality import judge, judge_stored, without_held
from setpoint.sources.batches import BatchStore
from setpoint.testing.values import NOW

MINUTE = timedelta(minutes=1)


def test_a_clean_series_passes_with_every_check_in_numbers(gate: Any) -> None:
    """Passing is shown, not assumed: each check has what was found and what was allowed."""
    series = gate.one(gate.clean())
    assert series.verdict is Verdict.PASS
    assert {check.expectation: (check.observed, check.allowed) for check in series.checks} == {
        "source": ("complete", "complete, with every point announced"),
        "order": ("0 points older than the one before", "0 points out of order"),
        "duplicates": ("0 points in a period that has one already", "1 point in each period of 60 s"),
        "nulls": ("0 of 10 points without a value or a time", "at most 0.0% of the points"),
        "finite": ("0 points infinite", "0 points infinite"),
        "window": ("0 points from before the window", "0 points outside the window"),
        "settle": (
            "0 points from after the window's end, where values still change",
            "0 points after the window's end",
        ),
        "future": ("0 points in the future", "at most 60 s (one period) after the pull"),
        "freshness": ("newest point 60 s old", "at most 180 s old"),
        "coverage": (
            "10 of 10 periods have a point (100.0%)",
            "at least 95.0% of the periods (below 80.0% it fails)",
        ),
        "gap": ("0 s without a point between two", "at most 180 s without a point"),
        "range": ("0 points outside, lowest 50, highest 59", "0 to 100"),
        "codes": ("0 of 10 points an error code", "0 points an error code"),
        "zero_guard": ("0 of 10 points zero", "0 points zero"),
        "newest_spike": (
            "the newest point does not stand out",
            "the newest point alone at most 3x above or below the median",
        ),
        "spikes": ("no point stands out", "no point as far from the median as max_spike"),
        "stuck": (
            "the newest points move, or their value may repeat",
            "any number, until it is known that the value moves",
        ),
        "fall": ("no accepted batch to compare with", "at most 20x below the last accepted median"),
    }


def test_no_point_fails(gate: Any) -> None:
    """An empty answer is never a zero: nothing fresh, nothing covered."""
    series = gate.one([])
    assert series.verdict is Verdict.FAIL
    assert gate.broken([]) == {
        "freshness": "no point",
        "coverage": "0 of 10 periods have a point (0.0%), longest gap 600 s",
    }


def test_an_empty_answer_carries_the_sources_explanation(gate: Any) -> None:
    """Why nothing came (a unit that does not match, say) stands where a reader looks first."""
    (word,) = gate.batch({"web": []}).series
    word = word.model_copy(update={"messages": ("no point in unit Percent",)})
    assert gate.broken([], series=(word,))["coverage"].endswith("longest gap 600 s; no point in unit Percent")


@pytest.mark.parametrize(
    ("kept", "verdict"), [(10, Verdict.PASS), (9, Verdict.DEGRADED), (8, Verdict.DEGRADED), (7, Verdict.FAIL)]
)
def test_coverage_degrades_then_fails(gate: Any, kept: int, verdict: Verdict) -> None:
    """At least 80 % is usable and 95 % is full; exactly 80 % is still usable."""
    points = gate.clean()[10 - kept :]
    assert gate.one(points).verdict is verdict


def test_coverage_says_how_long_the_gap_is(gate: Any) -> None:
    """The longest gap is found in the middle as well as at the ends."""
    points = gate.clean()
    del points[4:7]
    assert gate.broken(points) == {"coverage": "7 of 10 periods have a point (70.0%), longest gap 180 s"}


@pytest.mark.parametrize(("age_minutes", "holds"), [(3, True), (4, False)])
def test_a_stale_series_fails(gate: Any, age_minutes: int, holds: bool) -> None:
    """Three periods is the default age limit, and it is included."""
    points = gate.clean()[: 11 - age_minutes]
    broken = gate.broken(points)
    assert ("freshness" not in broken) is holds
    assert holds or broken["freshness"] == "newest point 240 s old"


def test_the_policys_own_age_limit_counts(gate: Any) -> None:
    """``max_age`` replaces the default, in both directions."""
    assert "freshness" in gate.broken(gate.clean(), gate.policy(max_age="59s"))
    assert "freshness" not in gate.broken(gate.clean()[:5], gate.policy(max_age="6m"))


def test_ages_are_taken_at_the_pull(gate: Any) -> None:
    """A batch does not get worse by waiting: the same batch has the same verdict an hour later."""
    fleet = {"web": gate.clean()}
    later = judge(gate.frame(fleet), gate.batch(fleet), gate.policy(), NOW + timedelta(hours=1))
    assert later.verdict is Verdict.PASS
    assert later.judged_at == NOW + timedelta(hours=1)


def test_a_doubled_series_fails(gate: Any) -> None:
    """The same points twice are not twice the evidence."""
    broken = gate.broken(sorted(gate.clean() * 2))
    assert broken == {"duplicates": "10 points in a period that has one already"}


def test_two_points_in_one_period_fail(gate: Any) -> None:
    """Also when their times differ: one of them is not what was asked for."""
    points = gate.clean()
    points.insert(3, (points[2][0] + timedelta(seconds=20), 55.0))
    assert "duplicates" in gate.broken(points)


def test_a_series_out_of_order_fails(gate: Any) -> None:
    """Newest first is not what a source was asked for."""
    points = gate.clean()
    assert gate.broken(points[::-1]) == {"order": "9 points older than the one before"}
    points[3], points[4] = points[4], points[3]
    assert gate.broken(points) == {"order": "1 point older than the one before"}


def test_targets_may_interleave(gate: Any) -> None:
    """Order is a matter of each series, not of the frame."""
    fleet = {"a": gate.clean(), "b": gate.clean()}
    frame = gate.frame(fleet).sort_values("timestamp", ignore_index=True)
    assert judge(frame, gate.batch(fleet), gate.policy(), NOW).verdict is Verdict.PASS


def test_null_points_count_as_missing(gate: Any) -> None:
    """One null of ten is 90 % coverage."""
    points = gate.clean()
    points[4] = (points[4][0], math.nan)
    series = gate.one(points)
    assert series.verdict is Verdict.DEGRADED
    assert [check.observed for check in series.broken] == [
        "1 of 10 points without a value or a time",
        "9 of 10 periods have a point (90.0%), 1 null, longest gap 60 s",
    ]


def test_a_point_without_a_time_counts_as_missing(gate: Any) -> None:
    """A value of no moment fills no period."""
    points = gate.clean()
    points[4] = (None, 50.0)
    assert gate.broken(points) == {
        "nulls": "1 of 10 points without a value or a time",
        "coverage": "9 of 10 periods have a point (90.0%), 1 null, longest gap 60 s",
    }


def test_a_null_newest_point_does_not_freshen(gate: Any) -> None:
    """A point without a value tells nothing about now."""
    points = gate.clean()
    points[-3:] = [(moment, math.nan) for moment, _ in points[-3:]]
    assert gate.broken(points)["freshness"] == "newest point 240 s old"


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_an_infinite_point_fails(gate: Any, value: float) -> None:
    """No metric is infinite."""
    points = gate.clean()
    points[4] = (points[4][0], value)
    assert gate.broken(points)["finite"] == "1 point infinite"


def test_points_from_the_future_fail(gate: Any) -> None:
    """A clock that runs ahead by more than one period is wrong."""
    points = gate.clean()
    points.append((NOW + timedelta(seconds=61), 50.0))
    assert gate.broken(points) == {"future": "1 point in the future"}


def test_points_outside_the_window_fail(gate: Any) -> None:
    """What was not asked for is not evidence; one period ahead is not yet the future, but it is outside."""
    points = [(NOW - timedelta(minutes=11), 50.0), *gate.clean(), (NOW + timedelta(seconds=60), 50.0)]
    assert gate.broken(points) == {
        "window": "1 point from before the window",
        "settle": "1 point from after the window's end, where values still change",
    }


@pytest.mark.parametrize(("value", "holds"), [(0.001, True), (100, True), (100.001, False), (-0.001, False)])
def test_a_value_there_cannot_be_fails(gate: Any, value: float, holds: bool) -> None:
    """``between`` includes its ends."""
    points = gate.clean()
    points[4] = (points[4][0], value)
    assert ("range" not in gate.broken(points)) is holds


def test_without_between_any_value_is_in_range(gate: Any) -> None:
    """A policy that names no range has none."""
    points = [(moment, value * 1e6) for moment, value in gate.clean()]
    assert gate.broken(points, gate.policy(between=None)) == {}


def test_nothing_but_zeros_fails(gate: Any) -> None:
    """A source that answers 0 with HTTP 200 during an outage does not scale anything in."""
    points = [(moment, 0.0) for moment, _ in gate.clean()]
    assert gate.broken(points) == {"zero_guard": "10 of 10 points zero, the newest 10 in a row"}
    assert gate.one(points).verdict is Verdict.FAIL


@pytest.mark.parametrize(("slots", "newest"), [((9,), 1), ((7, 8, 9), 3), ((4,), 0), ((0, 9), 1)])
def test_a_zero_among_other_values_degrades(gate: Any, slots: tuple[int, ...], newest: int) -> None:
    """A sudden zero, and a zero in between, are not a clean pass; a negative zero is a zero."""
    points = [(moment, -0.0 if slot in slots else value) for slot, (moment, value) in enumerate(gate.clean())]
    series = gate.one(points)
    assert series.verdict is Verdict.DEGRADED
    assert series.broken[0].observed == f"{len(slots)} of 10 points zero, the newest {newest} in a row"


def test_a_policy_may_trust_zeros(gate: Any) -> None:
    """Errors a second are honestly zero."""
    points = [(moment, 0.0) for moment, _ in gate.clean()]
    assert gate.one(points, gate.policy(zero_guard=False)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("status", "announced", "verdict"),
    [
        (Completeness.COMPLETE, 10, Verdict.PASS),
        (Completeness.PARTIAL, 10, Verdict.DEGRADED),
        (Completeness.ERROR, 10, Verdict.FAIL),
        (Completeness.COMPLETE, 12, Verdict.FAIL),
        (Completeness.PARTIAL, 12, Verdict.FAIL),
    ],
)
def test_the_sources_own_word_counts(gate: Any, status: Completeness, announced: int, verdict: Verdict) -> None:
    """What the source said of its answer outweighs how good the points look; its message reaches the reader."""
    word = SeriesStatus(
        target="web",
        metric="cpu",
        status=status,
        points=announced,
        expected_points=10,
        period_seconds=60,
        messages=("the source's words",),
    )
    series = gate.one(gate.clean(), series=(word,))
    assert series.verdict is verdict
    assert "the source's words" in series.checks[0].observed


def test_the_fleets_verdict_is_the_worst_and_targets_keep_their_own(gate: Any) -> None:
    """One bad target does not take the others with it, and fails by name."""
    report = gate.judge({"good": gate.clean(), "gap": gate.clean()[1:], "gone": []})
    assert report.verdict is Verdict.FAIL
    assert {one.target: one.verdict for one in report.series} == {
        "good": Verdict.PASS,
        "gap": Verdict.DEGRADED,
        "gone": Verdict.FAIL,
    }
    assert report.frame_problems == ()
    assert report.suite == "setpoint.web.v2"


def test_the_same_process_judges_one_batch_after_the_other(gate: Any) -> None:
    """Nothing of one batch is left for the next: bad, clean, bad again."""
    verdicts = [gate.judge({"web": points}).verdict for points in (gate.clean()[:3], gate.clean(), gate.clean()[:3])]
    assert verdicts == [Verdict.FAIL, Verdict.PASS, Verdict.FAIL]


def test_an_empty_fleet_is_not_trusted(gate: Any) -> None:
    """Of nothing, nothing is known."""
    report = gate.judge({})
    assert (report.verdict, report.series, report.frame_problems) == (Verdict.FAIL, (), ())


def test_a_series_the_batch_is_silent_about_fails(gate: Any) -> None:
    """Every metric of the policy is judged for every target, also one the batch leaves out."""
    policy = gate.policy()
    metrics = {**policy.to_json()["metrics"], "latency": {**policy.to_json()["metrics"]["cpu"], "name": "Latency"}}
    wider = type(policy).model_validate({**policy.model_dump(mode="json", by_alias=True), "metrics": metrics})
    report = gate.judge({"web": gate.clean()}, wider)
    assert {one.metric: one.verdict for one in report.series} == {"cpu": Verdict.PASS, "latency": Verdict.FAIL}


def _frame_problem(gate: Any, frame: Any, word: str, **fields: Any) -> None:
    fleet = {"web": gate.clean(), "api": gate.clean()}
    report = judge(frame, gate.batch(fleet, **{"rows": len(frame), **fields}), gate.policy(), NOW)
    assert report.verdict is Verdict.FAIL
    assert any(word in problem for problem in report.frame_problems), report.frame_problems
    assert [one.verdict for one in report.series] == [Verdict.FAIL] * 2
    assert word in report.series[0].checks[0].observed


def test_what_is_wrong_with_the_frame_fails_every_target(gate: Any) -> None:
    """Columns, types, strangers and missing rows."""
    frame = gate.frame({"web": gate.clean(), "api": gate.clean()})
    _frame_problem(gate, frame.drop(columns="value"), "the columns are timestamp, target, metric;")
    _frame_problem(gate, frame[["value", "timestamp", "target", "metric"]], "in this order")
    _frame_problem(gate, frame.astype({"value": "str"}), "column value has type str; it must be float64")
    _frame_problem(gate, frame.assign(timestamp=frame["timestamp"].dt.tz_localize(None)), "with a time zone")
    _frame_problem(gate, frame.replace({"target": {"web": "intruder"}}), "cpu of 'intruder'")
    _frame_problem(gate, frame.replace({"metric": {"cpu": "memory"}}), "memory of 'web'")
    _frame_problem(gate, frame.head(15), "15 rows; the batch was written with 20", rows=20)


def test_a_batch_of_another_policy_or_unit_fails_every_target(gate: Any) -> None:
    """The reference must be the one this policy asked for."""
    frame = gate.frame({"web": gate.clean(), "api": gate.clean()})
    _frame_problem(gate, frame, "pulled for policy api", policy="api")
    _frame_problem(gate, frame, "came in unit 'Count'; the policy says 'Percent'", units={"cpu": "Count"})
    _frame_problem(gate, frame, "came in unit ''", units={})
    series = gate.batch({"web": [], "api": []}).series
    slower = tuple(one.model_copy(update={"period_seconds": 300}) for one in series)
    _frame_problem(gate, frame, "points of 300 s", series=slower)


def test_a_stored_batch_is_judged_and_an_altered_one_fails(gate: Any, tmp_path: Path) -> None:
    """The checksum is part of the gate: an altered file is a verdict, not a crash, and gives no frame to act on."""
    fleet = {"web": gate.clean()}
    word = gate.batch(fleet)
    store = BatchStore(tmp_path)
    batch = store.write(
        gate.frame(fleet), policy="web", window=word.window, series=word.series, units=word.units, pulled_at=NOW
    )
    report, frame = judge_stored(store, batch, gate.policy(), NOW)
    assert report.verdict is Verdict.PASS
    assert frame is not None
    assert len(frame) == 10
    Path(batch.uri).write_bytes(b"something else")
    report, frame = judge_stored(store, batch, gate.policy(), NOW)
    assert (report.verdict, frame) == (Verdict.FAIL, None)
    assert "changed after it was written" in report.frame_problems[0]
    assert [one.verdict for one in report.series] == [Verdict.FAIL]


def test_a_report_can_leave_out_what_held(gate: Any) -> None:
    """Between tasks only the broken checks need to travel; the verdicts stay."""
    report = gate.judge({"good": gate.clean(), "gap": gate.clean()[1:]})
    small = without_held(report)
    assert [[check.expectation for check in one.checks] for one in small.series] == [[], ["coverage"]]
    assert [one.verdict for one in small.series] == [one.verdict for one in report.series]


def test_the_report_on_a_large_fleet_has_what_did_not_hold(gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit, the verdicts are those of a full report, and the checks are the broken ones."""
    fleet = {"good": gate.clean(), "gap": gate.clean()[1:], "late": gate.clean()[:4], "fine": gate.clean()}
    full = gate.judge(fleet)
    monkeypatch.setattr(importlib.import_module("setpoint.quality.judge"), "FULL_REPORT_SERIES", 3)
    large = gate.judge(fleet)
    assert large.series == without_held(full).series
    assert large.verdict is full.verdict
