"""What a check found."""

from __future__ import annotations

from enum import StrEnum

from setpoint.model.base import Value


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    """It works, and something about it will hurt one day."""
    FAIL = "fail"
    """Setpoint cannot do its work like this."""


class CheckResult(Value):
    """One check's finding, and what to do about it."""

    check: str
    """What was looked at: ``ledger``, ``queue setpoint-events``."""
    status: Status
    text: str
    todo: str = ""
    """What to do; empty when there is nothing to do."""


def ok(check: str, text: str) -> CheckResult:
    return CheckResult(check=check, status=Status.OK, text=text)


def warn(check: str, text: str, todo: str) -> CheckResult:
    return CheckResult(check=check, status=Status.WARN, text=text, todo=todo)


def fail(check: str, text: str, todo: str) -> CheckResult:
    return CheckResult(check=check, status=Status.FAIL, text=text, todo=todo)
