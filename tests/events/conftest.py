"""Messages as AWS documents them, and policies that want them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import setpoint.events.examples
from setpoint.events.contract import EventConfig
from setpoint.events.intake import event_kinds, read_message
from setpoint.model import Event

_MESSAGES = Path(__file__).with_name("messages")
_EXAMPLES = Path(setpoint.events.examples.__file__).parent
RECEIVED_AT = datetime(2026, 3, 1, 12, 0, 50, tzinfo=UTC)


@pytest.fixture
def received_at() -> datetime:
    """When every message of a test arrived."""
    return RECEIVED_AT


@pytest.fixture
def message() -> Callable[[str], dict[str, Any]]:
    """A documented message: an envelope by its file's name, a kind's example as ``cloudwatch.alarm/metric``."""

    def load(name: str) -> dict[str, Any]:
        folder = _EXAMPLES if "/" in name else _MESSAGES
        content: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        return content

    return load


@pytest.fixture
def in_sns(message: Callable[[str], dict[str, Any]]) -> Callable[..., str]:
    """The body SNS puts on a queue for something published to a topic."""

    def wrap(published: dict[str, Any] | str, message_id: str | None = None) -> str:
        envelope = message("sns_notification")
        envelope["Message"] = published if isinstance(published, str) else json.dumps(published)
        if message_id:
            envelope["MessageId"] = message_id
        return json.dumps(envelope)

    return wrap


@pytest.fixture
def read() -> Callable[..., tuple[Event, ...]]:
    """Read a body as the intake does, with every registered kind."""
    kinds = event_kinds()

    def read_body(body: str | dict[str, Any], message_id: str = "sqs-1") -> tuple[Event, ...]:
        text = body if isinstance(body, str) else json.dumps(body)
        return read_message(text, message_id=message_id, source="sqs:test", received_at=RECEIVED_AT, kinds=kinds)

    return read_body


@pytest.fixture
def policy() -> Callable[..., Any]:
    """What routing looks at of a policy: its name, the names of its targets, its event triggers."""

    def make(
        name: str,
        *triggers: EventConfig,
        targets: tuple[str, ...] = (),
        connection: str = "aws_default",
        region: str | None = None,
    ) -> Any:
        return SimpleNamespace(
            name=name,
            targets=SimpleNamespace(names=lambda: targets, connection=connection, region=region),
            triggers=SimpleNamespace(
                events=triggers, debounce=timedelta(seconds=10), max_event_age=timedelta(minutes=15)
            ),
        )

    return make
