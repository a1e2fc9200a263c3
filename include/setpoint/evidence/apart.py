"""Building a page in a process of its own, for a server that must not carry Great Expectations for ever.

::

    python -m setpoint.evidence.apart < request.json
"""

from __future__ import annotations

import os
import subprocess
import sys

from pydantic import ValidationError

from setpoint.evidence.case import Case
from setpoint.model import QualityReport
from setpoint.model.base import Value

TIMEOUT_SECONDS = 120


class BuildError(Exception):
    """The page could not be built; the message has the end of what the process said."""


class Request(Value):
    """One page to build."""

    case: Case
    report: QualityReport
    quarantined: bool
    path: str
    """Where the batch's file lies now; empty when it is gone."""


def build_apart(request: Request, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
    """Build a page and keep it beside its batch, in another process.

    :raises BuildError: it could not be built, or not in time.
    """
    command = [sys.executable, "-m", "setpoint.evidence.apart"]
    try:
        done = subprocess.run(
            command,
            input=request.model_dump_json(),
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"it was not done within {timeout_seconds:g} s") from error
    if done.returncode:
        raise BuildError(f"it ended with {done.returncode}: {done.stderr[-2000:]}")


def main() -> int:
    """Build the page that standard input asks for."""
    os.nice(10)  # somebody waits for it, but tasks matter more
    try:
        request = Request.model_validate_json(sys.stdin.read())
    except ValidationError as error:
        sys.stderr.write(f"no request: {error}\n")
        return 2
    from setpoint.evidence.build import build_page, keep_page
    from setpoint.policy.loader import policy_named
    from setpoint.settings import load_settings
    from setpoint.sources.batches import BatchStore

    settings = load_settings()
    store = BatchStore(settings.data / "batches")
    batch = request.case.batch
    policy = policy_named(batch.policy, settings.policies).policy
    there = batch.model_copy(update={"uri": request.path}) if request.path else batch
    case = request.case.model_copy(update={"batch": there})
    document = build_page(store, case, request.report, policy, quarantined=request.quarantined)
    keep_page(store, batch, document, quarantined=request.quarantined)
    return 0


if __name__ == "__main__":
    sys.exit(main())
