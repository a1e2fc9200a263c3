"""The page a policy's Dag shows in the UI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from setpoint.policy.fields import format_duration

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy


def policy_page(policy: Policy) -> str:
    """The policy in words. Metric and target names are code spans, so that they are never read as markup."""
    limits, feedback = policy.limits, policy.feedback
    fleet = ", ".join(f"`{name}`" for name in policy.targets.names()) or "found by their tags"
    healthy = ", ".join(f"`{name}`" for name in feedback.healthy)
    return f"""
**Event → MetricBatch → QualityReport → Signal → Decision → Plan → Change → Outcome**

- Targets: {fleet}, between {limits.min} and {limits.max} units.
- Metrics: {", ".join(f"`{name}`" for name in policy.metrics)}; the decision reads
  {", ".join(f"`{name}`" for name in policy.deciding_metrics())}.
- Rest after a change: {format_duration(limits.cooldown.out)} before scaling out,
  {format_duration(limits.cooldown.in_)} before scaling in.
- Watched for {format_duration(feedback.after)} after each change: {healthy}; when health got worse:
  {feedback.on_degraded.value.replace("_", " ")}.

Why something happened: `setpoint explain <run or change>`.
"""
