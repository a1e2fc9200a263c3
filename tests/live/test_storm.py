"""A storm of messages through the real stack: bounded work, and a balance of zero."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from setpoint.lab.provision import client
from setpoint.testing.storm import make_storm

pytestmark = pytest.mark.live

MESSAGES = 600
POLICIES = tuple(f"storm-{number}" for number in range(1, 7))


def test_a_storm_balances_to_zero(live: Any) -> None:
    """Six hundred messages over six policies, repeated, bad and stray ones among them: each is in the ledger once."""
    storm, sqs, since = make_storm(MESSAGES, POLICIES), client("sqs", live.lab.url), datetime.now(UTC)
    for start in range(0, MESSAGES, 10):
        entries = [
            {"Id": str(place), "MessageBody": body} for place, body in enumerate(storm.bodies[start : start + 10])
        ]
        sqs.send_message_batch(QueueUrl=live.storm_url, Entries=entries)

    def books() -> Any:
        return live.ledger.accounting(since, source=live.storm_url)

    live.until(lambda: books().receipts >= MESSAGES, "every message in the ledger", seconds=120)
    live.until(lambda: books().waiting == 0, "every event evaluated", seconds=240)

    assert storm.disagreements(books()) == []
    # A run is made for a policy and a debounce window, not for a message.
    assert books().acted_on * 4 < storm.wanted
    assert {one.policy for one in live.ledger.decisions_since(since) if one.policy in POLICIES} == set(POLICIES)
