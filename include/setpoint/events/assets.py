"""Events of ``kind: asset``: another Dag has updated an asset that the policy names."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import JsonValue

from setpoint.events.texts import one_line
from setpoint.model import Event, Request, digest
from setpoint.policy.assets import AssetTrigger

_MOST_REASON = 500


def asset_updated(
    policy: str,
    trigger: AssetTrigger,
    *,
    asset_event_id: int | str,
    at: datetime,
    received_at: datetime,
    source_dag_id: str | None = None,
    source_task_id: str | None = None,
    source_run_id: str | None = None,
) -> Event:
    """An update of an asset, as an event of a policy. With ``at_least`` it asks for that capacity.

    :param trigger: how the policy names the asset.
    :param asset_event_id: Airflow's id of the asset event. It starts over when Airflow's metadata is reset, so it is
        the event's identity only together with ``at``.
    :param at: when the asset was updated.
    :param source_dag_id: the Dag that updated it; ``None`` when somebody posted the update through the REST API.
    """
    what = one_line(f"asset {trigger}", 300)
    by = f"{source_dag_id} ({source_task_id}, run {source_run_id})" if source_dag_id else "a call of the REST API"
    summary = one_line(f"{what} was updated by {by}")
    payload: dict[str, JsonValue] = {
        "asset": one_line(str(trigger), 300),
        "asset_event_id": str(asset_event_id),
        "source_dag_id": source_dag_id,
        "source_run_id": source_run_id,
    }
    request = None
    if trigger.at_least is not None:
        request = Request(
            at_least_units=trigger.at_least, reason=one_line(summary, _MOST_REASON), requested_by="triggers.assets"
        )
    return Event(
        event_id=f"asset:{policy}:{digest(f'{asset_event_id} {at.astimezone(UTC).isoformat()}')}",
        kind="asset",
        source=what,
        policy=policy,
        occurred_at=at,
        received_at=received_at,
        summary=summary,
        payload=payload,
        request=request,
    )
