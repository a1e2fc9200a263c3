"""A batch is found again by its id and the moment in its file's name."""

from __future__ import annotations

from datetime import timedelta

from setpoint.ledger import Ledger
from setpoint.model import MetricBatch, Window
from setpoint.testing.values import NOW


def a_batch(number: int, policy: str = "web") -> MetricBatch:
    """A batch pulled at noon."""
    return MetricBatch(
        batch_id=f"{number:032x}",
        policy=policy,
        uri="/nowhere",
        window=Window(start=NOW - timedelta(minutes=1), end=NOW),
        rows=0,
        sha256="0" * 64,
        pulled_at=NOW,
    )


def test_a_batch_leads_back_to_its_run(ledger: Ledger) -> None:
    """Also when the pull took a while, and the file's name knows no fraction of a second."""
    for number, run in ((1, "web/a"), (2, "web/b")):
        ledger.record("batch", a_batch(number), run_id=run, policy="web", at=NOW + timedelta(minutes=10))
    assert ledger.run_of_batch(f"{2:032x}", "web", NOW - timedelta(seconds=1)) == "web/b"


def test_what_is_not_recorded_leads_nowhere(ledger: Ledger) -> None:
    """Another id, another policy, another day, a part of an id."""
    ledger.record("batch", a_batch(1), run_id="web/a", policy="web", at=NOW)
    for batch_id, policy, pulled_at in (
        (f"{2:032x}", "web", NOW),
        (f"{1:032x}", "api", NOW),
        (f"{1:032x}", "web", NOW - timedelta(days=1)),
        (f"{1:032x}"[8:], "web", NOW),
        ("%", "web", NOW),
    ):
        assert ledger.run_of_batch(batch_id, policy, pulled_at) is None
