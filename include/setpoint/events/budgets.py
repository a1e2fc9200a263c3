"""``aws.budgets``: AWS Budgets says that spending, or a forecast of it, crossed an alert's threshold.

AWS Budgets publishes plain English to SNS, and no JSON: https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-sns-policy.html.
Read are the lines ``Budget Name:``, ``Budget Type:``, ``Budgeted Amount:``, ``Alert Type:``, ``Alert Threshold:`` and
``ACTUAL Amount:`` (or ``FORECASTED Amount:``) of a text that begins ``AWS Budget Notification``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field, JsonValue

from setpoint.events.contract import EventConfig, EventError
from setpoint.events.envelope import BUDGETS_TEXT
from setpoint.events.examples import packaged
from setpoint.events.texts import one_line, shown
from setpoint.events.vendor import Loose, Pattern, Text, like, read_as
from setpoint.model import Event, UtcDatetime

KIND = "aws.budgets"
AlertType = Literal["ACTUAL", "FORECASTED"]

_NEEDED = ("Budget Name", "Budget Type", "Alert Type")
_ACCOUNT = re.compile(r"^AWS Account ([0-9]{12})\s*$", re.MULTILINE)
_LINE = re.compile(r"^([A-Z][A-Za-z ]{1,40}): (.*)$", re.MULTILINE)
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


class BudgetsConfig(EventConfig):
    """``kind: aws.budgets``: which budgets' alerts."""

    kind: Literal["aws.budgets"]
    budget: Pattern = Field(default="*", description="the budget's name, with * and ? as wildcards")
    alert_types: tuple[AlertType, ...] = Field(
        default=("ACTUAL", "FORECASTED"), min_length=1, description="spent already, or expected to be spent"
    )
    minimum_percent: float = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="the least share of the budget, in percent; an alert without both amounts is always wanted",
    )


class _Told(Loose):
    Message: str
    Timestamp: UtcDatetime | None = None
    Subject: Text = ""


class BudgetAlert:
    """An alert of AWS Budgets. It names no target."""

    Config: ClassVar[type[BudgetsConfig]] = BudgetsConfig
    looks_like: ClassVar[str] = "an SNS notification whose text begins AWS Budget Notification"

    @staticmethod
    def examples() -> Mapping[str, Mapping[str, Any]]:
        return packaged(KIND)

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        text = body.get("Message")
        return isinstance(text, str) and text.startswith(BUDGETS_TEXT)

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        told = read_as(_Told, body, kind=KIND)
        lines = {key: value.strip() for key, value in _LINE.findall(told.Message)}
        missing = [f"{one}: " for one in _NEEDED if not lines.get(one)]
        if missing:
            raise EventError(
                "invalid",
                f"this {KIND} notification has no line that begins {', '.join(missing)}; "
                f"it begins {shown(told.Message[:80])}",
            )
        name, alert = lines["Budget Name"], lines["Alert Type"]
        amount = lines.get(f"{alert} Amount", "")
        payload: dict[str, JsonValue] = {
            "budget": one_line(name, 200),
            "budget_type": one_line(lines["Budget Type"], 100),
            "alert_type": one_line(alert, 50),
            "budgeted": one_line(lines.get("Budgeted Amount", ""), 100),
            "threshold": one_line(lines.get("Alert Threshold", ""), 100),
            "amount": one_line(amount, 100),
            "percent_of_budget": _percent(amount, lines.get("Budgeted Amount", "")),
            "account": account[1] if (account := _ACCOUNT.search(told.Message)) else "",
        }
        return [
            Event(
                event_id=f"{KIND}:{message_id}",
                kind=KIND,
                source=source,
                occurred_at=told.Timestamp or received_at,
                received_at=received_at,
                summary=one_line(
                    f"budget {name}: {alert} {amount or 'amount'} of {payload['budgeted']}, "
                    f"alert at {payload['threshold']}"
                ),
                payload=payload,
            )
        ]

    @staticmethod
    def wanted(event: Event, config: BudgetsConfig) -> bool:
        told = event.payload
        percent = told.get("percent_of_budget")
        return (
            like(told.get("budget"), config.budget)
            and told.get("alert_type") in config.alert_types
            # Without both amounts nobody can tell, and a wake-up too many does no harm: the metrics decide.
            and (not isinstance(percent, int | float) or percent >= config.minimum_percent)
        )


def _percent(amount: str, budgeted: str) -> float | None:
    """What share of the budget an amount is, in percent; ``None`` when a number is missing or the budget is nothing."""
    part, whole = _number(amount), _number(budgeted)
    return round(100 * part / whole, 2) if part is not None and whole else None


def _number(text: str) -> float | None:
    found = _NUMBER.search(text[:100])
    return float(found[0].replace(",", "")) if found else None
