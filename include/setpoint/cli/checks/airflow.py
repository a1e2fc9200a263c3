"""Does Airflow find Setpoint, and are the components alive that it needs?"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from setpoint.cli.checks.result import CheckResult, fail, ok, warn

TIMEOUT_SECONDS = 10
_NEEDED_FOR = {
    "metadatabase": "Airflow keeps everything in it",
    "scheduler": "it starts runs and tasks",
    "dag_processor": "it makes Dags of the policies",
    "triggerer": "it takes events in and waits for capacity and health",
}


def check_folders() -> Iterator[CheckResult]:
    """Are Setpoint's Dags and plugin where this Airflow looks?"""
    from airflow.configuration import conf

    for key, file in (("dags_folder", "setpoint_policies.py"), ("plugins_folder", "setpoint_plugin.py")):
        folder = Path(conf.get("core", key))
        check = f"airflow {key.replace('_', ' ')}"
        if (folder / file).is_file():
            yield ok(check, f"{folder} has {file}")
        else:
            todo = (
                f"set AIRFLOW__CORE__{key.upper()} to the project's {key.partition('_')[0]}/ folder for every component"
            )
            yield warn(check, f"{folder} has no {file}", todo)


def known_address() -> str | None:
    """Where Airflow's own configuration says that its API server is; ``None`` when it says nothing.

    There is no default worth asking: on the port it would name, anybody may listen.
    """
    from airflow.configuration import conf

    if url := conf.get("api", "base_url", fallback=None):
        return str(url)
    execution = conf.get("core", "execution_api_server_url", fallback=None)
    return str(execution).removesuffix("/").removesuffix("/execution") if execution else None


def check_address(given: str | None) -> Iterator[CheckResult]:
    """Ask the API server that was named, or that Airflow's configuration names."""
    if url := given or known_address():
        yield from check_health(url)
    else:
        words = "not asked: neither --airflow-url nor [api] base_url says where the API server is"
        yield warn("airflow health", words, "setpoint doctor --airflow-url http://127.0.0.1:8080, with your address")


def check_health(url: str) -> Iterator[CheckResult]:
    """Ask the API server how the components are. Its health page needs no login.

    :param url: the API server's address, ``http://`` or ``https://``.
    """
    page = f"{url.rstrip('/')}/api/v2/monitor/health"
    todo = "start Airflow's api-server, or correct --airflow-url"
    if not page.startswith(("http://", "https://")):
        yield fail("airflow health", f"{url} is no http:// or https:// address", todo)
        return
    try:
        with urllib.request.urlopen(page, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - checked just above
            health = json.load(answer)
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        yield fail("airflow health", f"{page}: {reason}", todo)
        return
    for component, why in _NEEDED_FOR.items():
        yield _component(component, why, health.get(component) if isinstance(health, dict) else None)


def _component(name: str, why: str, said: Any) -> CheckResult:
    status = said.get("status") if isinstance(said, dict) else None
    check = f"airflow {name.replace('_', ' ')}"
    if status == "healthy":
        return ok(check, "healthy")
    return fail(
        check, f"{status or 'not running'}; {why}", f"start it: airflow {name.replace('_', '-')}, and see its log"
    )
