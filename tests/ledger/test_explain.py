"""The whole chain of a run or of a change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

import pytest

from setpoint.ledger import AmbiguousReference, Explanation, Ledger
from setpoint.model import (
    ApplyResult,
    ChangeState,
    Event,
    Followed,
    HealthVerdict,
    MetricBatch,
    Outcome,
    Plan,
    PlannedChange,
    Reason,
    Window,
    plan_hash,
)
from setpoint.testing.ledgers import begin_change, finish_change
from setpoint.testing.values import NOW, a_decision, a_planned_change, a_report, a_signal

RUN = "web/run-1"


def at(seconds: int) -> timedelta:
    return timedelta(seconds=seconds)


class Told(NamedTuple):
    """The ids of a story that was played."""

    out: str
    back: str


@pytest.fixture
def told(ledger: Ledger, event: Callable[..., Event], result: Callable[[ChangeState], ApplyResult]) -> Told:
    """A whole run: one target scales out and is taken back, another one fails, each step ten seconds after the last."""
    ledger.accept_events([(event("alarm-1", summary="cpu is high"), ("web",))])
    ledger.take_events("web", RUN, NOW + at(10))
    ledger.start_run(RUN, "web", NOW + at(10), "event", False, ["alarm-1"])
    window = Window(start=NOW - timedelta(minutes=10), end=NOW)
    batch = MetricBatch(
        batch_id="batch-1",
        policy="web",
        uri="batch-1.parquet",
        window=window,
        rows=20,
        sha256="0" * 64,
        pulled_at=NOW + at(20),
    )
    ledger.record("batch", batch, run_id=RUN, policy="web")
    report = a_report().model_copy(update={"judged_at": NOW + at(30)})
    ledger.record("report", report, run_id=RUN, policy="web")
    signals = [(target, a_signal([80.0, 90.0], target)) for target in ("web-1", "web-2")]
    ledger.record_many("signal", signals, run_id=RUN, policy="web")
    decisions = [a_decision(target, 4, 6, run_id=RUN, decided_at=NOW + at(40)) for target in ("web-1", "web-2")]
    first, second = changes = tuple(PlannedChange.of(one, "aws.autoscaling_group") for one in decisions)
    plan = Plan(
        plan_id="plan-1",
        policy="web",
        run_id=RUN,
        changes=changes,
        units_delta=4,
        created_at=NOW + at(40),
        expires_at=NOW + timedelta(minutes=10),
        hash=plan_hash(changes),
    )
    ledger.record_decisions(RUN, decisions, plan)
    begin_change(ledger, first, NOW + at(50))
    finish_change(ledger, first.change_id, result(ChangeState.APPLIED), NOW + at(60))
    begin_change(ledger, second, NOW + at(60))
    finish_change(ledger, second.change_id, result(ChangeState.FAILED), NOW + at(70))
    ledger.settle_change(first.change_id, Reason(code="in_service", text="6 of 6"), NOW + at(80))
    ledger.record_outcome(
        Outcome(
            change_id=first.change_id,
            policy="web",
            run_id=RUN,
            target="web-1",
            verdict=HealthVerdict.DEGRADED,
            followed=Followed.ROLL_BACK,
            reasons=(Reason(code="over_limit", text="latency 300 ms of 250 ms allowed"),),
            recorded_at=NOW + at(90),
        )
    )
    back = PlannedChange.of(a_decision("web-1", 6, 4, run_id=RUN), "aws.autoscaling_group", first.change_id)
    begin_change(ledger, back, NOW + at(100))
    finish_change(ledger, back.change_id, result(ChangeState.APPLIED), NOW + at(110))
    ledger.finish_run(RUN, "succeeded", "2 scale_out", NOW + at(120))
    ledger.close_events(RUN, "acted", NOW + at(120))
    return Told(first.change_id, back.change_id)


def test_a_run(ledger: Ledger, told: Told) -> None:
    """A run is told from the event that woke it to the outcomes of its changes."""
    chain = ledger.explain(RUN)
    assert chain is not None
    assert (chain.about, chain.reference, chain.policy, chain.target) == ("run", RUN, "web", None)
    assert [(one.event.event_id, one.state) for one in chain.events] == [("alarm-1", "acted")]
    assert chain.run is not None
    assert chain.run.reason == "2 scale_out"
    assert chain.batch is not None
    assert chain.report is not None
    assert chain.plan is not None
    assert [one.target for one in chain.signals] == ["web-1", "web-2"]
    assert [one.target for one in chain.decisions] == ["web-1", "web-2"]
    assert [one.change.state.value for one in chain.changes] == ["settled", "failed", "applied"]


def test_a_change(ledger: Ledger, told: Told) -> None:
    """A change is told with its own target's numbers, its steps, its verdict, and what took it back."""
    chain = ledger.explain(told.out)
    assert chain is not None
    assert (chain.about, chain.run_id, chain.target) == ("change", RUN, "web-1")
    assert {one.target for one in chain.signals} == {one.target for one in chain.decisions} == {"web-1"}
    assert chain.report is not None
    assert {one.target for one in chain.report.series} == {"web-1"}
    out, back = chain.changes
    assert [(step.state.value, step.at - NOW) for step in out.steps] == [
        ("applying", at(50)),
        ("applied", at(60)),
        ("settled", at(80)),
    ]
    assert out.outcome is not None
    assert out.outcome.verdict is HealthVerdict.DEGRADED
    assert (out.taken_back_by, out.superseded_by) == (told.back, told.back)
    assert (back.change.change_id, back.taken_back_by, back.superseded_by) == (told.back, None, None)


def test_the_change_that_takes_back(ledger: Ledger, told: Told) -> None:
    """A roll-back is told together with what it takes back."""
    chain = ledger.explain(told.back)
    assert chain is not None
    assert chain.reference == told.back
    assert [one.change.change_id for one in chain.changes] == [told.out, told.back]


def test_the_timeline(ledger: Ledger, told: Told) -> None:
    """The timeline is the chain by time, every step of it."""
    chain = ledger.explain(told.out)
    assert chain is not None
    assert [(moment.what, moment.at - NOW) for moment in chain.timeline] == [
        ("event", at(0)),
        ("run", at(10)),
        ("batch", at(20)),
        ("report", at(30)),
        ("decision", at(40)),
        ("plan", at(40)),
        ("change", at(50)),
        ("change", at(60)),
        ("change", at(80)),
        ("outcome", at(90)),
        ("change", at(100)),
        ("change", at(110)),
        ("run", at(120)),
    ]
    texts = "\n".join(moment.text for moment in chain.timeline)
    assert "cpu is high" in texts
    assert "latency 300 ms of 250 ms allowed" in texts


def test_crosses_as_json(ledger: Ledger, told: Told) -> None:
    """An explanation survives the way through JSON."""
    chain = ledger.explain(RUN)
    assert chain is not None
    assert Explanation.model_validate(chain.to_json()) == chain


def test_beginning_of_an_id(ledger: Ledger, told: Told) -> None:
    """The first characters of a change id will do when they fit one change; too few never do."""
    chain = ledger.explain(told.out[:8])
    assert chain is not None
    assert chain.reference == told.out
    assert ledger.explain(told.out[:3]) is None
    assert ledger.explain("no such thing") is None
    assert ledger.explain("____") is None
    assert ledger.explain("%%%%") is None


def test_ambiguous_beginning(ledger: Ledger) -> None:
    """A beginning that fits several changes is refused, and they are listed."""
    for n in range(7):
        begin_change(ledger, a_planned_change(f"web-{n}", change_id=f"cafe{n}"), NOW)
    with pytest.raises(AmbiguousReference, match=r"more than 5 change ids: cafe0 \(web-0\), cafe1 \(web-1\)"):
        ledger.explain("cafe")
    found = ledger.explain("cafe3")
    assert found is not None
    assert found.reference == "cafe3"


def test_an_exact_id_is_not_ambiguous(ledger: Ledger) -> None:
    """An id that is also the beginning of another one means itself."""
    begin_change(ledger, a_planned_change("web-1", change_id="cafe"), NOW)
    begin_change(ledger, a_planned_change("web-2", change_id="cafe-2"), NOW)
    found = ledger.explain("cafe")
    assert found is not None
    assert found.target == "web-1"


def test_a_run_that_died_early(ledger: Ledger, event: Callable[..., Event]) -> None:
    """A run that only took its events and died can still be explained."""
    ledger.accept_events([(event("a"), ("web",))])
    ledger.take_events("web", RUN, NOW)
    chain = ledger.explain(RUN)
    assert chain is not None
    assert (chain.run, chain.policy, chain.decisions, chain.changes) == (None, "web", (), ())
    assert [(one.event.event_id, one.state) for one in chain.events] == [("a", "taken")]
