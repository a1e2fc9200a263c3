"""What a series usually is, kept in the ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from setpoint.ledger import Ledger
from setpoint.model import SeriesHistory
from setpoint.testing.values import NOW


def history(target: str = "web-1", metric: str = "cpu", minute: int = 0, **fields: Any) -> SeriesHistory:
    """A series of ten points around 50, accepted so many minutes after the first batch."""
    return SeriesHistory.model_validate(
        {
            "target": target,
            "metric": metric,
            "batch_id": f"batch-{minute}",
            "accepted_at": NOW + timedelta(minutes=minute),
            "batches": minute + 1,
            "points": 10,
            "zeros": 0,
            "median": 50,
            "spread": 2,
            "lowest": 45,
            "highest": 55,
            "longest_run": 1,
            **fields,
        }
    )


def test_the_last_accepted_batch_is_remembered(ledger: Ledger) -> None:
    """One history a series: a newer batch replaces it, an older one does not."""
    ledger.keep_series_history("web", [history(), history(metric="rps")])
    ledger.keep_series_history("web", [history(minute=2)])
    ledger.keep_series_history("web", [history(minute=1)])

    assert ledger.series_history("web") == (history(minute=2), history(metric="rps"))


def test_policies_remember_apart(ledger: Ledger) -> None:
    """Two policies may ask for different windows of one series: each has its own memory."""
    ledger.keep_series_history("web", [history()])

    assert ledger.series_history("api") == ()


def test_nothing_accepted_is_nothing_written(ledger: Ledger) -> None:
    """A batch of which no series passed leaves what is known as it is."""
    ledger.keep_series_history("web", [history()])
    ledger.keep_series_history("web", [])

    assert ledger.series_history("web") == (history(),)


def test_a_target_of_any_name(ledger: Ledger) -> None:
    """A target's name is text from outside, and comes back as it was."""
    odd = history("naïve '; drop table x; -- \x00")
    ledger.keep_series_history("web", [odd])

    assert ledger.series_history("web") == (odd,)
