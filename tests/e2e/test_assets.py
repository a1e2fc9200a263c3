"""Pre-scaling: somebody else's data lands, and the policy's Dag has capacity ready before it is needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from setpoint.model import Action, ChangeState


def lands(name: str, *, at: datetime | None = None) -> None:
    """The asset is updated, as Airflow records it when another Dag's task has written it."""
    from airflow.models.asset import AssetActive, AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        asset = session.scalar(select(AssetModel).where(AssetModel.name == name))
        if asset is None:
            asset = AssetModel(name=name, uri=f"s3://lake/{name}")
            session.add(asset)
            session.flush()
            session.add(AssetActive(name=asset.name, uri=asset.uri))
        moment = {} if at is None else {"timestamp": at}
        session.add(
            AssetEvent(
                asset_id=asset.id,
                extra={},
                source_dag_id="load_orders",
                source_task_id="load",
                source_run_id="manual__1",
                source_map_index=-1,
                **moment,
            )
        )


def test_data_that_lands_has_capacity_ready(fleet: Any, woken_by_asset: None) -> None:
    """CPU is ordinary, yet the fleet goes from 3 to 5, for a reason that names the Dag; once."""
    fleet.policy(triggers={"assets": [{"name": f"orders-{fleet.name}", "at_least": 5}]})
    fleet.live()
    lands(f"orders-{fleet.name}")

    run = fleet.run()

    (decision,) = fleet.ledger.decisions_of(run)
    assert (decision.action, decision.from_units, decision.to_units) == (Action.SCALE_OUT, 3, 5)
    assert "load_orders" in decision.reasons[0].text
    (event,) = fleet.ledger.events_of(run)
    assert (event.event.kind, event.event.payload["source_dag_id"]) == ("asset", "load_orders")
    (change,) = fleet.ledger.changes_of(run)
    assert change.state is ChangeState.SETTLED
    assert (fleet.desired, len(fleet.capacity_calls)) == (5, 1)

    again = fleet.run()

    assert fleet.ledger.decisions_of(again) == ()
    assert fleet.ledger.run(again).state == "nothing_to_do"
    assert len(fleet.capacity_calls) == 1


def test_data_of_an_hour_ago_is_too_old_to_act_on(fleet: Any, woken_by_asset: None) -> None:
    """It is in the ledger as such, and an asset that nobody ever made keeps the policy from nothing."""
    assets = [{"uri": f"s3://lake/old-{fleet.name}", "at_least": 5}, {"name": f"never-{fleet.name}"}]
    fleet.policy(triggers={"assets": assets})
    fleet.live()
    lands(f"old-{fleet.name}", at=datetime.now(UTC) - timedelta(minutes=40))

    run = fleet.run()

    assert fleet.ledger.run(run).state == "nothing_to_do"
    assert (fleet.desired, fleet.capacity_calls) == (3, [])
    (receipt,) = [one for one in fleet.ledger.receipts(fate="too_old") if fleet.name in one.source]
    assert receipt.source == f"asset s3://lake/old-{fleet.name}"
