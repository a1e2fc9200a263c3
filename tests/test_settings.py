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
