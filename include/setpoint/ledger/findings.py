"""What the reconcile Dag found: drift, and what crashes left behind."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import select

from setpoint.ledger.records import Finding
from setpoint.ledger.store import Store, restore
from setpoint.ledger.tables import FindingRow
from setpoint.ledger.types import plain
from setpoint.model.base import digest


class Findings(Store):
    """The reconcile Dag's reports."""

    def record_finding(self, finding: Finding) -> None:
        """Record a finding; the very same one (same moment, same words) again changes nothing."""
        row = {
            "finding_id": digest(json.dumps(plain(finding), sort_keys=True)),
            "policy": finding.policy,
            "target": finding.target,
            "kind": finding.kind,
            "value": finding,
            "found_at": finding.found_at,
        }
        with self._database.write() as connection:
            connection.execute(self._database.insert(FindingRow).on_conflict_do_nothing(), [row])

    def findings(
        self,
        policy: str | None = None,
        target: str | None = None,
        since: datetime | None = None,
        limit: int = 50,
    ) -> list[Finding]:
        """The findings, newest first.

        :param since: only what was found at or after this moment.
        """
        query = select(FindingRow.finding_id, FindingRow.value)
        if policy is not None:
            query = query.where(FindingRow.policy == policy)
        if target is not None:
            query = query.where(FindingRow.target == target)
        if since is not None:
            query = query.where(FindingRow.found_at >= since)
        query = query.order_by(FindingRow.found_at.desc(), FindingRow.finding_id).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [restore(Finding, row.value, f"setpoint_findings {row.finding_id}") for row in rows]
