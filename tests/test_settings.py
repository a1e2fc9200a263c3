"""The deployment's own settings, read from the environment."""

from __future__ import annotations

from datetime import timedelta

import pytest

from setpoint.settings import SettingsError, load_settings


def test_reconciliation_leaves_young_work_alone_for_as_long_as_asked() -> None:
    """Ten minutes unless the variable says otherwise."""
    assert load_settings({}).reconcile_grace == timedelta(minutes=10)
    assert load_settings({"SETPOINT_RECONCILE_GRACE": "90s"}).reconcile_grace == timedelta(seconds=90)


@pytest.mark.parametrize(("text", "told"), [("5s", "at least 10s"), ("soon", "'soon'"), ("-10m", "'-10m'")])
def test_a_grace_that_cannot_be_meant_is_refused(text: str, told: str) -> None:
    """The message names the variable, its value, and what is allowed."""
    with pytest.raises(SettingsError, match=f"SETPOINT_RECONCILE_GRACE is .*{told}"):
        load_settings({"SETPOINT_RECONCILE_GRACE": text})


def test_the_pool_of_what_changes_something_is_airflows_own_by_default():
    """A pool of its own bounds the calls of all policies together; empty is not a name."""
    assert load_settings({}).change_pool == load_settings({"SETPOINT_CHANGE_POOL": ""}).change_pool == "default_pool"
    assert load_settings({"SETPOINT_CHANGE_POOL": "aws-changes"}).change_pool == "aws-changes"


def test_what_an_account_allows_of_cloudwatch_is_a_setting():
    """AWS's own quota and half of it by default; a raised quota and another share where they are said."""
    usual = load_settings({"SETPOINT_CLOUDWATCH_SHARE": ""})
    assert (usual.cloudwatch_calls_per_second, usual.cloudwatch_share) == (500, 0.5)
    own = load_settings({"SETPOINT_CLOUDWATCH_CALLS_PER_SECOND": "1500", "SETPOINT_CLOUDWATCH_SHARE": "1"})
    assert (own.cloudwatch_calls_per_second, own.cloudwatch_share) == (1500, 1.0)


@pytest.mark.parametrize(
    ("name", "text"),
    [("CALLS_PER_SECOND", text) for text in ("0", "-5", "many", "1.5", "٣")]
    + [("SHARE", text) for text in ("0", "1.01", "half", "nan", "inf", "-0.5")],
)
def test_a_quota_that_cannot_be_meant_is_refused(name: str, text: str) -> None:
    """The message names the variable, its value, and what is allowed."""
    with pytest.raises(SettingsError, match=f"SETPOINT_CLOUDWATCH_{name} is .*{text}.*; it is a"):
        load_settings({f"SETPOINT_CLOUDWATCH_{name}": text})
