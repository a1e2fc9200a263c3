"""Updates of other Dags' assets that a policy is triggered by, as events of a run."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk.execution_time.context import InletEventsAccessor

from setpoint.events.arrivals import Arrival, Wanted
from setpoint.events.assets import asset_updated
from setpoint.ledger import Ledger
from setpoint.model import Event
from setpoint.policy.assets import AssetTrigger
from setpoint.policy.schema import Policy

_MOST = 1000


def asset_updates(policy: Policy, ledger: Ledger, now: datetime, look_back: timedelta) -> list[Event]:
    """The updates that are young enough to act on. An older one is in the ledger as too old.

    Not only those Airflow started the run for: of a burst it gives the last to no run (apache/airflow#56050). The inbox
    knows which are new. They are asked for by name rather than declared as inlets, because an inlet that is gone would
    fail the run, and somebody else's asset must not keep a policy from its alarms.
    """
    found = []
    for trigger in policy.triggers.assets:
        for one in _events_of(trigger).after((now - look_back).isoformat()).limit(_MOST):
            event = asset_updated(
                policy.name,
                trigger,
                asset_event_id=one.id,
                at=one.timestamp,
                received_at=now,
                source_dag_id=one.source_dag_id,
                source_task_id=one.source_task_id,
                source_run_id=one.source_run_id,
            )
            if now - event.occurred_at <= policy.triggers.max_event_age:
                found.append(event)
            else:
                _keep_as_too_old(policy, ledger, event, now)
    return found


def _events_of(trigger: AssetTrigger) -> InletEventsAccessor:
    return InletEventsAccessor(asset_name=trigger.name, asset_uri=trigger.uri)


def _keep_as_too_old(policy: Policy, ledger: Ledger, event: Event, now: datetime) -> None:
    wanted = Wanted(policy=policy.name, max_age=policy.triggers.max_event_age)
    arrival = Arrival(message_id=event.event_id, source=event.source, body="", events=((event, (wanted,)),))
    ledger.receive([arrival], now, window=None, listening=())
