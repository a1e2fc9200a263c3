"""Incidents of a broken source, as the command shows them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from setpoint.ledger import Ledger


def test_history_shows_what_is_open_and_what_was(run, told, tmp_path) -> None:
    """An open incident stands above the decisions; a closed one only where its time is asked for."""
    window_end = datetime.now(UTC) - timedelta(minutes=5)
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        ledger.note_source("web", "web/1", window_end, "cpu fails for 5 of 6 targets [red]")

        assert "source_broken" not in run("history", "--policy", "api").stdout
        open_one = " ".join(run("history").stdout.split())
        assert "web: incident" in open_one
        assert "open, since" in open_one
        assert "cpu fails for 5 of 6 targets [red]" in open_one, "its text is data, not markup"

        ledger.note_source("web", "web/2", window_end + timedelta(minutes=1), None)
    assert "incident" not in run("history").stdout
    (closed,) = json.loads(run("history", "--since", "1h", "--json").stdout)["incidents"]
    assert (closed["opened_by"], closed["closed_by"]) == ("web/1", "web/2")
