"""Updates of other Dags' assets as events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from setpoint.events.assets import asset_updated
from setpoint.model import Request
from setpoint.policy.assets import AssetTrigger
from setpoint.strategies.requested import propose_requested
from setpoint.testing.values import a_state

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BY = {"source_dag_id": "load_orders", "source_task_id": "load", "source_run_id": "manual__1"}


def test_an_update_names_the_dag_that_made_it() -> None:
    """Who is on call sees which asset, which Dag and which run."""
    event = asset_updated(
        "web", AssetTrigger(name="orders"), asset_event_id=7, at=AT, received_at=AT + timedelta(seconds=1), **BY
    )
    assert event.summary == "asset orders was updated by load_orders (load, run manual__1)"
    assert (event.kind, event.policy, event.occurred_at, event.request) == ("asset", "web", AT, None)
    assert event.payload["source_run_id"] == "manual__1"


def test_the_same_update_is_the_same_event() -> None:
    """Its identity is the asset event's, for each policy; Airflow's ids start over, so its moment counts too."""

    def identity(policy: str, number: int, at: datetime) -> str:
        return asset_updated(
            policy, AssetTrigger(uri="s3://lake/orders"), asset_event_id=number, at=at, received_at=AT
        ).event_id

    assert identity("web", 7, AT) == identity("web", 7, AT)
    others = {identity("web", 8, AT), identity("web", 7, AT + timedelta(days=1)), identity("api", 7, AT)}
    assert len(others | {identity("web", 7, AT)}) == 4


def test_capacity_that_is_to_be_ready_is_a_request() -> None:
    """With ``at_least`` the update asks for that much, and says why."""
    event = asset_updated("web", AssetTrigger(name="orders", at_least=8), asset_event_id=7, at=AT, received_at=AT, **BY)
    assert event.request is not None
    assert (event.request.at_least_units, event.request.wanted_units) == (8, None)
    few = propose_requested(event.request, a_state(desired=4))
    many = propose_requested(event.request, a_state(desired=12))
    assert (few.to_units, many.to_units) == (8, 12)
    assert few.reasons[0].text.startswith(
        "at least 8 instances, asked for by triggers.assets: asset orders was updated"
    )
    assert many.reasons[0].text.startswith("at least 8 instances, and it has 12, asked for")


def test_text_of_another_dag_stays_data() -> None:
    """Long and hostile names are cut and kept on one line."""
    trigger = AssetTrigger(name="{{ 7 * 7 }}\n" + "x" * 1000, at_least=3)
    event = asset_updated("web", trigger, asset_event_id="1", at=AT, received_at=AT, source_dag_id="d" * 3000)
    assert "\n" not in event.summary
    assert event.summary.startswith("asset {{ 7 * 7 }} ")
    assert len(event.summary) <= 1000


@pytest.mark.parametrize(
    "section",
    [{}, {"name": "a", "uri": "s3://a"}, {"name": ""}, {"name": "setpoint-web"}, {"name": "a", "at_least": 0}],
)
def test_an_asset_is_named_in_one_way(section: dict[str, object]) -> None:
    """By name or by URI, never one of Setpoint's own, and never for no capacity."""
    with pytest.raises(ValidationError):
        AssetTrigger.model_validate(section)


def test_a_request_wants_one_thing() -> None:
    """Exactly a capacity and at least a capacity contradict each other."""
    with pytest.raises(ValidationError):
        Request(wanted_units=3, at_least_units=4)
    assert [one.wants_capacity for one in (Request(), Request(wanted_units=0), Request(at_least_units=1))] == [
        False,
        True,
        True,
    ]
