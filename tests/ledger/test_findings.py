"""What the reconcile Dag found."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from setpoint.ledger import Finding, Ledger
from setpoint.testing.values import NOW


def a_finding(minutes_ago: int = 0, **fields: Any) -> Finding:
    return Finding.model_validate(
        {
            "policy": "web",
            "target": "web-1",
            "kind": "changed_by_hand",
            "text": "web-1 wants 7 units, the last change left 5",
            "expected_units": 5,
            "actual_units": 7,
            "found_at": NOW - timedelta(minutes=minutes_ago),
            **fields,
        }
    )


def test_found_once(ledger: Ledger) -> None:
    """The very same finding of a retried task is recorded once; the same at another time is another."""
    ledger.record_finding(a_finding(1))
    ledger.record_finding(a_finding(1))
    ledger.record_finding(a_finding(0))
    assert ledger.findings() == [a_finding(0), a_finding(1)]


def test_narrowed(ledger: Ledger) -> None:
    """Findings can be asked for by policy, target and time, up to a limit."""
    everything = [
        a_finding(0, policy="api", target="api-1"),
        a_finding(1, target=None, kind="stranded_events"),
        a_finding(2, target="web-2", repaired=True, kind="out_of_bounds"),
        a_finding(3),
    ]
    for finding in everything:
        ledger.record_finding(finding)
    assert ledger.findings() == everything
    assert ledger.findings(policy="api") == everything[:1]
    assert ledger.findings(target="web-2") == everything[2:3]
    assert ledger.findings(since=NOW - timedelta(minutes=1)) == everything[:2]
    assert ledger.findings(limit=3) == everything[:3]
