"""Events over HTTP, from the command line and from another Dag, on a real API server, scheduler and triggerer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from setpoint.cli.main import app
from setpoint.model import Action

pytestmark = pytest.mark.live

TOKEN = "the-token-of-the-live-webhook"


def post(live: Any, body: Any, token: str = TOKEN) -> httpx.Response:
    """POST to the webhook of the running API server."""
    url = f"{live.stack.settings.api_url}/setpoint/events/hook"
    return httpx.post(url, json=body, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=30)


def test_a_posted_event_becomes_a_run(live: Any) -> None:
    """From POST to the decision: the ledger has it before the answer, the policy runs, and the receipt balances."""
    began = datetime.now(UTC)
    body = {"policy": "hook", "id": "live-1", "request": {"wanted_units": 5, "reason": "posted"}}

    answer = post(live, body)

    assert answer.status_code == 202, answer.text
    assert (answer.json()["fate"], answer.json()["woken"]) == ("accepted", ["hook"])
    (decision,) = live.until(lambda: live.ledger.decisions_since(began, policy="hook"), "a decision")
    assert (decision.action, decision.to_units) == (Action.SCALE_OUT, 5)
    assert "posted" in decision.reasons[0].text
    live.until(lambda: live.desired("hook") == 5, "the capacity in AWS")
    assert post(live, body).json()["fate"] == "duplicate"
    books = live.until(
        lambda: next(
            iter([one for one in [live.ledger.accounting(began, source="webhook:hook")] if one.acted_on]), None
        ),
        "the event's run to end",
    )
    assert (books.receipts, books.acted_on, books.duplicate, books.missing) == (2, 1, 1, 0)


def test_nobody_else_gets_in(live: Any) -> None:
    """Neither with another token, nor with an Airflow login, though the API server lets everybody else in."""
    for token in ("wrong", TOKEN + "x"):
        assert post(live, {"policy": "hook", "id": "evil"}, token).status_code == 401
    unknown = f"{live.stack.settings.api_url}/setpoint/events/nobody"
    assert httpx.post(unknown, json={}, trust_env=False).status_code == 404
    assert live.ledger.message_story("json:id:hook:evil") is None


def test_what_the_command_puts_in_the_ledger_becomes_a_run(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody wakes the policy but its own stream, which looks every second: no queue is involved."""
    monkeypatch.setenv("SETPOINT_POLICIES", str(live.policies))
    monkeypatch.setenv("SETPOINT_LEDGER_URL", f"sqlite:///{live.policies.parent / 'data' / 'ledger.db'}")
    arguments = ["event", "send", "--policy", "hook", "--wanted-units", "4", "--dry-run", "--json"]

    sent = CliRunner().invoke(app, arguments, catch_exceptions=False)

    assert sent.exit_code == 0, sent.output
    receipt_id = json.loads(sent.stdout)["see"].rpartition(" ")[2]

    def evaluated() -> bool:
        story = live.ledger.message_story(receipt_id)
        return story.events[0].journeys[0].state in ("acted", "held")

    live.until(evaluated, "the request's run to end")


def test_the_command_starts_a_run_through_airflow(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the REST API, as the trigger form does; the same id again starts no second run, and limits are a no."""
    monkeypatch.setenv("SETPOINT_POLICIES", str(live.policies))
    arguments = ["event", "send", "--policy", "hook", "--via", "airflow", "--airflow-url"]
    arguments += [live.stack.settings.api_url, "--dry-run", "--json"]
    for _ in range(2):
        sent = CliRunner().invoke(app, [*arguments, "--id", "by-command"], catch_exceptions=False)
        assert sent.exit_code == 0, sent.output
    run = live.api.wait_for_run("setpoint.hook", "by-command")
    assert run["conf"] == {"dry_run": True}
    refused = CliRunner().invoke(app, [*arguments, "--wanted-units", "999"], catch_exceptions=False)
    assert refused.exit_code == 1
    assert "20" in refused.output


def test_another_dags_data_has_capacity_ready(live: Any) -> None:
    """Somebody's Dag writes its asset, and the fleet grows for a reason that names that Dag and its run."""
    run = live.api.trigger("load_orders")

    (decision,) = live.until(lambda: live.ledger.decisions_since(live.began, policy="landed"), "a decision")

    assert (decision.action, decision.from_units, decision.to_units) == (Action.SCALE_OUT, 3, 6)
    assert "asset live-orders was updated by load_orders" in decision.reasons[0].text
    assert run["dag_run_id"] in decision.reasons[0].text
    live.until(lambda: live.desired("landed") == 6, "the capacity in AWS")
    assert live.capacity_calls("landed") == 1
