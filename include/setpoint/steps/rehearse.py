"""One run on made-up numbers, from the event to the change, and nothing of it is real.

A process that forks its tasks goes through it first: what Python, pandas, Great Expectations and SQLAlchemy do only the
first time is then done for every task.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from setpoint.ledger import Ledger
from setpoint.ledger.holders import new_holder
from setpoint.model import (
    ApplyResult,
    ChangeState,
    Completeness,
    Event,
    MetricBatch,
    Plan,
    Reason,
    SeriesStatus,
    TargetState,
    Window,
)
from setpoint.policy.schema import Policy
from setpoint.sources.batches import BatchStore
from setpoint.steps.consequences import judge_and_remember, remember_verdict
from setpoint.steps.evaluate import aggregate_batch, decide_fleet, judge_batch
from setpoint.steps.intake import take_in, taken_in

TARGET = "rehearsal"
_RUN = "rehearsal/run"
_POINTS = 10

_POLICY: dict[str, Any] = {
    "version": 1,
    "name": "rehearsal",
    "owner": "setpoint",
    "targets": {"kind": "aws.autoscaling_group", "region": "eu-west-1", "names": [TARGET]},
    "metrics": {
        "cpu": {
            "source": "aws.cloudwatch",
            "namespace": "AWS/EC2",
            "name": "CPUUtilization",
            "statistic": "Average",
            "period": "60s",
            "window": f"{_POINTS}m",
        }
    },
    "quality": {"cpu": {"between": [0, 100]}},
    "scale": {
        "strategy": "threshold",
        "signal": {"metric": "cpu", "aggregate": "p90"},
        "out": {"above": 70, "for": "3 of 5", "add": 1},
    },
    "limits": {"min": 1, "max": 3},
    "feedback": {"after": "1m", "healthy": {"cpu": {"max": 90}}},
}


def rehearse(ledger: Ledger | None) -> Plan:
    """Take an event, judge and aggregate a batch, decide, and record a change that no provider is asked for.

    :param ledger: one that is thrown away; without one nothing is recorded.
    :returns: the plan: its one change adds a unit.
    """
    policy, now = Policy.model_validate(_POLICY), datetime(2026, 1, 1, tzinfo=UTC)
    if ledger is not None:
        event = Event(
            event_id="rehearsal",
            kind="json",
            policy=policy.name,
            source="rehearsal",
            occurred_at=now,
            received_at=now,
            summary="a rehearsal",
        )
        take_in(policy, _RUN, direct=[event], ledger=ledger, trigger="inbox", now=now)
        taken_in(ledger, _RUN)
        ledger.join_events(_RUN, policy.name, now)
    with TemporaryDirectory(prefix="setpoint-rehearsal-") as folder:
        store = BatchStore(Path(folder))
        batch = _batch(policy, store, now)
        if ledger is not None:
            ledger.record("batch", batch, run_id=_RUN, policy=policy.name)
            ledger.batch_of(_RUN)
        if ledger is not None:
            report = judge_and_remember(policy, _RUN, batch, store=store, ledger=ledger, now=now)
        else:
            report = judge_batch(policy, batch, store=store, now=now)
        signals = aggregate_batch(policy, batch, store=store)
    memory = {}
    if ledger is not None:
        ledger.record_many("signal", [(one.target, one) for one in signals], run_id=_RUN, policy=policy.name)
        ledger.report_of(_RUN)
        ledger.signals_of(_RUN)
        memory = ledger.memory(policy.name, [TARGET], policy.targets.scope, now)
        remember_verdict(policy, _RUN, batch, report, ledger)
    decisions, plan = decide_fleet(
        policy,
        run_id=_RUN,
        targets=[TARGET],
        report=report,
        signals=signals,
        states={TARGET: _state(now)},
        memory=memory,
        pulled_at=batch.pulled_at,
        now=now,
        dry_run=False,
    )
    if ledger is not None:
        ledger.record_decisions(_RUN, decisions, plan)
        _change(ledger, policy, now)
    return plan


def _batch(policy: Policy, store: BatchStore, now: datetime) -> MetricBatch:
    # Imported here: the Dag files reach this room, and parsing them must not import numpy and pandas.
    import numpy as np

    from setpoint.sources.frame import long_frame

    start = now - timedelta(minutes=_POINTS)
    seconds = np.arange(_POINTS, dtype=np.int64) * 60 + int(start.timestamp())
    frame = long_frame(
        microseconds=seconds * 1_000_000,
        targets=[TARGET],
        metrics=["cpu"],
        counts=[_POINTS],
        values=np.full(_POINTS, 95.0),
    )
    return store.write(
        frame, policy=policy.name, window=Window(start=start, end=now), series=_series(), units={}, pulled_at=now
    )


def _series() -> Sequence[SeriesStatus]:
    return [
        SeriesStatus(
            target=TARGET,
            metric="cpu",
            status=Completeness.COMPLETE,
            points=_POINTS,
            expected_points=_POINTS,
            period_seconds=60,
        )
    ]


def _state(now: datetime) -> TargetState:
    return TargetState(
        target=TARGET, desired_units=1, in_service_units=1, min_units=0, max_units=9, unit="instance", read_at=now
    )


def _change(ledger: Ledger, policy: Policy, now: datetime) -> None:
    plan = ledger.plan_of(_RUN)
    for planned in plan.changes if plan is not None else ():
        ledger.change(planned.change_id)
        begun = ledger.begin_change(planned, now, new_holder())
        ledger.memory(policy.name, [TARGET], policy.targets.scope, now)
        if begun.lease is not None:
            reason = Reason(code="applied_by_earlier_attempt", text="nobody was asked")
            ledger.finish_change(
                planned.change_id, ApplyResult(state=ChangeState.APPLIED, reason=reason), now, begun.lease
            )
