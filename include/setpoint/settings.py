"""Where this deployment keeps its things. Read from the environment, so that every Airflow component agrees."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from setpoint.model.base import Value
from setpoint.policy.fields import parse_duration

_PACKAGE = Path(__file__).resolve().parent


class SettingsError(ValueError):
    """A setting has a value that cannot be meant. The message names the variable, its value, and what is allowed."""


class Settings(Value):
    """The deployment's own settings; ``docs/reference/settings.md`` lists the variables."""

    policies: Path
    """``SETPOINT_POLICIES``: the folder of policy files; ``include/policies`` beside the package by default."""
    senders: Path
    """``SETPOINT_SENDERS``: the file that says who may post to the webhook; ``senders.yaml`` beside the folder of
    policies by default. The API server must see it."""
    data: Path
    """``SETPOINT_DATA``: where metric batches lie; ``$AIRFLOW_HOME/setpoint`` by default. All workers must see it, and
    the API server, which shows the batches' pages."""
    ledger_url: str
    """``SETPOINT_LEDGER_URL``: an SQLAlchemy URL; an SQLite file in ``data`` by default."""
    ledger_connection: str | None
    """``SETPOINT_LEDGER_CONNECTION``: the Airflow connection that names the ledger, when no URL does.

    It has to be said (or be the environment variable ``AIRFLOW_CONN_SETPOINT_LEDGER``): a connection that is only
    looked for could be missed for a moment, and the run would go on with another, empty ledger.
    """

    dedupe_window: timedelta
    """``SETPOINT_DEDUPE_WINDOW``: how long an event's identity is remembered (``7d`` by default, at least ``2h``); the
    same identity after that is a new event."""
    reconcile_grace: timedelta
    """``SETPOINT_RECONCILE_GRACE``: how long ``setpoint.reconcile`` leaves alone what a run has begun (``10m`` by
    default, at least ``10s``). Longer than Airflow takes to start a task again whose process or scheduler died: what
    reconciliation finishes, its own run does not carry out any more."""
    change_pool: str = "default_pool"
    """``SETPOINT_CHANGE_POOL``: the Airflow pool of the tasks that change something (``default_pool`` by default). Its
    slots bound how many call the provider at once, whichever policy they are of; it has to exist in Airflow."""
    cloudwatch_calls_per_second: int = 500
    """``SETPOINT_CLOUDWATCH_CALLS_PER_SECOND``: the account's quota "Rate of GetMetricData requests" in a region
    (``500`` by default, as AWS's is); set it where yours was raised, or is lower."""
    cloudwatch_share: float = 0.5
    """``SETPOINT_CLOUDWATCH_SHARE``: how much of this and of CloudWatch's other quotas one fetch uses (``0.5`` by
    default, above 0 and at most 1); the rest is left to the account's other readers, and to other runs."""


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process.

    :param environment: the variables to read; ``os.environ`` by default.
    """
    variables = os.environ if environment is None else environment
    airflow_home = Path(variables.get("AIRFLOW_HOME") or Path.home() / "airflow")
    data = Path(variables.get("SETPOINT_DATA") or airflow_home / "setpoint").expanduser().absolute()
    ledger_url = variables.get("SETPOINT_LEDGER_URL")
    policies = Path(variables.get("SETPOINT_POLICIES") or _PACKAGE.parent / "policies").expanduser().absolute()
    senders = Path(variables.get("SETPOINT_SENDERS") or policies.parent / "senders.yaml").expanduser().absolute()
    return Settings(
        policies=policies,
        senders=senders,
        data=data,
        ledger_url=ledger_url or f"sqlite:///{data / 'ledger.db'}",
        ledger_connection=None if ledger_url else _ledger_connection(variables),
        dedupe_window=_dedupe_window(variables.get("SETPOINT_DEDUPE_WINDOW") or "7d"),
        reconcile_grace=_reconcile_grace(variables.get("SETPOINT_RECONCILE_GRACE") or "10m"),
        change_pool=variables.get("SETPOINT_CHANGE_POOL") or "default_pool",
        cloudwatch_calls_per_second=_calls_per_second(variables.get("SETPOINT_CLOUDWATCH_CALLS_PER_SECOND") or "500"),
        cloudwatch_share=_share(variables.get("SETPOINT_CLOUDWATCH_SHARE") or "0.5"),
    )


def _dedupe_window(text: str) -> timedelta:
    try:
        window = parse_duration(text)
    except ValueError as error:
        raise SettingsError(f"SETPOINT_DEDUPE_WINDOW is {text!r}: {error}") from None
    # Posted asset events are looked back for by an hour, and must be known as long.
    if window < timedelta(hours=2):
        raise SettingsError(f"SETPOINT_DEDUPE_WINDOW is {text!r}; it is at least 2h")
    return window


def _reconcile_grace(text: str) -> timedelta:
    try:
        grace = parse_duration(text)
    except ValueError as error:
        raise SettingsError(f"SETPOINT_RECONCILE_GRACE is {text!r}: {error}") from None
    if grace < timedelta(seconds=10):
        raise SettingsError(f"SETPOINT_RECONCILE_GRACE is {text!r}; it is at least 10s")
    return grace


def _calls_per_second(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        raise SettingsError(
            f"SETPOINT_CLOUDWATCH_CALLS_PER_SECOND is {text!r}; it is a whole number from 1 on: the quota 'Rate of "
            "GetMetricData requests' in AWS's Service Quotas"
        )
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise SettingsError(f"SETPOINT_CLOUDWATCH_SHARE is {text!r}; it is a number above 0 and at most 1, such as 0.5")
    return share


def _ledger_connection(variables: Mapping[str, str]) -> str | None:
    named = variables.get("SETPOINT_LEDGER_CONNECTION")
    if named:
        return named
    return "setpoint_ledger" if variables.get("AIRFLOW_CONN_SETPOINT_LEDGER") else None
