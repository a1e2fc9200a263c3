"""What ``setpoint doctor`` says of the webhook."""

from __future__ import annotations

from pathlib import Path

import pytest
from webhook_parts import Webhook

from setpoint.cli.checks.senders import check_senders
from setpoint.policy.loader import load_policies


def told(policies: Path, url: str | None = None) -> dict[str, tuple[str, str]]:
    """The findings: check to status and text."""
    valid = [one.policy for one in load_policies(policies).policies]
    return {one.check: (one.status.value, one.text) for one in check_senders(valid, url)}


def test_senders_that_can_get_in_are_told_from_those_that_cannot(webhook: Webhook, policies: Path) -> None:
    """A secret that is missing, a policy that hears nobody, a sender nobody hears; and whether anybody serves it."""
    found = told(policies, webhook.url.removesuffix("/setpoint"))
    assert found["webhook sender tool"] == ("ok", "bearer, heard by web")
    assert found["webhook sender aws"][0] == "ok"
    assert found["webhook sender forgotten"][0] == "fail"
    assert found["webhook"][0] == "ok"
    webhook.senders_file.write_text("version: 1\nsenders: {tool: {auth: bearer}, spare: {auth: sns, topics: []}}\n")
    assert [status for status, _ in told(policies).values()] == ["fail"]
    topic = "arn:aws:sns:eu-west-1:123456789012:x"
    webhook.senders_file.write_text(f"version: 1\nsenders: {{spare: {{auth: sns, topics: ['{topic}']}}}}\n")
    found = told(policies, "http://127.0.0.1:9")
    assert found["webhook sender spare"] == ("warn", "no policy listens to it")
    assert "web listens to it" in found["webhook sender tool"][1]
    assert found["webhook"][0] == "fail"


def test_the_webhook_is_looked_for_where_airflow_says_it_is(
    webhook: Webhook, policies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an address on the command line, the API server's own; and none is guessed where Airflow names none."""
    monkeypatch.delenv("AIRFLOW__API__BASE_URL", raising=False)
    monkeypatch.delenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", raising=False)
    assert "webhook" not in told(policies)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", webhook.url.removesuffix("/setpoint"))
    assert told(policies)["webhook"][0] == "ok"


def test_without_a_webhook_there_is_nothing_to_say(policies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment of queues alone is not told about senders."""
    for file in policies.glob("*.yaml"):
        if file.stem != "queued":
            file.unlink()
    assert told(policies, "http://127.0.0.1:9") == {}
