"""The containers' health check: ``healthy.py SERVICE`` ends with status 0 when the service says it is at work.

Components of Airflow report a heartbeat to the database, and the API server tells. Asking it costs 0.1 s of one core;
``airflow jobs check`` would import Airflow each time.
"""

import json
import sys
import urllib.request
from typing import Any

_TIMEOUT_SECONDS = 8
_API = "http://api-server:8080"
_OWN_API = "http://127.0.0.1:8080"
_LAB = "http://127.0.0.1:5055"
_SECTIONS = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}


def ask(url: str) -> Any:
    """Return the decoded JSON answer of ``url``; raises ``OSError`` when there is none."""
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - our own http addresses
        return json.load(answer)


def status(service: str) -> str:
    """Return ``healthy``, or what the service is instead."""
    if service == "lab":
        ask(f"{_LAB}/_lab/health")
        return "healthy"
    if service == "api-server":
        # Tasks report here; the first request builds the application, better now than when the first task starts.
        ask(f"{_OWN_API}/execution/health")
        return str(ask(f"{_OWN_API}/api/v2/monitor/health")["metadatabase"]["status"])
    return str(ask(f"{_API}/api/v2/monitor/health")[_SECTIONS[service]]["status"])


def main(arguments: list[str]) -> int:
    """Print what was found out, and return the exit status."""
    services = ["api-server", *_SECTIONS, "lab"]
    if len(arguments) != 1 or arguments[0] not in services:
        sys.stderr.write(f"usage: healthy.py {{{','.join(services)}}}\n")
        return 2
    try:
        found = status(arguments[0])
    except OSError as error:
        found = f"no answer: {error}"
    sys.stdout.write(f"{arguments[0]}: {found}\n")
    return 0 if found == "healthy" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
