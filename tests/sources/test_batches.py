"""Batches on disk: written whole, believed only unchanged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from setpoint.model import Completeness, MetricBatch, QualityReport, SeriesStatus, Verdict, Window
from setpoint.sources.batches import BatchError, BatchStore
from setpoint.sources.frame import empty_frame, long_frame

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WINDOW = Window(start=NOW - timedelta(minutes=3), end=NOW)


def _frame(values: Any = (1.5, 2.5, 3.5), target: str = "web") -> pd.DataFrame:
    first = int(WINDOW.start.timestamp() * 1e6)
    return long_frame(
        microseconds=first + 60_000_000 * np.arange(len(values)),
        targets=[target],
        metrics=["cpu"],
        counts=[len(values)],
        values=np.array(values, dtype=np.float64),
    )


def _write(store: BatchStore, frame: pd.DataFrame, policy: str = "web", pulled_at: datetime = NOW) -> MetricBatch:
    status = SeriesStatus(
        target="web",
        metric="cpu",
        status=Completeness.COMPLETE,
        points=len(frame),
        expected_points=3,
        period_seconds=60,
    )
    return store.write(
        frame, policy=policy, window=WINDOW, series=[status], units={"cpu": "Percent"}, pulled_at=pulled_at
    )


def _report(batch: MetricBatch) -> QualityReport:
    return QualityReport(
        batch_id=batch.batch_id,
        policy=batch.policy,
        suite="setpoint.web.v1",
        verdict=Verdict.FAIL,
        frame_problems=("it was altered",),
        series=(),
        seconds=0,
        judged_at=NOW,
    )


@pytest.mark.parametrize("frame", [_frame(), empty_frame(), _frame((np.nan, np.inf, -0.0), target="кухня/../…")])
def test_what_is_read_is_what_was_written(tmp_path: Path, frame: pd.DataFrame) -> None:
    """Values, types and odd names survive, through JSON for the reference."""
    store = BatchStore(tmp_path)
    batch = MetricBatch.model_validate_json(_write(store, frame).model_dump_json())
    pd.testing.assert_frame_equal(store.read(batch), frame)
    assert (batch.rows, batch.units, batch.pulled_at) == (len(frame), {"cpu": "Percent"}, NOW)


def test_the_same_content_is_the_same_batch(tmp_path: Path) -> None:
    """A retried pull gives the same batch; other numbers, another moment or policy give another."""
    store = BatchStore(tmp_path)
    first = _write(store, _frame())
    assert _write(store, _frame()) == first
    others = [
        _write(store, _frame((1.0, 2.0, 4.0))),
        _write(store, _frame(), policy="api"),
        _write(store, _frame(), pulled_at=NOW + timedelta(seconds=1)),
    ]
    assert len({one.batch_id for one in (first, *others)}) == 4


def test_an_altered_file_is_not_believed(tmp_path: Path) -> None:
    """One flipped bit is found, and the message says what to do."""
    store = BatchStore(tmp_path)
    batch = _write(store, _frame())
    content = bytearray(Path(batch.uri).read_bytes())
    content[-20] ^= 1
    Path(batch.uri).write_bytes(content)
    with pytest.raises(BatchError, match=r"changed after it was written.*pull the batch again"):
        store.read(batch)


def test_a_missing_file_says_why_it_may_be_missing(tmp_path: Path) -> None:
    """A worker that does not see the folder is the usual cause."""
    store = BatchStore(tmp_path)
    batch = _write(store, _frame())
    Path(batch.uri).unlink()
    with pytest.raises(BatchError, match="SETPOINT_DATA"):
        store.read(batch)


@pytest.mark.parametrize("frame", [_frame().drop(columns="value"), _frame().rename(columns={"value": "worth"})])
def test_a_file_of_other_columns_is_refused(tmp_path: Path, frame: pd.DataFrame) -> None:
    """The long form is checked on reading too."""
    store = BatchStore(tmp_path)
    with pytest.raises(BatchError, match="timestamp, target, metric, value"):
        store.read(_write(store, frame))


def test_a_reference_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    """A reference from outside cannot make a worker read another file."""
    store = BatchStore(tmp_path / "data")
    batch = _write(store, _frame())
    outside = tmp_path / "secret.parquet"
    outside.write_bytes(Path(batch.uri).read_bytes())
    for uri in (str(outside), str(tmp_path / "data" / ".." / "secret.parquet"), "secret.parquet", "s3://bucket/key"):
        with pytest.raises(BatchError, match="does not lie in"):
            store.read(batch.model_copy(update={"uri": uri}))


@pytest.mark.parametrize("policy", ["../../etc", "a/b", "..", "x" * 255, "кухня", "a\nb"])
def test_a_policys_name_never_becomes_a_path(tmp_path: Path, policy: str) -> None:
    """Whatever the name, the file lies under the root."""
    store = BatchStore(tmp_path / "data")
    batch = _write(store, _frame(), policy=policy)
    assert Path(batch.uri).resolve().is_relative_to(tmp_path / "data")
    assert store.read(batch)["value"].tolist() == [1.5, 2.5, 3.5]


def test_a_frame_parquet_cannot_hold_is_refused(tmp_path: Path) -> None:
    """A source that mixes types in a column hears of it."""
    frame = _frame().astype({"value": object})
    frame.loc[1, "value"] = "three"
    with pytest.raises(BatchError, match="Mend the source"):
        _write(BatchStore(tmp_path), frame)


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """The message names the setting."""
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(BatchError, match="SETPOINT_DATA"):
        _write(BatchStore(tmp_path / "data"), _frame())


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    """After writing there is the batch and nothing else."""
    batch = _write(BatchStore(tmp_path), _frame())
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [Path(batch.uri)]


def test_quarantine_keeps_the_batch_and_its_report(tmp_path: Path) -> None:
    """The evidence lies aside with the report, the rest of the fleet can still read the batch, and twice is once."""
    store = BatchStore(tmp_path)
    batch = _write(store, _frame())
    path = store.quarantine(batch, _report(batch))
    assert store.quarantine(batch, _report(batch)) == path
    assert QualityReport.model_validate_json(path.read_text()) == _report(batch)
    (kept,) = path.parent.glob("*.parquet")
    assert kept.read_bytes() == Path(batch.uri).read_bytes()
    assert len(store.read(batch)) == 3


def test_quarantine_of_a_lost_batch_still_keeps_the_report(tmp_path: Path) -> None:
    """A batch that is gone is worth a report too."""
    store = BatchStore(tmp_path)
    batch = _write(store, _frame())
    Path(batch.uri).unlink()
    assert store.quarantine(batch, _report(batch)).exists()
