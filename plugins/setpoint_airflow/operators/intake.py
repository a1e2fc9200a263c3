"""Event: drain the policy's inbox."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from setpoint.events.contract import EventError
from setpoint.events.manual import asset_event, manual_event, schedule_event, was_posted
from setpoint.model import Event
from setpoint.steps.intake import take_in
from setpoint_airflow.asset_updates import asset_updates
from setpoint_airflow.operators.base import PolicyOperator
from setpoint_airflow.run_starter import started_for
from setpoint_airflow.runtime import Runtime, utc_now

LOOK_BACK = timedelta(hours=1)
"""How far back a run looks for posted asset events that no run was given."""


class TakeEventsOperator(PolicyOperator):
    """Take the events this run is about: from the inbox, the trigger form, the schedule, or an asset.

    A run that was woken for events another run already took has nothing to do and skips the rest.
    """

    ui_color = "#dbeafe"

    def execute(self, context: Context) -> dict[str, Any]:
        with self.runtime(context) as run:
            now = utc_now()
            trigger = _trigger(context)
            intake = take_in(
                run.policy,
                run.run_id,
                direct=_direct_events(context, run, trigger, now),
                ledger=run.ledger,
                trigger=trigger,
                now=now,
            )
            for event in intake.events:
                self.log.info("Event %s (%s) of %s: %s", event.event_id, event.kind, event.occurred_at, event.summary)
            if not intake.events:
                run.ledger.finish_run(run.run_id, "nothing_to_do", "every waiting event was taken by another run", now)
                raise AirflowSkipException("Every waiting event was taken by another run: nothing to do")
            return intake.to_json()


def _trigger(context: Context) -> str:
    """How the run was started: Airflow's word for it, or ``inbox`` when Setpoint started it itself."""
    dag_run = context["dag_run"]
    return "inbox" if started_for(dag_run.conf) else str(getattr(dag_run.run_type, "value", dag_run.run_type))


def _direct_events(context: Context, run: Runtime, trigger: str, now: datetime) -> list[Event]:
    """The events that reached this very run and are in no inbox yet.

    :raises AirflowFailException: the run's conf cannot be read; it lists every problem, and a retry would not help.
    """
    dag_run, policy = context["dag_run"], run.policy.name
    if trigger in ("manual", "operator_triggered"):
        try:
            event = manual_event(
                policy,
                dict(context["params"]),
                run_id=run.run_id,
                requested_by=dag_run.triggering_user_name or "",
                at=dag_run.run_after,
                received_at=now,
            )
        except EventError as error:
            raise AirflowFailException(str(error)) from error
        return [event]
    found = _posted_events(context, run, now) + asset_updates(run.policy, run.ledger, now, LOOK_BACK)
    if trigger in ("scheduled", "backfill"):
        found.append(schedule_event(policy, run_id=run.run_id, at=dag_run.run_after, received_at=now))
    return found


def _posted_events(context: Context, run: Runtime, now: datetime) -> list[Event]:
    """Asset events that somebody posted through the REST API; one that cannot be read goes to the ledger's rejects.

    Airflow gives a run the events that triggered it, but strands the tail of a burst in no run at all
    (apache/airflow#56050). So the asset's own events are read, a while back; the inbox knows which are new.
    """
    found = []
    for asset in context["inlet_events"]:
        posted = context["inlet_events"][asset].after((now - LOOK_BACK).isoformat()).limit(1000)
        for one in posted:
            extra = dict(one.extra or {})
            if not was_posted(extra):
                continue
            try:
                event = asset_event(run.policy.name, extra, asset_event_id=one.id, at=one.timestamp, received_at=now)
            except EventError as error:
                run.ledger.reject_message(
                    message_id=str(one.id),
                    source=f"asset {asset.name}",
                    code=error.code,
                    text=str(error),
                    body=json.dumps(extra),
                    received_at=now,
                )
            else:
                found.append(event)
    return found
