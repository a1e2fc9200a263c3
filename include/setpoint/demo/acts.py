"""The scenario: what is done to the practice world, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from setpoint.demo.evidence import Evidence
from setpoint.lab.client import LabClient
from setpoint.lab.faults import FaultKind
from setpoint.model import Action, ChangeState, Decision, HealthVerdict

Begin = Callable[[LabClient], None]
Happened = Callable[[Evidence], str | None]


@dataclass(frozen=True)
class Act:
    """One act of the scenario."""

    title: str
    tells: str
    """What is about to happen, for the audience."""
    policy: str
    fleet: str
    begin: Begin
    """Asks the practice world for trouble."""
    happened: Happened
    """A sentence with the evidence once the act is over as it should be; ``None`` until then."""
    end: Begin = lambda lab: None
    """Puts the practice world in order for the next act."""
    deadline_seconds: float = 120


def _changed(action: Action, verdicts: tuple[HealthVerdict, ...]) -> Happened:
    """The fleet was changed, the capacity is in service, and health was judged well."""

    def happened(evidence: Evidence) -> str | None:
        for change in evidence.changes:
            outcome = evidence.outcomes.get(change.change_id)
            if (
                change.plan.action is action
                and change.plan.reverts is None
                and change.state is ChangeState.SETTLED
                and outcome is not None
                and outcome.verdict in verdicts
            ):
                return (
                    f"{change.plan.from_units} → {change.plan.to_units}, {outcome.verdict.value}: "
                    f"{outcome.reasons[0].text}"
                )
        return None

    return happened


def _quarantined(evidence: Evidence) -> str | None:
    """The batch was put aside, its page can be seen, and the fleet was left alone."""
    distrusted = [one for one in evidence.decisions if one.action is Action.QUARANTINE]
    if not distrusted or not evidence.quarantined_batches or not evidence.pages:
        return None
    changed = [one for one in evidence.changes if one.state.effective]
    if changed or evidence.aws_desired_units != evidence.desired_units_before:
        return None
    return f"nothing changed: {_why(distrusted[-1])}"


def _taken_back(evidence: Evidence) -> str | None:
    """The change did harm, and the capacity is back where it was."""
    for change in evidence.changes:
        if change.plan.reverts is None or change.state is not ChangeState.SETTLED:
            continue
        harmed = evidence.outcomes.get(change.plan.reverts)
        if harmed is not None and evidence.aws_desired_units == change.plan.to_units:
            return f"{change.plan.from_units} → {change.plan.to_units} taken back: {harmed.reasons[0].text}"
    return None


def _why(decision: Decision) -> str:
    return decision.reasons[0].text


def _monitoring_breaks(lab: LabClient) -> None:
    lab.fault(FaultKind.ZEROS, BATCH)


def _database_overloads(lab: LabClient) -> None:
    lab.fault(FaultKind.BAD_CHANGE, API, latency_ms=250)
    lab.flash_sale(API, factor=1.8, ramp_seconds=4, hold_seconds=3600)


def _in_order(lab: LabClient) -> None:
    lab.remove_faults()
    lab.ordinary(API)


WEB, API, BATCH = "storefront-web", "storefront-api", "storefront-batch"

ACTS: tuple[Act, ...] = (
    Act(
        title="Flash sale",
        tells="Traffic more than doubles. The alarm goes off, and capacity follows.",
        policy=WEB,
        fleet=WEB,
        begin=lambda lab: lab.flash_sale(WEB, factor=2.3, ramp_seconds=4, hold_seconds=3600),
        happened=_changed(Action.SCALE_OUT, (HealthVerdict.IMPROVED, HealthVerdict.HEALTHY)),
    ),
    Act(
        title="Quiet again",
        tells="The sale is over. Less is enough, and less is what runs.",
        policy=WEB,
        fleet=WEB,
        begin=lambda lab: lab.quiet(WEB, factor=0.5, ramp_seconds=4),
        happened=_changed(Action.SCALE_IN, (HealthVerdict.HEALTHY, HealthVerdict.IMPROVED)),
        end=lambda lab: lab.ordinary(WEB),
    ),
    Act(
        title="Metrics break",
        tells="Monitoring reports zeros, as if nobody used the service. Others would scale to the minimum.",
        policy=BATCH,
        fleet=BATCH,
        begin=_monitoring_breaks,
        happened=_quarantined,
        end=_in_order,
    ),
    Act(
        title="A bad change",
        tells="More instances overload the database behind them: latency gets worse, so the change is taken back.",
        policy=API,
        fleet=API,
        begin=_database_overloads,
        happened=_taken_back,
        end=_in_order,
    ),
)
