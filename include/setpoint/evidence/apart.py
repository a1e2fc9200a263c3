"""Building a page in a process of its own, for a server that must not carry Great Expectations for ever.

::

    python -m setpoint.evidence.apart < request.json
"""

from __future__ import annotations

import os
import subprocess
import sys

from pydantic import ValidationError

from setpoint.model import MetricBatch, QualityReport
from setpoint.model.base import Value

TIMEOUT_SECONDS = 120


class BuildError(Exception):
    """The page could not be built; the message has the end of what the process said."""


class Request(Value):
    """One page to build."""

    batch: MetricBatch
    report: QualityReport
    run_id: str | None
    quarantined: bool
    path: str
    """Where the batch's file lies now; empty when it is gone."""
    judged_with: str | None = None
    """The digest of the policy the report was made with, when it is known."""


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
    policy = policy_named(request.batch.policy, settings.policies).policy
    batch = request.batch.model_copy(update={"uri": request.path}) if request.path else request.batch
    document = build_page(
        store,
        batch,
        request.report,
        policy,
        run_id=request.run_id,
        quarantined=request.quarantined,
        judged_with=request.judged_with,
    )
    keep_page(store, request.batch, document, quarantined=request.quarantined)
    return 0


if __name__ == "__main__":
    sys.exit(main())
