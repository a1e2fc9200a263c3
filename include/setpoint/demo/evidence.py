"""What really happened in an act, read back from the ledger and from AWS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from setpoint.ledger import Ledger
from setpoint.model import Change, Decision, Outcome


@dataclass(frozen=True)
class Evidence:
    """One policy's decisions, changes and outcomes since a moment, and where AWS stands now."""

    decisions: tuple[Decision, ...]
    changes: tuple[Change, ...]
    outcomes: Mapping[str, Outcome]
    quarantined_batches: tuple[Path, ...]
    desired_units_before: int
    aws_desired_units: int


class Witness:
    """Looks at one fleet from the beginning of an act on.

    :param autoscaling: a client of AWS Auto Scaling, the same way an operator of the fleet would look.
    """

    def __init__(
        self, *, policy: str, fleet: str, since: datetime, ledger: Ledger, autoscaling: Any, quarantine: Path
    ) -> None:
        self._policy, self._fleet, self._since = policy, fleet, since
        self._ledger, self._autoscaling, self._quarantine = ledger, autoscaling, quarantine
        self._before = self.desired_units()

    def desired_units(self) -> int:
        """The desired capacity AWS reports."""
        answer = self._autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self._fleet])
        return int(answer["AutoScalingGroups"][0]["DesiredCapacity"])

    def look(self) -> Evidence:
        """What happened so far."""
        changes = self._ledger.changes_since(self._since, policy=self._policy)
        outcomes = {one.change_id: self._ledger.outcome_of(one.change_id) for one in changes}
        since = self._since.timestamp()
        return Evidence(
            decisions=self._ledger.decisions_since(self._since, policy=self._policy),
            changes=changes,
            outcomes={key: value for key, value in outcomes.items() if value is not None},
            quarantined_batches=tuple(
                path for path in self._quarantine.rglob("*.parquet") if path.stat().st_mtime >= since
            ),
            desired_units_before=self._before,
            aws_desired_units=self.desired_units(),
        )
