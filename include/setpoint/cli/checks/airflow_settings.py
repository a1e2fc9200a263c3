"""The settings of Airflow that decide how fast and how safe Setpoint is, as this process reads them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import NamedTuple

from setpoint.cli.checks.result import CheckResult, fail, ok, warn

_EVERYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104 - to be found, not to be listened on
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
SLOW_IDLE_SLEEP_SECONDS = 0.5
LEAST_MAP_LENGTH = 32
"""A run maps at most 16 chunks a direction."""

Read = Callable[[str, str], str]
"""The value of an option, empty where it has none."""


class _Rule(NamedTuple):
    section: str
    option: str
    holds: Callable[[str], bool]
    text: str
    todo: str


_RULES = (
    _Rule(
        "api",
        "host",
        lambda value: value not in _EVERYWHERE,
        "the API server listens on every interface",
        "set AIRFLOW__API__HOST=127.0.0.1 behind a proxy that speaks TLS, or let a firewall guard the port",
    ),
    _Rule(
        "core",
        "fernet_key",
        bool,
        "there is no key, so connections lie in the database unencrypted",
        "set AIRFLOW__CORE__FERNET_KEY, the same for every component",
    ),
    _Rule(
        "core",
        "dags_are_paused_at_creation",
        lambda value: value.lower() in ("false", "0", "no", "off"),
        "a new policy's Dag is paused: its events wait until somebody unpauses it",
        "nothing, if that is meant; else set AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION=False",
    ),
    _Rule(
        "core",
        "max_map_length",
        lambda value: int(value or 1024) >= LEAST_MAP_LENGTH,
        f"less than {LEAST_MAP_LENGTH}: the plan of a large fleet could not be carried out",
        f"set AIRFLOW__CORE__MAX_MAP_LENGTH to {LEAST_MAP_LENGTH} or more; Airflow's own default is 1024",
    ),
    _Rule(
        "scheduler",
        "scheduler_idle_sleep_time",
        lambda value: float(value or 1) < SLOW_IDLE_SLEEP_SECONDS,
        "the scheduler sleeps this many seconds between two looks: each task of a run waits half of it",
        "set AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME lower, at the price of some CPU: docs/reference/settings.md",
    ),
    _Rule(
        "database",
        "sql_alchemy_conn",
        lambda value: not value.startswith("sqlite"),
        "Airflow's database is SQLite: one machine, and some runs wait seconds for it",
        "nothing for a trial; else set AIRFLOW__DATABASE__SQL_ALCHEMY_CONN to a PostgreSQL",
    ),
)


def check_settings(read: Read | None = None) -> Iterator[CheckResult]:
    """Look at the options that matter.

    :param read: reads an option; Airflow's configuration by default.
    """
    look = read or _from_airflow
    for rule in _RULES:
        yield _rule(rule, look(rule.section, rule.option))
    yield _admins(look)
    yield _preload()
    if sys.version_info >= (3, 14):
        yield _fork(look)


def _from_airflow(section: str, option: str) -> str:
    from airflow.configuration import conf

    return str(conf.get(section, option, fallback=None) or "")


def _rule(rule: _Rule, value: str) -> CheckResult:
    check = f"airflow [{rule.section}] {rule.option}"
    # A key, or a URL with a password, is not for the screen.
    shown = "" if rule.option in ("fernet_key", "sql_alchemy_conn") else f"{value or 'not set'}: "
    try:
        holds = rule.holds(value)
    except ValueError:
        return fail(check, f"{value} cannot be read", rule.todo)
    return (
        ok(check, value if shown and value else "as it should be")
        if holds
        else warn(check, shown + rule.text, rule.todo)
    )


def _admins(read: Read) -> CheckResult:
    check = "airflow [core] simple_auth_manager_all_admins"
    if read("core", "simple_auth_manager_all_admins").lower() not in ("true", "1", "yes", "on"):
        return ok(check, "users log in")
    todo = "set AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS=False"
    if read("api", "host") in _LOOPBACK:
        return warn(check, "whoever uses this machine is an administrator", f"nothing on your own machine; else {todo}")
    return fail(check, "whoever reaches the port is an administrator", todo)


def _preload() -> CheckResult:
    check = "airflow preload"
    if os.environ.get("SETPOINT_PRELOAD", "1") == "0":
        return warn(check, "SETPOINT_PRELOAD=0: each task imports pandas and Great Expectations anew", "unset it")
    found = find_spec("airflow_local_settings")
    if found is None:
        todo = "put the project's config/ on PYTHONPATH of every component: docs/how-to/install-into-your-airflow.md"
        return warn(check, "there is no airflow_local_settings: each task imports the heavy libraries anew", todo)
    return ok(check, f"{found.origin}")


def _fork(read: Read) -> CheckResult:
    check = "airflow [core] mp_start_method"
    if (value := read("core", "mp_start_method")) == "fork":
        return ok(check, value)
    words = f"{value or 'not set'}: Python {sys.version_info.major}.{sys.version_info.minor} does not fork by itself"
    return warn(
        check, f"{words}, so tasks do not inherit what was preloaded", "set AIRFLOW__CORE__MP_START_METHOD=fork"
    )
