"""What the gate remembers of a series, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import gate_corpus as corpus
import pytest

from setpoint.model import MetricBatch, SeriesHistory, Verdict
from setpoint.quality.judge import judge_frame
from setpoint.testing.values import NOW


def _judge(gate: Any, points: Any, history: tuple[SeriesHistory, ...] = (), **quality: Any) -> Any:
    fleet = {"web": points}
    return judge_frame(gate.frame(fleet), gate.batch(fleet), gate.policy(**quality), NOW, history)


def _with(gate: Any, make: Callable[[int, float], float]) -> Any:
    return [(moment, make(slot, value)) for slot, (moment, value) in enumerate(gate.clean())]


def test_a_series_that_passed_is_remembered(gate: Any) -> None:
    """The first accepted batch starts a history."""
    (one,) = _judge(gate, gate.clean()).history
    assert one == SeriesHistory(
        target="web",
        metric="cpu",
        batch_id="batch-1",
        accepted_at=NOW,
        batches=1,
        points=10,
        zeros=0,
        median=54.5,
        spread=1.4826 * 2.5,
        lowest=50,
        highest=59,
        longest_run=1,
        zero_run=0,
    )


def test_what_is_accepted_adds_up(gate: Any) -> None:
    """Counts grow, extremes widen, the level is the newest one's."""
    (one,) = _judge(gate, gate.clean(60), (corpus.past(),)).history
    assert (one.batches, one.points, one.lowest, one.highest, one.median) == (21, 210, 50, 69, 64.5)


def test_a_batch_counts_once(gate: Any) -> None:
    """A retry judges the same batch again, and adds nothing."""
    (once,) = _judge(gate, gate.clean(), (corpus.past(),)).history
    (again,) = _judge(gate, gate.clean(), (once,)).history
    assert again == once


def test_what_did_not_pass_is_not_remembered(gate: Any) -> None:
    """An outage never becomes what is usual."""
    assert _judge(gate, gate.clean()[1:], (corpus.past(),)).history == ()
    assert _judge(gate, _with(gate, lambda slot, value: 0.0), (corpus.past(),)).history == ()


def test_an_old_history_is_forgotten(gate: Any) -> None:
    """After ``history_for`` a fall is nothing to compare with, and the series starts over."""
    low = _with(gate, lambda slot, value: value / 100)
    old = corpus.past(accepted_at=NOW - timedelta(hours=2))
    assert _judge(gate, low, (old,)).report.verdict is Verdict.DEGRADED
    forgotten = _judge(gate, low, (old,), history_for="1h")
    assert forgotten.report.verdict is Verdict.PASS
    assert forgotten.history[0].batches == 1


@pytest.mark.parametrize(("times", "verdict"), [(18, Verdict.PASS), (22, Verdict.DEGRADED)])
def test_a_level_may_fall_so_far(gate: Any, times: float, verdict: Verdict) -> None:
    """A fraction published for a percentage, or seconds for milliseconds, is no quiet time."""
    points = _with(gate, lambda slot, value: value / times)
    assert _judge(gate, points, (corpus.past(),)).report.verdict is verdict
    assert _judge(gate, points, (corpus.past(),), max_fall=None).report.verdict is Verdict.PASS


def test_a_rise_is_no_fault_unless_the_policy_says_so(gate: Any) -> None:
    """A wave must not wait; where low means busy, a rise is what takes capacity away."""
    points = _with(gate, lambda slot, value: value * 1000)
    assert _judge(gate, points, (corpus.past(),), between=None).report.verdict is Verdict.PASS
    strict = _judge(gate, points, (corpus.past(),), between=None, max_rise="20x")
    assert strict.report.series[0].broken[0].observed == "the median rose 1000x, from 54.5 to 54500"


@pytest.mark.parametrize(
    ("history", "value", "verdict"),
    [
        ({}, 54.3, Verdict.DEGRADED),
        ({"batches": 2}, 54.3, Verdict.PASS),
        ({"longest_run": 5}, 54.3, Verdict.PASS),
        ({}, 54.0, Verdict.PASS),
        ({}, 100.0, Verdict.PASS),
        ({}, 62.5, Verdict.PASS),
    ],
    ids=["moves as a rule", "hardly known", "stood still before", "small whole number", "end of range", "new height"],
)
def test_a_value_that_stands_still_where_it_always_moved(
    gate: Any, history: dict[str, Any], value: float, verdict: Verdict
) -> None:
    """A frozen exporter repeats itself; a count, a saturated share and a series that rests by nature may as well."""
    points = _with(gate, lambda slot, old: value)
    assert _judge(gate, points, (corpus.past(**history),)).report.verdict is verdict


@pytest.mark.parametrize(
    ("history", "verdict"),
    [({}, Verdict.FAIL), ({"zeros": 3}, Verdict.PASS), ({"points": 99}, Verdict.PASS), (None, Verdict.PASS)],
)
def test_a_zero_where_there_never_was_one(gate: Any, history: dict[str, Any] | None, verdict: Verdict) -> None:
    """With ``zero_guard: history`` a zero is an outage once a hundred points had none."""
    known = () if history is None else (corpus.past(**history),)
    points = _with(gate, lambda slot, value: 0.0)
    assert _judge(gate, points, known, zero_guard="history").report.verdict is verdict


def test_the_newest_point_needs_another_to_be_believed(gate: Any) -> None:
    """One wild newest point is not believed; two in a row are a wave."""
    alone = _with(gate, lambda slot, value: 5000.0 if slot == 9 else value)
    both = _with(gate, lambda slot, value: 5000.0 if slot >= 8 else value)
    (check, *_) = _judge(gate, alone, between=None).report.series[0].broken
    assert (check.expectation, check.number) == ("newest_spike", pytest.approx(5000 / 54.5, rel=0.05))
    assert check.offending == (NOW - timedelta(minutes=1),)
    assert _judge(gate, both, between=None).report.verdict is Verdict.PASS


def test_two_low_codes_do_not_confirm_each_other(gate: Any) -> None:
    """What reads low takes capacity away, so every such point counts."""
    points = _with(gate, lambda slot, value: 0.001 if slot in (3, 4) else value)
    (check,) = _judge(gate, points).report.series[0].broken
    assert (check.expectation, check.number) == ("spikes", 2)


def test_the_points_a_check_names_are_bounded(gate: Any) -> None:
    """Twenty tell enough."""
    fleet = {"web": [(NOW - timedelta(seconds=n), float("nan")) for n in range(1, 60)]}
    report = gate.judge(fleet)
    assert {len(check.offending) for check in report.series[0].broken if check.expectation == "nulls"} == {20}


@pytest.mark.parametrize(
    ("failing", "targets", "broken"), [(2, 4, False), (3, 4, True), (2, 2, None), (3, 3, True), (0, 5, False)]
)
def test_when_many_fail_at_once_the_source_is_broken(
    gate: Any, failing: int, targets: int, broken: bool | None
) -> None:
    """More than half of at least three targets: it is what they share. Each keeps its own verdict."""
    fleet = {f"web-{n}": [] if n < failing else gate.clean() for n in range(targets)}
    report = gate.judge(fleet)
    assert [one.verdict for one in report.series].count(Verdict.PASS) == targets - failing
    assert [one.broken for one in report.fleet] == ([] if broken is None else [broken])
    assert bool(report.source_broken) is bool(broken)
    if broken:
        assert f"cpu fails for {failing} of {targets} targets" in report.source_broken[0].text


def test_the_whole_batch_may_be_broken_too(gate: Any) -> None:
    """A batch of another policy fails everything, and says so of the fleet."""
    fleet = dict.fromkeys(("a", "b", "c"), gate.clean())
    batch: MetricBatch = gate.batch(fleet, policy="api")
    judgement = judge_frame(gate.frame(fleet), batch, gate.policy(), NOW, ())
    assert judgement.frame is None
    assert judgement.report.source_broken


def _zero_then_values(gate: Any, run: int) -> Any:
    """Zeros in the middle of a window, and values after them."""
    return _with(gate, lambda slot, value: 0.0 if 3 <= slot < 3 + run else value)


def _judge_at(gate: Any, points: Any, hours: float, history: tuple[SeriesHistory, ...]) -> Any:
    """The batch as it would look some hours later, and what is remembered after it."""
    away = timedelta(hours=hours)
    fleet = {"web": [(at + away, value) for at, value in points]}
    batch = gate.batch(fleet)
    window = type(batch.window)(start=batch.window.start + away, end=batch.window.end + away)
    batch = batch.model_copy(update={"window": window, "pulled_at": NOW + away, "batch_id": f"batch-{hours}"})
    judged = judge_frame(gate.frame(fleet), batch, gate.policy(zero_guard="history"), NOW + away, history)
    return judged.report.verdict, judged.history or history


def test_zeros_that_recur_for_a_day_become_known(gate: Any) -> None:
    """Doubted at first; once they came three times over a day, with values in between, they are believed as they were.

    All the same an outage is none of it: more zeros in a row than ever, or a window of nothing else.
    """
    history: tuple[SeriesHistory, ...] = (corpus.past(zero_run=0),)
    seen = []
    for hour in (0, 8, 16, 24):
        verdict, history = _judge_at(gate, _zero_then_values(gate, 2), hour, history)
        seen.append(verdict)
        _, history = _judge_at(gate, gate.clean(), hour + 1, history)
    assert seen == [Verdict.DEGRADED] * 4
    assert (history[0].zero_run, history[0].zero_doubt) == (2, None)

    assert _judge_at(gate, _zero_then_values(gate, 2), 26, history)[0] is Verdict.PASS
    assert _judge_at(gate, _zero_then_values(gate, 5), 26, history)[0] is Verdict.DEGRADED
    assert _judge_at(gate, _with(gate, lambda slot, value: 0.0), 26, history)[0] is Verdict.FAIL


def test_one_outage_is_not_what_recurs(gate: Any) -> None:
    """The zeros of one outage count once however often they are seen; the newest one proves nothing; old ones lapse."""
    history: tuple[SeriesHistory, ...] = (corpus.past(zero_run=0),)
    for hour in (0, 0.01, 0.02, 0.03):
        _, history = _judge_at(gate, _zero_then_values(gate, 2), hour, history)
    assert history[0].zero_doubt is not None
    assert history[0].zero_doubt.occasions == 1
    _, again = _judge_at(gate, _with(gate, lambda slot, value: 0.0 if slot > 7 else value), 5, history)
    assert again == history

    later = (history[0].model_copy(update={"accepted_at": NOW + timedelta(hours=60)}),)
    _, lapsed = _judge_at(gate, _zero_then_values(gate, 2), 61, later)
    assert lapsed[0].zero_doubt.occasions == 1
    assert lapsed[0].zero_doubt.since == NOW + timedelta(hours=61)


def test_a_zero_learned_alone_does_not_let_an_outage_through(gate: Any) -> None:
    """What is known is how long zeros last: two in a row after single ones may be, a whole window of them may not."""
    single = (corpus.past(zeros=3, zero_run=1),)
    assert _judge(gate, _zero_then_values(gate, 2), single, zero_guard="history").report.verdict is Verdict.PASS
    nothing = _with(gate, lambda slot, value: 0.0)
    assert _judge(gate, nothing, single, zero_guard="history").report.verdict is Verdict.FAIL
