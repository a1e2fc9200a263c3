"""Plain JSON chosen by its content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from setpoint.events.plain_json import PlainJson, PlainJsonConfig
from setpoint.model import Event

Messages = Callable[[str], dict[str, Any]]
Read = Callable[..., tuple[Event, ...]]


def trigger(**options: Any) -> PlainJsonConfig:
    """A policy's trigger on plain JSON."""
    return PlainJsonConfig.model_validate({"kind": "json", "queue": "q", **options})


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ({"$.data.waiting": {"above": 1000}}, True),
        ({"$.data.waiting": {"above": 1000}, "$.data.region": "eu-west-1"}, True),
        ({"$.data.waiting": {"above": 5000}}, False),
        ({"$.summary": {"prefix": "the checkout"}}, True),
        ({"$.waiting": 4180}, False),
    ],
)
def test_a_message_without_address_is_wanted_by_its_content(
    where: dict[str, Any], wanted: bool, message: Messages, read: Read
) -> None:
    """Paths begin at the message, as its sender wrote it."""
    (event,) = read(message("json/content"))
    assert PlainJson.wanted(event, trigger(where=where)) is wanted


def test_content_alone_wakes_nobody_who_did_not_ask(message: Messages, read: Read) -> None:
    """Without ``where`` a trigger wants what names a policy or a target, and nothing else."""
    (content,), (addressed,) = read(message("json/content")), read(message("json/request"))
    assert not PlainJson.wanted(content, trigger())
    assert PlainJson.wanted(addressed, trigger())


def test_an_address_does_not_stand_in_for_the_content(message: Messages, read: Read) -> None:
    """A trigger with ``where`` holds for messages that name the policy, too."""
    (event,) = read({**message("json/request"), "data": {"stage": "prod"}})
    assert PlainJson.wanted(event, trigger(where={"$.data.stage": "prod", "$.targets": "storefront-web"}))
    assert not PlainJson.wanted(event, trigger(where={"$.data.stage": "test"}))


@pytest.mark.parametrize("data", [0, False, "text", [1], {"a": {"b": None}}])
def test_data_is_any_json(data: Any, read: Read) -> None:
    """Whatever the sender knows, of any type."""
    (event,) = read({"data": data})
    assert event.payload == {"data": data}


def test_an_object_with_data_and_foreign_keys_is_not_taken_for_ours(read: Read) -> None:
    """Many senders have a key named data; ours has no others but those it knows."""
    with pytest.raises(ValueError, match="no event kind recognises"):
        read({"data": {}, "event": "order"})
