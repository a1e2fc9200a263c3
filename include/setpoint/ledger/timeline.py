"""An explanation by time."""

from __future__ import annotations

from collections.abc import Iterator

from setpoint.ledger.records import ChangeStory, Explanation, Moment


def timeline(told: Explanation) -> tuple[Moment, ...]:
    """What happened when, oldest first. Where times are equal, the order is the chain's, from event to outcome."""
    return tuple(sorted(_moments(told), key=lambda moment: moment.at))


def _moments(told: Explanation) -> Iterator[Moment]:
    for story in told.events:
        event = story.event
        text = f"{event.kind} from {event.source}: {event.summary or 'no summary'} (id {event.event_id})"
        yield Moment(at=event.received_at, what="event", text=text)
    run = told.run
    if run is not None:
        mode = ", dry run" if run.dry_run else ""
        yield Moment(at=run.started_at, what="run", text=f"run {run.run_id} started ({run.trigger}{mode})")
    if told.batch is not None:
        text = f"{told.batch.rows} points of {len(told.batch.series)} series pulled"
        yield Moment(at=told.batch.pulled_at, what="batch", text=text)
    if told.report is not None:
        yield Moment(at=told.report.judged_at, what="report", text=f"batch judged: {told.report.verdict.value}")
    if told.incident is not None:
        yield Moment(at=told.incident.closed_at or told.incident.last_at, what="incident", text=str(told.incident))
    for decision in told.decisions:
        units = f"{decision.from_units} to {decision.to_units}" if decision.action.changes else "unchanged"
        text = f"{decision.target}: {decision.action.value}, {units}: {decision.reasons[0].text}"
        yield Moment(at=decision.decided_at, what="decision", text=text)
    if told.plan is not None:
        count = len(told.plan.changes)
        text = f"plan {told.plan.plan_id}: {count} change{'' if count == 1 else 's'}, {told.plan.units_delta:+d} units"
        yield Moment(at=told.plan.created_at, what="plan", text=text)
    for change in told.changes:
        yield from _change_moments(change)
    if run is not None and run.finished_at is not None:
        yield Moment(at=run.finished_at, what="run", text=f"run ended: {run.state}: {run.reason or 'no reason given'}")


def _change_moments(story: ChangeStory) -> Iterator[Moment]:
    plan = story.change.plan
    for step in story.steps:
        text = f"{plan.target}: change {plan.change_id} {step.state.value}: {step.reason.text}"
        yield Moment(at=step.at, what="change", text=text)
    if story.outcome is not None:
        said = story.outcome
        text = f"{plan.target}: health {said.verdict.value}, {said.followed.value}: {said.reasons[0].text}"
        yield Moment(at=said.recorded_at, what="outcome", text=text)
