"""The end of the demo: decisions and outcomes, read back from the ledger and from AWS."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.table import Table
from rich.text import Text

from setpoint.demo.play import Stage, Status
from setpoint.demo.world import DemoWorld


def changes_report(world: DemoWorld, stage: Stage) -> list[dict[str, Any]]:
    """Every decision that was not a plain hold, with its change, its outcome, and what AWS says now."""
    rows: list[dict[str, Any]] = []
    changes = world.ledger.changes_since(stage.began_at)
    for decision in world.ledger.decisions_since(stage.began_at):
        if decision.action.value == "hold":
            continue
        change = next(
            (
                one
                for one in changes
                if (one.plan.run_id, one.plan.target) == (decision.run_id, decision.target) and one.plan.reverts is None
            ),
            None,
        )
        rows.append(
            _row(world, decision.decided_at, decision.target, decision.action.value, change, decision.reasons[0].text)
        )
    for change in changes:
        if change.plan.reverts is not None:
            rows.append(_row(world, change.intended_at, change.plan.target, "roll_back", change, change.plan.reason))
    return sorted(rows, key=lambda row: str(row["at"]))


def _row(world: DemoWorld, at: Any, target: str, action: str, change: Any, reason: str) -> dict[str, Any]:
    outcome = world.ledger.outcome_of(change.change_id) if change is not None else None
    return {
        "at": at.isoformat(),
        "target": target,
        "action": action,
        "from": change.plan.from_units if change is not None else None,
        "to": change.plan.to_units if change is not None else None,
        "state": change.state.value if change is not None else "no change",
        "health": outcome.verdict.value if outcome is not None else None,
        "followed": outcome.followed.value if outcome is not None else None,
        "reason": reason,
        "change_id": change.change_id if change is not None else None,
    }


def fleets_report(world: DemoWorld) -> list[dict[str, Any]]:
    """How the fleets stand in AWS, and how many calls changed them."""
    calls = Counter(one.group for one in world.lab.calls() if one.action == "SetDesiredCapacity" and one.effective)
    groups = world.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    return [
        {
            "fleet": group["AutoScalingGroupName"],
            "desired": group["DesiredCapacity"],
            "in_service": sum(one["LifecycleState"] == "InService" for one in group["Instances"]),
            "capacity_calls": calls[group["AutoScalingGroupName"]],
        }
        for group in groups
    ]


def tables(changes: list[dict[str, Any]], fleets: list[dict[str, Any]], stage: Stage) -> list[Table]:
    """The reports as terminal tables."""
    acts = Table(title="The acts", title_justify="left")
    for column in ("", "act", "evidence", "took"):
        acts.add_column(column)
    for one in stage.performances:
        took = f"{(one.ended_at - one.began_at).total_seconds():.0f} s" if one.ended_at and one.began_at else ""
        mark = Text("✔", "green") if one.status is Status.HAPPENED else Text("✘", "bold red")
        acts.add_row(mark, one.act.title, Text(one.evidence), took)
    decided = Table(title="Decisions and outcomes, from the ledger", title_justify="left")
    for column in ("at (UTC)", "target", "action", "units", "state", "health", "followed", "why", "change"):
        decided.add_column(column, overflow="fold")
    for row in changes:
        units = f"{row['from']} → {row['to']}" if row["to"] is not None else "-"
        decided.add_row(
            row["at"][11:19],
            row["target"],
            row["action"],
            units,
            row["state"],
            row["health"] or "-",
            row["followed"] or "-",
            Text(row["reason"]),
            (row["change_id"] or "-")[:8],
        )
    stand = Table(title="The fleets, from AWS", title_justify="left")
    for column in ("fleet", "desired", "in service", "calls that changed it"):
        stand.add_column(column)
    for row in fleets:
        stand.add_row(row["fleet"], str(row["desired"]), str(row["in_service"]), str(row["capacity_calls"]))
    return [acts, decided, stand]
