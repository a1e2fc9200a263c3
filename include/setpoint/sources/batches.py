"""Where metric batches lie: one Parquet file each, written once, believed only with its checksum.

::

    <root>/<policy>/20260102T030405Z-<batch id>.parquet
    <root>/<policy>/quarantine/20260102T030405Z-<batch id>.parquet, .report.json
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from setpoint.model import FRAME_COLUMNS, MetricBatch, QualityReport, SeriesStatus, Window, digest

if TYPE_CHECKING:
    import pandas as pd

_PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_STAMP = "%Y%m%dT%H%M%SZ"
_BATCH_FILE = re.compile(r"(\d{8}T\d{6}Z)-[0-9a-f]{32}\.(?:parquet|report\.json)")
_QUARANTINE = "quarantine"


class BatchError(Exception):
    """A batch cannot be written, or cannot be believed. The message says what is wrong and what to do."""


class BatchStore:
    """Keeps metric batches under one folder that every worker sees.

    :param root: the folder; made when it is not there.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def write(
        self,
        frame: pd.DataFrame,
        *,
        policy: str,
        window: Window,
        series: Sequence[SeriesStatus],
        units: Mapping[str, str],
        pulled_at: datetime,
    ) -> MetricBatch:
        """Write a frame and return the reference to it. The same content at the same moment is the same batch.

        The file appears whole or not at all.

        :param frame: the long form, columns ``FRAME_COLUMNS``. It is kept as it is: judging it is the gate's work.
        :param window: the window asked for.
        :param series: what the sources said of every series asked for.
        :param units: the unit by metric.
        :param pulled_at: the moment the windows were reckoned from.
        :raises BatchError: the frame cannot be written as Parquet, or the folder cannot be written to.
        """
        content = _parquet(frame)
        checksum = hashlib.sha256(content).hexdigest()
        batch_id = digest(policy, pulled_at.astimezone(UTC).isoformat(), checksum)
        path = self._folder(policy) / f"{pulled_at.astimezone(UTC):{_STAMP}}-{batch_id}.parquet"
        _write_whole(path, content)
        return MetricBatch(
            batch_id=batch_id,
            policy=policy,
            uri=str(path),
            window=window,
            rows=len(frame),
            sha256=checksum,
            units=dict(units),
            series=tuple(series),
            pulled_at=pulled_at,
        )

    def read(self, batch: MetricBatch) -> pd.DataFrame:
        """The frame a batch refers to.

        :raises BatchError: the file is not there, is not the one that was written, or is not of the long form.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        content = self._content(batch)
        try:
            frame: pd.DataFrame = pq.read_table(pa.BufferReader(content)).to_pandas()
        except (pa.ArrowException, OSError) as error:
            raise BatchError(f"batch {batch.batch_id}: {batch.uri} is not Parquet: {error}. Pull it again.") from error
        if tuple(frame.columns) != FRAME_COLUMNS or len(frame) != batch.rows:
            raise BatchError(
                f"batch {batch.batch_id}: {batch.uri} holds {len(frame)} rows of {', '.join(map(str, frame.columns))}; "
                f"its reference says {batch.rows} rows of {', '.join(FRAME_COLUMNS)}. Mend the source that made it."
            )
        return frame

    def quarantine(self, batch: MetricBatch, report: QualityReport) -> Path:
        """Keep a batch aside for a person, with the report that condemned it beside it.

        The file is copied (or linked), not moved, because other targets of the same fleet may still need it. What lies
        there is kept as it is, also when its checksum is wrong: that is evidence. Doing it twice changes nothing.

        :returns: the report's path; the batch lies beside it, unless its file is gone.
        """
        source = self._path(batch)
        aside = source.parent / _QUARANTINE / source.name
        aside.parent.mkdir(parents=True, exist_ok=True)
        if source.exists() and not aside.exists():
            _write_whole(aside, source.read_bytes())
        path = aside.with_suffix(".report.json")
        _write_whole(path, report.model_dump_json(indent=2).encode())
        return path

    def prune(self, *, now: datetime, keep: timedelta, keep_quarantined: timedelta | None = None) -> int:
        """Delete the batches pulled longer ago than ``keep``.

        :param keep_quarantined: the same for those in quarantine; ``None`` keeps them all.
        :returns: how many files were deleted.
        """
        deleted = 0
        for path, pulled_at in self._files():
            limit = keep_quarantined if path.parent.name == _QUARANTINE else keep
            if limit is not None and pulled_at < now - limit:
                path.unlink(missing_ok=True)
                deleted += 1
        return deleted

    def _files(self) -> Iterator[tuple[Path, datetime]]:
        """The files this store wrote, and no other, with the moment their batch was pulled."""
        for pattern in ("*/*", f"*/{_QUARANTINE}/*"):
            for path in sorted(self._root.glob(pattern)):
                if match := _BATCH_FILE.fullmatch(path.name):
                    yield path, datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC)

    def _folder(self, policy: str) -> Path:
        # A policy's name is plain by its schema; a name from elsewhere never becomes a path.
        return self._root / (policy if _PLAIN_NAME.fullmatch(policy) else digest(policy))

    def _path(self, batch: MetricBatch) -> Path:
        path = Path(batch.uri)
        if not path.is_absolute() or not path.resolve().is_relative_to(self._root.resolve()):
            raise BatchError(
                f"batch {batch.batch_id}: {batch.uri!r} does not lie in {self._root}. "
                "Let SETPOINT_DATA name the same folder for every Airflow component."
            )
        return path

    def _content(self, batch: MetricBatch) -> bytes:
        path = self._path(batch)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BatchError(
                f"batch {batch.batch_id}: {path} cannot be read: {error.strerror}. Every worker must see "
                "SETPOINT_DATA; a batch older than the retention is gone. Pull it again."
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if found != batch.sha256:
            raise BatchError(
                f"batch {batch.batch_id}: {path} changed after it was written: its sha256 is {found}, "
                f"{batch.sha256} was written. Do not use it; pull the batch again."
            )
        return content


def _parquet(frame: pd.DataFrame) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = BytesIO()
    try:
        # Without pandas' own notes the bytes depend on the content alone.
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
        pq.write_table(table, buffer, compression="zstd")
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise BatchError(f"the frame cannot be written as Parquet: {error}. Mend the source that made it.") from error
    return buffer.getvalue()


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or none of it, also after a crash."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # mkstemp gives the file to its owner alone; workers may run as other users of the same group.
            os.chmod(temporary, 0o640)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise BatchError(
            f"{path} cannot be written: {error.strerror}. Let SETPOINT_DATA name a folder with room that every Airflow "
            "component may write to."
        ) from error
