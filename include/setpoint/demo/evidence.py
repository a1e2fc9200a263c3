"""What really happened in an act, read back from the ledger and from AWS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from setpoint.evidence.address import page_path
from setpoint.ledger import Ledger
from setpoint.model import Change, Decision, Outcome
from setpoint.stack.errors import ApiError

_ON_THE_PAGE = ("Great Expectations: validation result", "<svg ", 'class="marked"')
"""What a page has that shows a batch: Data Docs, and a plot in which the offending points are marked."""


@dataclass(frozen=True)
class Evidence:
    """One policy's decisions, changes and outcomes since a moment, and where AWS stands now."""

    decisions: tuple[Decision, ...]
    changes: tuple[Change, ...]
    outcomes: Mapping[str, Outcome]
    quarantined_batches: tuple[Path, ...]
    pages: tuple[str, ...]
    """The pages of those batches that Airflow's API server has shown, with a plot, marked points and Data Docs."""
    desired_units_before: int
    aws_desired_units: int


class Witness:
    """Looks at one fleet from the beginning of an act on.

    :param autoscaling: a client of AWS Auto Scaling, the same way an operator of the fleet would look.
    :param batches: the folder of metric batches.
    :param page: fetches a page of Airflow's API server, as a person who is logged in.
    """

    def __init__(
        self,
        *,
        policy: str,
        fleet: str,
        since: datetime,
        ledger: Ledger,
        autoscaling: Any,
        batches: Path,
        page: Callable[[str], str],
    ) -> None:
        self._policy, self._fleet, self._since = policy, fleet, since
        self._ledger, self._autoscaling = ledger, autoscaling
        self._quarantine, self._page = batches / policy / "quarantine", page
        self._shown: dict[str, bool] = {}
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
        batches = [path for path in self._quarantine.glob("*.parquet") if path.stat().st_mtime >= since]
        return Evidence(
            decisions=self._ledger.decisions_since(self._since, policy=self._policy),
            changes=changes,
            outcomes={key: value for key, value in outcomes.items() if value is not None},
            quarantined_batches=tuple(batches),
            pages=tuple(path for path in map(self._page_of, batches) if path is not None),
            desired_units_before=self._before,
            aws_desired_units=self.desired_units(),
        )

    def _page_of(self, batch: Path) -> str | None:
        """The path of a batch's page, once the task that puts the batch aside has built it and it was shown."""
        batch_id = batch.stem.rpartition("-")[2]
        path = page_path(self._policy, batch_id)
        if not self._shown.get(path) and batch.with_suffix(".page.html").exists():
            try:
                shown = self._page(path)
            except ApiError:
                return None  # asked for again; an act whose page never answers has not happened
            self._shown[path] = all(one in shown for one in (batch_id, *_ON_THE_PAGE))
        return path if self._shown.get(path) else None
