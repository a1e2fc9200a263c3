"""Opening envelopes: SNS or raw, and everything a body can be that is not an event."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.events.contract import EventError
from setpoint.events.envelope import MAX_BYTES, MAX_DEPTH, open_envelope, parse_object
from setpoint.events.rejects import REJECTS

Messages = Callable[[str], dict[str, Any]]


def _open(body: str) -> Any:
    return open_envelope(body, message_id="sqs-1", source="queue")


def test_the_key_that_stands_twice_is_named_in_a_large_object() -> None:
    """The first that is repeated is the one told, among as many keys as a message can carry."""
    keys = [f'"{number:x}":0' for number in range(25_000)]
    assert len(parse_object("{" + ",".join(keys) + "}", what="it")) == 25_000
    with pytest.raises(EventError, match="the key '61a6' stands twice"):
        parse_object("{" + ",".join([*keys[:-1], keys[24_998], keys[7]]) + "}", what="it")


def test_a_raw_message_keeps_the_queues_identity() -> None:
    """Without an SNS envelope the content is the body and the identity is the queue's."""
    letter = _open('{"policy": "web"}')
    assert (letter.content, letter.message_id, letter.source) == ({"policy": "web"}, "sqs-1", "queue")


def test_an_sns_notification_is_opened(in_sns: Callable[..., str], message: Messages) -> None:
    """What was published comes out, under SNS's identity of the publication, from its topic."""
    letter = _open(in_sns(message("cloudwatch.alarm/metric")))
    assert letter.content == message("cloudwatch.alarm/metric")
    assert letter.message_id == "63a3f6b6-d533-4a47-aef9-fcf5cf758c76"
    assert letter.source == "arn:aws:sns:eu-west-1:123456789012:setpoint-alarms"


@pytest.mark.parametrize("named", ["", "x" * 101])
def test_an_identity_that_cannot_be_snss_is_not_taken(named: str) -> None:
    """It would make an event's own too long; the queue's identity stands in, so the text is read all the same."""
    body = {"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:a", "MessageId": named}
    letter = _open(json.dumps({**body, "Message": "AWS Budget Notification August 1, 2026"}))
    assert (letter.message_id, letter.source) == ("sqs-1", "arn:aws:sns:eu-west-1:1:a")


def test_an_object_that_only_looks_like_sns_is_left_alone() -> None:
    """A key named Type alone does not make an SNS envelope."""
    assert _open('{"Type": "Notification", "policy": "web"}').content["policy"] == "web"


def test_a_subscription_message_says_what_to_do(message: Messages) -> None:
    """SNS's own messages are refused with the way out."""
    with pytest.raises(EventError, match="confirm the subscription") as caught:
        _open(json.dumps(message("sns_subscription")))
    assert caught.value.code == "sns_control"


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ("", "not_json", "not JSON"),
        ("ALARM: web is slow", "not_json", "it begins 'ALARM: web is slow'"),
        ("[1, 2]", "not_json", "a JSON array"),
        ('"text"', "not_json", "a JSON string"),
        ("null", "not_json", "a JSON null"),
        ("4711", "not_json", "a JSON number"),
        ('{"n": ' + "9" * 5000 + "}", "not_json", "a whole number in it has thousands of digits; it begins"),
        ('{"policy": NaN}', "not_json", "JSON has no NaN"),
        ('{"policy": "a", "policy": "b"}', "not_json", "'policy' stands twice"),
        ('{"policy": "a\\u0000b"}', "bad_text", "$.policy"),
        ('{"a\\u0000b": 1}', "bad_text", "(key)"),
        ('{"targets": ["ok", "\\ud800"]}', "bad_text", "$.targets[1]"),
        ("[" * 100_000, "too_deep", "deeper"),
        ('{"a":' * (MAX_DEPTH + 2) + "1" + "}" * (MAX_DEPTH + 2), "too_deep", f"deeper than {MAX_DEPTH}"),
        ('{"a": "' + "x" * 300_000 + '"}', "too_large", "262,144"),
        ('{"a": "' + "é" * (MAX_BYTES // 2) + '"}', "too_large", "262,144"),
    ],
)
def test_what_is_no_event_is_refused_with_its_reason(body: str, code: str, says: str) -> None:
    """Each way of not being a JSON object has its code, and its text says what is wrong."""
    with pytest.raises(EventError) as caught:
        _open(body)
    assert caught.value.code == code
    assert says in str(caught.value)


def test_a_broken_message_inside_sns_names_the_place(in_sns: Callable[..., str]) -> None:
    """The error says that it is the notification's Message that is not JSON."""
    with pytest.raises(EventError, match="SNS notification's Message is not JSON"):
        _open(in_sns("Verification"))


def test_the_largest_message_is_read() -> None:
    """A body of exactly the limit is not too large."""
    body = '{"a": "' + "x" * (MAX_BYTES - 9) + '"}'
    assert len(body) == MAX_BYTES
    assert _open(body).content["a"].startswith("x")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")) | _json.map(json.dumps))
def test_no_body_crashes_the_opening(body: str) -> None:
    """Any text at all is opened or refused with a listed code."""
    refused: EventError | None = None
    try:
        letter = _open(body)
    except EventError as error:
        refused = error
    assert refused.code in REJECTS if refused else isinstance(letter.content, dict)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_text_comes_through_unchanged(text: str) -> None:
    """Whatever a text says, template or markup or shell, it is the same text afterwards."""
    assert _open(json.dumps({"summary": text})).content["summary"] == text
