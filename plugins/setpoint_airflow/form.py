"""The trigger form of a policy's Dag, and what starts it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, DeltaTriggerTimetable, Param

from setpoint_airflow.watch import any_of, policy_assets, their_assets

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy


def trigger_form(policy: Policy) -> dict[str, Param]:
    """What a person may ask for. Each field is checked before a task runs; REST answers 400 with what is right."""
    limits, names = policy.limits, list(policy.targets.names())
    fleet = {"type": "string", "minLength": 1, "maxLength": 255} | ({"enum": names} if names else {})
    return {
        # The UI asks for every field whose type does not allow null.
        "targets": Param(
            None,
            type=["null", "array"],
            items=fleet,
            uniqueItems=True,
            title="Targets",
            description="Only these targets, one a line. Leave empty for the whole fleet"
            + (f": {', '.join(names)}." if names else "."),
        ),
        "wanted_units": Param(
            None,
            type=["null", "integer"],
            minimum=limits.min,
            maximum=limits.max,
            title="Wanted capacity",
            description=f"{limits.min} to {limits.max}. Leave empty to let the metrics decide. "
            "The gate and the guards count either way.",
        ),
        "dry_run": Param(
            policy.dry_run,
            type="boolean",
            title="Dry run",
            description="Decide and record, change nothing.",
            **({"const": True} if policy.dry_run else {}),
        ),
        "reason": Param(
            None,
            type=["null", "string"],
            maxLength=500,
            format="multiline",
            title="Reason",
            description="For the record, and for whoever is on call.",
        ),
    }


def schedule_of(policy: Policy) -> Any:
    """Events and the clock at once, either of them, or neither."""
    triggers = policy.triggers
    assets = any_of([*policy_assets(policy), *their_assets(policy)])
    timetable: CronTriggerTimetable | DeltaTriggerTimetable | None = None
    if triggers.every is not None:
        timetable = DeltaTriggerTimetable(triggers.every)
    elif triggers.cron is not None:
        timetable = CronTriggerTimetable(triggers.cron, timezone="UTC")
    return assets if timetable is None else AssetOrTimeSchedule(timetable=timetable, assets=assets)


START = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
"""A fixed past moment: Airflow wants one for a schedule, and nothing is caught up."""
