"""Alerts of AWS Budgets, which come as plain English."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from setpoint.events.budgets import BudgetAlert, BudgetsConfig
from setpoint.events.contract import EventError
from setpoint.model import Event

Messages = Callable[[str], dict[str, Any]]
Read = Callable[..., tuple[Event, ...]]


def wants(event: Event, /, **options: Any) -> bool:
    """Whether a trigger with these options wants it."""
    return BudgetAlert.wanted(event, BudgetsConfig(kind="aws.budgets", queue="q", **options))


def test_an_alert_is_read(message: Messages, read: Read) -> None:
    """Name, amounts, share and time come out of the text and its notification."""
    (event,) = read(message("aws.budgets/actual"))
    assert event.event_id == "aws.budgets:0da238f6-da6c-5214-96e1-635d27a9b79b"
    assert event.source == "arn:aws:sns:us-east-1:123456789012:budget-alerts"
    assert event.occurred_at == datetime(2026, 3, 1, 9, 20, 37, 147_000, tzinfo=UTC)
    assert event.summary == "budget storefront-monthly: ACTUAL $2,437.12 of $3,000.00, alert at > $2,400.00"
    assert event.payload == {
        "budget": "storefront-monthly",
        "budget_type": "Cost",
        "alert_type": "ACTUAL",
        "budgeted": "$3,000.00",
        "threshold": "> $2,400.00",
        "amount": "$2,437.12",
        "percent_of_budget": 81.24,
        "account": "123456789012",
    }


def test_a_forecast_is_told_from_what_is_spent(message: Messages, read: Read) -> None:
    """The amount is that of the alert's own type."""
    (event,) = read(message("aws.budgets/forecasted"))
    assert (event.payload["alert_type"], event.payload["amount"]) == ("FORECASTED", "$3,310.50")
    assert event.payload["percent_of_budget"] == 110.35


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, True),
        ({"budget": "storefront-*"}, True),
        ({"budget": "backoffice-*"}, False),
        ({"alert_types": ["FORECASTED"]}, False),
        ({"minimum_percent": 81.24}, True),
        ({"minimum_percent": 90}, False),
    ],
)
def test_alerts_are_wanted_by_budget_type_and_share(
    options: dict[str, Any], wanted: bool, message: Messages, read: Read
) -> None:
    """Every alert is wanted unless more is said."""
    (event,) = read(message("aws.budgets/actual"))
    assert wants(event, **options) is wanted


@pytest.mark.parametrize("budgeted", ["$0.00", "unlimited", ""])
def test_an_alert_whose_share_cannot_be_told_is_wanted(budgeted: str, message: Messages, read: Read) -> None:
    """No number is made up, and the alert is not lost for it: the metrics decide."""
    body = message("aws.budgets/actual")
    body["Message"] = body["Message"].replace("Budgeted Amount: $3,000.00", f"Budgeted Amount: {budgeted}")
    (event,) = read(body)
    assert event.payload["percent_of_budget"] is None
    assert wants(event, minimum_percent=99)


def test_the_text_alone_is_read_too(message: Messages, read: Read) -> None:
    """With raw message delivery the notification around it is missing: time and identity are the queue's."""
    (event,) = read(message("aws.budgets/actual")["Message"], "sqs-9")
    assert event.event_id == "aws.budgets:sqs-9"
    assert event.occurred_at == event.received_at


def test_a_text_that_says_no_budget_is_refused(message: Messages, read: Read) -> None:
    """Every line that is missing is named."""
    body = message("aws.budgets/actual")
    body["Message"] = "AWS Budget Notification March 01, 2026\nAlert Type: ACTUAL\n"
    with pytest.raises(EventError, match="begins Budget Name: , Budget Type: ") as caught:
        read(body)
    assert caught.value.code == "invalid"


def test_any_other_text_of_sns_is_still_refused_as_no_json(in_sns: Callable[..., str], read: Read) -> None:
    """Only the texts that AWS sends are read."""
    with pytest.raises(EventError) as caught:
        read(in_sns("The budget is gone"))
    assert caught.value.code == "not_json"


def test_a_huge_alert_is_bounded(message: Messages, read: Read) -> None:
    """Size is checked for texts as for JSON, and what is kept is short."""
    body = message("aws.budgets/actual")
    name = "n" * 10_000
    (event,) = read(json.dumps({**body, "Message": body["Message"].replace("storefront-monthly", name)}))
    assert len(json.dumps(event.payload)) < 1000
    with pytest.raises(EventError) as caught:
        read("AWS Budget Notification " + "x" * 300_000)
    assert caught.value.code == "too_large"
