"""Where metric batches lie: one Parquet file each, written once, believed only with its checksum.

::

    <root>/<policy>/20260102T030405Z-<batch id>.parquet
    <root>/<policy>/quarantine/20260102T030405Z-<batch id>.parquet, .report.json, .case.json, .page.html
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from setpoint.model import FRAME_COLUMNS, MetricBatch, QualityReport, SeriesStatus, Window, digest

if TYPE_CHECKING:
    import pandas as pd

_PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_STAMP = "%Y%m%dT%H%M%SZ"
_BATCH_FILE = re.compile(r"(\d{8}T\d{6}Z)-([0-9a-f]{32})\.(parquet|report\.json|case\.json|page\.html)")
_QUARANTINE = "quarantine"
_UNFINISHED = ".writing-"
_PRUNED = ".pruned"


class BatchError(Exception):
    """A batch cannot be written, or cannot be believed. The message says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the store. No pydantic model: there may be millions."""

    path: str
    pulled_at: datetime
    """When its batch was pulled."""
    size_bytes: int
    quarantined: bool

    @property
    def stem(self) -> str:
        """The file's name without what follows the batch's id: the same for all files of a batch."""
        return os.path.basename(self.path).partition(".")[0]


class BatchStore:
    """Keeps metric batches under one folder that every worker sees.

    :param root: the folder; made when it is not there.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    @property
    def root(self) -> Path:
        """The folder all batches lie under."""
        return self._root

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
            table = pq.read_table(pa.BufferReader(content), use_threads=False)
            # Column by column, each given up as it is taken over: a fleet's frame is large, and would be there twice.
            frame: pd.DataFrame = table.to_pandas(self_destruct=True, split_blocks=True, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise BatchError(f"batch {batch.batch_id}: {batch.uri} is not Parquet: {error}. Pull it again.") from error
        del table, content
        pa.default_memory_pool().release_unused()
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

    def files(self) -> Iterator[StoredFile]:
        """The files this store wrote, and no other: batches, and in quarantine their reports.

        :raises BatchError: a folder cannot be listed.
        """
        for path in _entries(self._root):
            if path.is_dir():
                yield from self.files_of(path.name)

    def files_of(self, policy: str, *, only_quarantined: bool = False) -> Iterator[StoredFile]:
        """The files of one policy's folder.

        :param policy: the policy's name; one that is no plain name has no files.
        :raises BatchError: a folder cannot be listed.
        """
        folder = self._folder(policy)
        if not only_quarantined:
            yield from _stored(str(folder), quarantined=False)
        yield from _stored(str(folder / _QUARANTINE), quarantined=True)

    def keep_beside(self, batch: MetricBatch, kind: str, content: bytes, *, quarantined: bool) -> Path:
        """Write a file about a batch beside it, where the same retention finds it. Doing it twice replaces it.

        :param kind: what follows the batch's id in the name: ``case.json`` or ``page.html``.
        :raises BatchError: it cannot be written, or the batch is none of this store's.
        """
        source = self._path(batch)
        folder = source.parent / _QUARANTINE if quarantined else source.parent
        path = folder / f"{source.name.partition('.')[0]}.{kind}"
        if not _BATCH_FILE.fullmatch(path.name):
            raise BatchError(f"batch {batch.batch_id}: {path.name!r} is no name of a file of the store")
        _write_whole(path, content)
        return path

    def delete(self, files: Iterable[StoredFile]) -> None:
        """Delete files. One that is gone already is no error: somebody else deleted it at the same time.

        :raises BatchError: a file cannot be deleted.
        """
        for one in files:
            _unlink(Path(one.path))

    def mark_pruned(self, at: datetime) -> None:
        """Note when the store was last looked through for what is past its time.

        :raises BatchError: the note cannot be written.
        """
        _write_whole(self._root / _PRUNED, at.isoformat().encode())

    def pruned_at(self) -> datetime | None:
        """When the store was last looked through; ``None`` when it never was, or the note cannot be read."""
        try:
            found = datetime.fromisoformat((self._root / _PRUNED).read_text())
        except (OSError, ValueError):
            return None
        return found if found.tzinfo else None

    def delete_unfinished(self, before: datetime) -> None:
        """Delete what a process left half-written that died at it.

        :raises BatchError: a file cannot be deleted.
        """
        for pattern in (f"*/{_UNFINISHED}*", f"*/{_QUARANTINE}/{_UNFINISHED}*"):
            for path in self._root.glob(pattern):
                try:
                    written_at = path.stat().st_mtime
                except FileNotFoundError:
                    continue
                if written_at < before.timestamp():
                    _unlink(path)

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


def _entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """What lies in a folder; nothing when it is not there."""
    try:
        with os.scandir(folder) as found:
            yield from found
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise BatchError(
            f"{folder} cannot be listed: {error.strerror}. Let the user Airflow's tasks run as own SETPOINT_DATA."
        ) from error


def _stored(folder: str, *, quarantined: bool) -> Iterator[StoredFile]:
    for entry in _entries(folder):
        if match := _BATCH_FILE.fullmatch(entry.name):
            try:
                pulled_at = datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC)
                size_bytes = entry.stat(follow_symlinks=False).st_size
            except (ValueError, FileNotFoundError):
                continue  # no moment, so not ours; or deleted since the folder was listed
            yield StoredFile(entry.path, pulled_at, size_bytes, quarantined)


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise BatchError(
            f"{path} cannot be deleted: {error.strerror}. Let the user Airflow's tasks run as own SETPOINT_DATA."
        ) from error


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
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=_UNFINISHED)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # mkstemp gives the file to its owner alone; workers may run as other users of the same group.
            os.chmod(temporary, 0o640)
            os.replace(temporary, path)
        except BaseException:  # an interrupt too; it goes on as it came, and leaves no half file behind
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise BatchError(
            f"{path} cannot be written: {error.strerror}. Let SETPOINT_DATA name a folder with room that every Airflow "
            "component may write to."
        ) from error
