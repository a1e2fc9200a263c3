"""An explanation as a tree: one branch per link of the chain, in the chain's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from rich.tree import Tree

from setpoint.cli.history import STYLES, units
from setpoint.cli.output import text
from setpoint.evidence.address import page_url

if TYPE_CHECKING:
    from setpoint.ledger import ChangeStory, Explanation
    from setpoint.model import Decision, Outcome, Request

_MOST_TARGETS = 25
"""Targets listed in a whole run's story; a run of a thousand that hold needs no thousand lines."""


def story(told: Explanation) -> Tree:
    """The whole chain. Every piece of text in it is data: no markup, no control characters."""
    of_target = f" of {told.target}" if told.target else ""
    tree = Tree(text(f"{told.about} {told.reference}{of_target}, policy {told.policy}", "bold"), guide_style="dim")
    _events(tree, told)
    _run(tree, told)
    _batch(tree, told)
    _quality(tree, told)
    if told.incident is not None:
        _branch(tree, "incident", str(told.incident), "red" if told.incident.is_open else "green")
    _signals(tree, told)
    _decisions(tree, told)
    _plan(tree, told)
    for change in told.changes:
        _change(tree, change)
    return tree


def _branch(tree: Tree, name: str, words: str, style: str = "") -> Tree:
    return tree.add(Text.assemble((f"{name:<9} ", "bold"), text(words, style)))


def _events(tree: Tree, told: Explanation) -> None:
    if not told.events:
        _branch(tree, "event", "none recorded", "dim")
    for one in told.events:
        event = one.event
        summary = f": {event.summary}" if event.summary else ""
        branch = _branch(tree, "event", f"{event.occurred_at:%F %T} {event.kind}{summary} ({one.state})")
        branch.add(text(f"from {event.source}, received {event.received_at:%T}, id {event.event_id}", "dim"))
        if event.request is not None:
            branch.add(text(f"asked for {_asked(event.request)} by {event.request.requested_by or '?'}"))


def _asked(request: Request) -> str:
    if request.at_least_units is not None:
        return f"at least {request.at_least_units}"
    return "a look" if request.wanted_units is None else str(request.wanted_units)


def _run(tree: Tree, told: Explanation) -> None:
    if told.run is None:
        return
    run = told.run
    dry = ", dry run" if run.dry_run else ""
    branch = _branch(tree, "run", f"{run.started_at:%F %T} {run.run_id} ({run.trigger}{dry}): {run.state}")
    if run.reason is not None:
        branch.add(text(run.reason))


def _batch(tree: Tree, told: Explanation) -> None:
    batch = told.batch
    if batch is None:
        return
    window = f"{batch.window.start:%T} to {batch.window.end:%T}"
    branch = _branch(tree, "batch", f"{batch.rows} points of {len(batch.series)} series, {window}")
    branch.add(text(f"{batch.uri} (sha256 {batch.sha256[:12]})", "dim"))
    branch.add(text(f"setpoint batch show {batch.batch_id[:12]}", "dim"))
    branch.add(text(f"plots and Data Docs: {page_url(batch.policy, batch.batch_id)}"))


def _quality(tree: Tree, told: Explanation) -> None:
    report = told.report
    if report is None:
        return
    branch = _branch(tree, "quality", f"{report.verdict.value} ({report.suite})", STYLES.get(report.verdict.value, ""))
    for problem in report.frame_problems:
        branch.add(text(problem, "red"))
    for series in report.series[:_MOST_TARGETS]:
        one = branch.add(
            text(f"{series.target} {series.metric}: {series.verdict.value}", STYLES.get(series.verdict, ""))
        )
        for check in series.broken:
            one.add(text(f"{check.expectation}: {check.observed}; allowed: {check.allowed}"))
    _more(branch, len(report.series))


def _signals(tree: Tree, told: Explanation) -> None:
    if not told.signals:
        return
    branch = _branch(tree, "signals", f"{len(told.signals)}")
    for one in told.signals[:_MOST_TARGETS]:
        value = "no value" if one.value is None else f"{one.value:.6g}"
        age = "no point" if one.age_seconds is None else f"newest {one.age_seconds:.0f} s old"
        words = f"{one.target} {one.metric} {one.aggregate} = {value}"
        branch.add(text(f"{words} ({one.samples} points, coverage {one.coverage:.0%}, {age})"))
    _more(branch, len(told.signals))


def _decisions(tree: Tree, told: Explanation) -> None:
    for one in told.decisions[:_MOST_TARGETS]:
        add_decision(tree, one)
    _more(tree, len(told.decisions))


def add_decision(tree: Tree, decision: Decision) -> None:
    """A decision with its reasons, and every guard that moved it."""
    words = f"{decision.target}: {decision.action.value} {units(decision.from_units, decision.to_units)}"
    branch = _branch(tree, "decision", words, STYLES.get(decision.action.value, ""))
    for reason in decision.reasons:
        branch.add(text(f"{reason.text} [{reason.code}]"))
    for constraint in decision.constraints:
        moved = units(constraint.from_units, constraint.to_units)
        branch.add(
            text(f"guard {constraint.guard}: {moved}, {constraint.reason.text} [{constraint.reason.code}]", "dim")
        )


def _plan(tree: Tree, told: Explanation) -> None:
    plan = told.plan
    if plan is None:
        return
    words = (
        f"{len(plan.changes)} changes, {plan.units_delta:+d} units, until {plan.expires_at:%T} (hash {plan.hash[:12]})"
    )
    _branch(tree, "plan", words if plan.changes else "nothing to change")


def _change(tree: Tree, told: ChangeStory) -> None:
    change = told.change
    plan = change.plan
    takes_back = f", takes back {plan.reverts}" if plan.reverts else ""
    words = f"{plan.target}: {units(plan.from_units, plan.to_units)} {change.state.value}{takes_back}"
    branch = _branch(tree, "change", words, STYLES.get(change.state.value, ""))
    branch.add(text(f"id {plan.change_id}, attempts {change.attempts}", "dim"))
    for step in told.steps:
        branch.add(text(f"{step.at:%T} {step.state.value}: {step.reason.text} [{step.reason.code}]"))
    if told.superseded_by:
        branch.add(text(f"a later change moved the target: {told.superseded_by}"))
    if told.outcome is not None:
        _outcome(branch, told.outcome)
    elif change.state.effective:
        _branch(branch, "outcome", "not recorded yet", "dim")
    if told.taken_back_by:
        branch.add(text(f"taken back by {told.taken_back_by}"))


def _outcome(tree: Tree, outcome: Outcome) -> None:
    words = f"{outcome.verdict.value}, {outcome.followed.value}"
    branch = _branch(tree, "outcome", words, STYLES.get(outcome.verdict.value, ""))
    for reason in outcome.reasons:
        branch.add(text(f"{reason.text} [{reason.code}]"))
    for reading in outcome.readings:
        branch.add(text(f"{reading.metric}: {reading.text} ({reading.limit})"))
    if outcome.provider is not None:
        for activity in outcome.provider.failed:
            branch.add(text(f"failed: {activity.description}: {activity.status_message}", "red"))


def _more(branch: Tree, count: int) -> None:
    if count > _MOST_TARGETS:
        branch.add(text(f"and {count - _MOST_TARGETS} more; --json has all", "dim"))
