"""The world of ``object``: a folder of gzipped CSV files, one a minute, through fsspec as any storage is reached."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from fsspec.implementations.local import LocalFileSystem
from worlds.base import Ability, Points, World

from setpoint.sources.object_storage import ObjectMetric, ObjectSource


class Storage(LocalFileSystem):  # type: ignore[misc]  # fsspec is not typed
    """Local files that misbehave as a remote storage does."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.failing: list[Exception] = []
        self.denied = False

    def ls(self, path: str, detail: bool = False, **kwargs: Any) -> Any:
        if self.denied:
            raise PermissionError("Access Denied")
        if self.failing:
            raise self.failing.pop()
        return super().ls(path, detail=detail, **kwargs)


class ObjectWorld(World):
    """Objects of one metric."""

    registered: ClassVar[str] = "object"
    lacks: ClassVar[Mapping[Ability, str]] = {
        "pages": "fsspec lists a folder to its end by itself; test_object_s3.py does so on S3",
        "throttles": "fsspec's filesystems try again by themselves; s3fs' own settings say how often",
        "hangs": "a file answers at once; a remote filesystem's time limits are set in connections/storage.py",
    }

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="setpoint-objects-"))
        self._storage = Storage()

    def close(self) -> None:
        shutil.rmtree(self._folder)

    def source(self, timeout_seconds: float = 30.0) -> ObjectSource:
        path = SimpleNamespace(fs=self._storage, path=str(self._folder))
        return ObjectSource(lambda url: path, seconds=timeout_seconds)

    def metric(self, **keys: Any) -> ObjectMetric:
        common = {"source": "object", "url": f"file://{self._folder}", "files": "%Y-%m-%d/*.csv.gz"}
        return ObjectMetric.model_validate({**common, "period": "1m", "window": "10m", **keys})

    def put(self, points: Mapping[str, Points]) -> None:
        shutil.rmtree(self._folder)
        self._folder.mkdir()
        by_moment: dict[datetime, list[str]] = {}
        for target, own in points.items():
            quoted = '"' + target.replace('"', '""') + '"'
            for at, value in own:
                by_moment.setdefault(at, []).append(f"{at:%FT%TZ},{quoted},{value!r}\n")
        for at, lines in by_moment.items():
            content = gzip.compress(("timestamp,target,value\n" + "".join(lines)).encode())
            self._write(at, f"{at:%H%M}.csv.gz", content)

    def fail(self, times: int) -> None:
        self._storage.failing = [OSError("503 SlowDown: we are sorry")] * times

    def deny(self) -> None:
        self._storage.denied = True

    def say_partial(self, target: str) -> None:
        at = datetime(2026, 3, 1, 11, 55, tzinfo=UTC)
        self._write(at, "half.csv.gz", gzip.compress(b"timestamp,target,value\n" * 99)[:-9])

    def open_connections(self) -> int:
        return 0

    def _write(self, at: datetime, name: str, content: bytes) -> None:
        path = self._folder / f"{at:%Y-%m-%d}" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (at.timestamp() + 60, at.timestamp() + 60))
