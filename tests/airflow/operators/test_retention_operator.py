"""The step of ``setpoint.reconcile`` that deletes old batches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from setpoint.settings import SettingsError
from setpoint_airflow.ledger import open_ledger
from setpoint_airflow.operators.retention import PruneBatchesOperator


def test_the_settings_are_those_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old batches of the deployment's own folder go; a setting that cannot be meant deletes nothing."""
    monkeypatch.setenv("SETPOINT_DATA", str(tmp_path))
    monkeypatch.setenv("SETPOINT_KEEP_BATCHES", "2d")
    pulled_at = datetime.now(UTC) - timedelta(days=3)
    path = tmp_path / "batches" / "web" / f"{pulled_at:%Y%m%dT%H%M%SZ}-{7:032x}.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    with open_ledger() as ledger:
        ledger.count_batch("web", {"gone": True}, datetime.now(UTC) - timedelta(days=100))
    operator = PruneBatchesOperator(task_id="prune_batches")
    with monkeypatch.context() as wrong:
        wrong.setenv("SETPOINT_KEEP_BATCHES_GB", "lots")
        with pytest.raises(SettingsError, match="lots"):
            operator.execute({})
    assert path.exists()
    told = operator.execute({})
    assert told.startswith("1 files deleted")
    assert told.endswith("1 memories of series and targets that are gone deleted")
    assert not path.exists()
    with open_ledger() as ledger:
        assert ledger.streaks("web") == {}
