"""MetricBatch -> QualityReport -> Signal -> Decision -> Plan, for a whole fleet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from setpoint.guards.decide import decide
from setpoint.guards.memory import TargetMemory
from setpoint.model import Decision, MetricBatch, Plan, QualityReport, Request, SeriesHistory, Signal, TargetState
from setpoint.model.base import Value
from setpoint.model.streak import Streak
from setpoint.planning.plan import make_plan
from setpoint.policy.schema import Policy
from setpoint.sources.batches import BatchStore
from setpoint.sources.contract import Source
from setpoint.steps.consequences import streaks_after
from setpoint.targets.contract import TargetReader

PLAN_LIFETIME = timedelta(minutes=10)
"""How long a plan may wait to be carried out. Older numbers are not acted on; the next run looks again."""


class Evaluation(Value):
    """Everything one look at a fleet came to."""

    batch: MetricBatch
    report: QualityReport
    signals: tuple[Signal, ...]
    states: tuple[TargetState, ...]
    decisions: tuple[Decision, ...]
    plan: Plan


def pull_batch(
    policy: Policy, targets: Sequence[str], *, sources: Mapping[str, Source], store: BatchStore, now: datetime
) -> MetricBatch:
    """Pull every metric of every target and keep the batch.

    :raises SourceError: a source could not answer at all.
    """
    from setpoint.sources.pull import pull

    return pull(policy, targets, now, sources, store)


def judge_batch(
    policy: Policy, batch: MetricBatch, *, store: BatchStore, now: datetime, history: Iterable[SeriesHistory] = ()
) -> QualityReport:
    """Let the gate judge a batch. A file that is missing or was altered is a verdict too: it fails every series.

    :param history: what is remembered of the series, to tell what is unusual.
    """
    from setpoint.quality.judge import judge_stored

    return judge_stored(store, batch, policy, now, history)[0]


def aggregate_batch(policy: Policy, batch: MetricBatch, *, store: BatchStore) -> tuple[Signal, ...]:
    """Aggregate a batch into one signal per target, metric and aggregate; none when its file cannot be trusted."""
    from setpoint.signals.aggregate import aggregate
    from setpoint.sources.batches import BatchError

    try:
        frame = store.read(batch)
    except BatchError:
        return ()  # the gate has failed the whole batch for the same reason, so nothing will be decided on it
    return aggregate(frame, batch, policy)


def decide_fleet(
    policy: Policy,
    *,
    run_id: str,
    targets: Sequence[str],
    report: QualityReport,
    signals: Sequence[Signal],
    states: Mapping[str, TargetState],
    memory: Mapping[str, TargetMemory],
    pulled_at: datetime,
    now: datetime,
    streaks: Mapping[str, Streak] | None = None,
    request: Request | None = None,
    event_ids: tuple[str, ...] = (),
    dry_run: bool,
) -> tuple[tuple[Decision, ...], Plan]:
    """Decide about every target and plan what changes.

    :param pulled_at: when the batch was pulled that report and signals are about.
    :param streaks: how many batches have failed in a row, that one included.
    """
    decisions = decide(
        policy,
        run_id=run_id,
        targets=targets,
        signals=signals,
        report=report,
        states=states,
        memory=memory,
        pulled_at=pulled_at,
        now=now,
        streaks=streaks,
        request=request,
        event_ids=event_ids,
        dry_run=dry_run,
    )
    return decisions, make_plan(policy, run_id, decisions, now, PLAN_LIFETIME)


def evaluate(
    policy: Policy,
    *,
    run_id: str,
    sources: Mapping[str, Source],
    reader: TargetReader,
    store: BatchStore,
    memory: Mapping[str, TargetMemory],
    now: datetime,
    streaks: Mapping[str, Streak] | None = None,
    history: Iterable[SeriesHistory] = (),
    request: Request | None = None,
) -> Evaluation:
    """Look at a fleet once, from pull to plan, and change nothing: what ``setpoint plan`` shows.

    :param streaks: how many batches have failed in a row before this look.
    :param history: what is remembered of the series before this look.
    :raises SourceError: a metric source could not answer.
    :raises TargetError: the targets could not be found or read.
    """
    targets = reader.find(policy.targets)
    batch = pull_batch(policy, targets, sources=sources, store=store, now=now)
    report = judge_batch(policy, batch, store=store, now=now, history=history)
    signals = aggregate_batch(policy, batch, store=store)
    states = reader.read(targets)
    decisions, plan = decide_fleet(
        policy,
        run_id=run_id,
        targets=targets,
        report=report,
        signals=signals,
        states=states,
        memory=memory,
        pulled_at=batch.pulled_at,
        now=now,
        streaks=streaks_after(policy, batch, report, streaks or {}, now),
        request=request,
        dry_run=True,
    )
    return Evaluation(
        batch=batch,
        report=report,
        signals=signals,
        states=tuple(states.values()),
        decisions=decisions,
        plan=plan,
    )
