"""Event: what this run is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from setpoint.failpoints import reached
from setpoint.ledger import Ledger
from setpoint.model import Event, Request
from setpoint.model.base import Name, UtcDatetime, Value
from setpoint.policy.schema import Policy


class Intake(Value):
    """The events of one run, taken from the inbox: one with a request, or any number without."""

    run_id: Name
    policy: Name
    events: tuple[Event, ...]
    targets: tuple[Name, ...] = ()
    """Only these targets are looked at; empty means the whole fleet."""
    request: Request | None = None
    """A person's request, if that is what the run is about."""
    dry_run: bool
    taken_at: UtcDatetime

    @property
    def event_ids(self) -> tuple[str, ...]:
        return tuple(event.event_id for event in self.events)


def run_identity(policy: str, airflow_run_id: str) -> str:
    """The ledger's id of a run. Airflow's own is unique within one Dag only, so the policy's name goes before it."""
    return f"{policy}/{airflow_run_id}"


def taken_in(ledger: Ledger, run_id: str) -> Intake:
    """What a run took.

    :raises LookupError: it has taken nothing.
    """
    intake = ledger.value_of(run_id, "intake", Intake)
    if intake is None:
        raise LookupError(f"{run_id}: no intake is recorded; clear take_events and what follows it")
    return intake


def take_in(
    policy: Policy, run_id: str, *, direct: Sequence[Event], ledger: Ledger, trigger: str, now: datetime
) -> Intake:
    """Take events from the policy's inbox for a run. A retry of the same run gets the same events again.

    A run that a person started takes that person's request, whatever else waits.

    :param direct: events that reached the run itself (a trigger form, a schedule, an asset event over REST); they are
        put in the inbox first, so that one way of accounting serves all.
    :param trigger: how Airflow started the run, for the record.
    """
    if direct:
        ledger.accept_events([(event, (policy.name,)) for event in direct])
    own = next((event.event_id for event in direct if event.kind == "manual"), None)
    events = ledger.take_events(policy.name, run_id, now, own=own)
    request = next((event.request for event in events if event.request is not None), None)
    intake = Intake(
        run_id=run_id,
        policy=policy.name,
        events=events,
        targets=request.targets if request else (),
        request=request,
        dry_run=policy.dry_run or (request is not None and request.dry_run),
        taken_at=now,
    )
    ledger.start_run(
        run_id,
        policy.name,
        started_at=now,
        trigger=trigger,
        dry_run=intake.dry_run,
        event_ids=intake.event_ids,
    )
    ledger.record("intake", intake, run_id=run_id, policy=policy.name)
    reached("after_take", policy.name)
    return intake
