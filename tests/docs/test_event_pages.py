"""The pages of the event kinds show a trigger with every option of the kind, and a message that the kind reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from doc_pages import REPOSITORY, blocks

from setpoint.events import EVENTS
from setpoint.events.contract import EventConfig
from setpoint.policy.schema import Triggers

KINDS = list(EVENTS)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def page_of(kind: str) -> Path:
    """The kind's page."""
    return REPOSITORY / "docs" / "events" / f"{kind}.md"


@pytest.mark.parametrize("kind", KINDS)
def test_the_trigger_shown_is_valid_and_has_every_option(kind: str) -> None:
    """What a reader copies is accepted, and no filter option is missing from it."""
    (shown,) = [block for block in blocks("yaml") if block.page == page_of(kind)]
    section = yaml.safe_load(shown.text)["triggers"]
    Triggers.model_validate(section)
    options = set(EVENTS.load(kind).Config.model_fields) - set(EventConfig.model_fields)
    assert options <= {key for trigger in section["events"] for key in trigger}
    assert {trigger["kind"] for trigger in section["events"]} == {kind}


@pytest.mark.parametrize("kind", KINDS)
def test_the_message_shown_is_one_of_the_kinds_examples(kind: str) -> None:
    """It is read as the kind's own examples are, which are the documented messages."""
    (shown,) = [block for block in blocks("json") if block.page == page_of(kind)]
    implementation = EVENTS.load(kind)
    message = json.loads(shown.text)
    assert message in list(implementation.examples().values())
    assert implementation.parse(message, message_id="m", source="s", received_at=NOW)


def test_the_index_leads_to_every_kind() -> None:
    """A kind that is registered stands in the table of kinds, with its page."""
    index = (REPOSITORY / "docs" / "events" / "README.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"[`{kind}`]({kind}.md)" not in index] == []
