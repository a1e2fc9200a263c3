"""Are the policies valid?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from setpoint.cli.checks.result import CheckResult, fail, ok, warn

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy


def check_policies(directory: Path) -> tuple[list[CheckResult], list[Policy]]:
    """Check the folder of policies.

    :returns: what was found, and the policies that are valid, for the other checks.
    """
    from setpoint.policy.loader import load_policies
    from setpoint.policy.problems import PolicyError

    try:
        loaded = load_policies(directory)
    except PolicyError as error:
        return [
            fail("policies", str(error.problems[0].text), "set SETPOINT_POLICIES to the folder of your policies")
        ], []
    policies = [one.policy for one in loaded.policies]
    results = [
        fail(
            "policies",
            f"{path.name} is refused: {problems[0].text}"
            + (f" (and {len(problems) - 1} more)" if problems[1:] else ""),
            f"setpoint validate {path}",
        )
        for path, problems in loaded.broken.items()
    ]
    if policies:
        results.insert(0, ok("policies", f"{len(policies)} valid in {directory}"))
    elif not results:
        results.append(
            warn("policies", f"none in {directory}", "write one, or set SETPOINT_POLICIES to another folder")
        )
    return results, policies
