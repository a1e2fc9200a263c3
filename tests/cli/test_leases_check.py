"""``setpoint doctor`` on leases: who holds which, and what the dead left behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from setpoint.cli.checks.ledger import check_leases
from setpoint.ledger import Ledger
from setpoint.ledger.leases import LEASE_SECONDS
from setpoint.testing.values import SCOPE


def test_leases_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is nothing to tell, a held one is fine, and one that ran out is a warning with what to do."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("SETPOINT_LEDGER_URL", url)
    assert list(check_leases()) == [], "no ledger, no leases"
    now = datetime.now(UTC)
    with Ledger.open(url) as ledger:
        assert list(check_leases()) == []
        ledger.acquire_lease(SCOPE, "web-1", "c1", "one")
    with Ledger.open(url, clock=lambda: now - timedelta(seconds=2 * LEASE_SECONDS)) as ledger:
        ledger.acquire_lease(SCOPE, "web-2", "c2", "two")
    dead, alive = check_leases()
    assert (dead.status, alive.status) == ("warn", "ok")
    assert "web-2: token 1, held by two for change c2" in dead.text
    assert "setpoint.reconcile" in (dead.todo or "")
    assert "held by one for change c1" in alive.text
