"""Event: drain the policy's inbox."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException
from setpoint.events.manual import from_asset_event, from_request, from_schedule

from setpoint.model import Event
from setpoint.steps.intake import take_in
from setpoint_airflow.operators.base import PolicyOperator
from setpoint_airflow.runtime import utc_now


class TakeEventsOperator(PolicyOperator):
    """Take the events this run is about: from the inbox, the trigger form, the schedule, or an asset event over REST.

    A run that was woken for events another run already took has nothing to do and skips the rest.
    """

    ui_color = "#dbeafe"

    def execute(self, context: Context) -> dict[str, Any]:
        with self.runtime(context) as run:
            now = utc_now()
            trigger = str(getattr(context["dag_run"].run_type, "value", context["dag_run"].run_type))
            intake = take_in(
                run.policy,
                run.run_id,
                direct=_direct_events(context, run.policy.name, trigger),
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


def _direct_events(context: Context, policy: str, trigger: str) -> list[Event]:
    """The events that reached this very run and are in no inbox yet."""
    now, run = utc_now(), context["dag_run"]
    if trigger == "manual":
        user = getattr(run, "triggering_user_name", None) or ""
        return [from_request(policy, run.run_id, dict(context["params"]), user, now)]
    if trigger in ("scheduled", "backfill"):
        return [from_schedule(policy, run.run_id, run.run_after, now)]
    found = []
    for events in (context.get("triggering_asset_events") or {}).values():
        for event in events:
            extra = dict(event.extra or {})
            if extra.get("from_rest_api"):
                found.append(from_asset_event(policy, event.asset.uri, event.timestamp, extra, now))
    return found
