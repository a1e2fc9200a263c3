"""``source: object`` in a policy: which objects of which storage, and how they are to be read."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator

from setpoint.policy.fields import Duration, refuse
from setpoint.sources.contract import ConnectionName, MetricConfig
from setpoint.sources.object_times import step_of
from setpoint.sources.table_columns import TableColumns
from setpoint.sources.target_names import TargetNames
from setpoint.sources.unpack import CODECS, Codec
from setpoint.sources.windows import whole_seconds, whole_window

LOCAL = ("file", "local")
_FORMATS: dict[str, Literal["csv", "parquet"]] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
}
_MOST_FOLDERS = 5_000


class ObjectMetric(MetricConfig, TargetNames):
    """``source: object``: one metric out of CSV or Parquet objects that something else writes."""

    source: Literal["object"]
    connection: ConnectionName | None = Field(
        default=None, description="the Airflow connection of the storage; files of the worker itself need none"
    )
    url: str = Field(
        min_length=1,
        max_length=1024,
        description="the folder or prefix the objects lie under: s3://bucket/metrics, gs://bucket/metrics, "
        "file:///data/metrics",
    )
    files: str = Field(
        min_length=1,
        max_length=512,
        description="which objects under url: * and ? match within a name, ** any folders; %Y %m %d %H %M are the time "
        "an object is of, in UTC: %Y-%m-%d/%H/*.parquet",
    )
    span: Duration = Field(
        default=timedelta(hours=1),
        description="how much time one object may hold: where files has times, those from so long before the window on "
        "are looked at",
    )
    format: Literal["csv", "parquet"] | None = Field(
        default=None, description="csv or parquet; the ending of files tells when it is left out"
    )
    compression: Literal["none"] | Codec | None = Field(
        default=None,
        description="how CSV is compressed: gzip, bz2, zstd, lz4 or none; each object's ending tells when it is left "
        "out. Parquet tells by itself",
    )
    delimiter: str | None = Field(
        default=None,
        min_length=1,
        max_length=1,
        description="what separates the columns of CSV; a comma, a tab in .tsv",
    )
    columns: TableColumns = Field(default=TableColumns(), description="which column is what")
    name: str | None = Field(
        default=None, min_length=1, max_length=256, description="what columns.metric holds in this metric's rows"
    )
    duplicates: Literal["keep", "newest"] = Field(
        default="keep",
        description="where objects overlap: keep every point, for the gate to judge; or, of one moment of one target, "
        "only the newest object's",
    )
    max_objects: int = Field(default=200, ge=1, le=10_000, description="how many objects are read, the newest first")
    max_megabytes: int = Field(
        default=64, ge=1, le=1024, description="how large an object may be, in MB, packed and unpacked"
    )

    @field_validator("period")
    @classmethod
    def _period_whole(cls, period: timedelta) -> timedelta:
        return whole_seconds(period)

    @field_validator("window")
    @classmethod
    def _window_whole(cls, window: timedelta, info: ValidationInfo) -> timedelta:
        return whole_window(window, info)

    @field_validator("url")
    @classmethod
    def _url_plain(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise refuse(f"url cannot be read: {error}") from None
        if not parts.scheme:
            raise refuse("url begins with how the storage is reached: s3://, gs://, abfs://, file:///")
        if "@" in parts.netloc:
            raise refuse("url holds no connection and no password; name the Airflow connection in connection")
        if parts.query or parts.fragment or any(mark in url for mark in "*?%"):
            raise refuse("url is the plain beginning that all objects share; wildcards and times go into files")
        if parts.scheme in LOCAL and not parts.path.startswith("/"):
            raise refuse("url names a file's whole path: file:///data/metrics")
        if parts.scheme not in LOCAL and not parts.netloc:
            raise refuse(f"url names a bucket or container: {parts.scheme}://bucket/metrics")
        return url

    @field_validator("files")
    @classmethod
    def _files_plain(cls, files: str) -> str:
        if unknown := sorted(set(re.findall(r"%.?", files)) - {"%Y", "%m", "%d", "%H", "%M"}):
            raise refuse(f"{', '.join(unknown)} is no part of a time; there are %Y, %m, %d, %H and %M")
        parts = files.split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise refuse("files is a path under url without empty parts, . and ..")
        if any("**" in part and part != "**" for part in parts) or parts[-1] == "**":
            raise refuse("** stands alone between slashes, and files ends with the objects' own names: **/*.parquet")
        return files

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.format is None and self.guessed_format() is None:
            raise refuse("files does not tell by its ending whether these are CSV or Parquet; set format")
        if self.read_as() == "parquet" and (self.compression is not None or self.delimiter is not None):
            raise refuse("compression and delimiter are for CSV; Parquet tells by itself")
        if (self.columns.metric is None) != (self.name is None):
            raise refuse("columns.metric and name belong together: the column of the metrics' names, and this one's")
        if self.connection is None and urlsplit(self.url).scheme not in LOCAL:
            raise refuse("connection is left out, and only files of the worker itself can be read without one")
        if (step := step_of(self.files)) and (self.window + self.settle + 2 * self.span) / step > _MOST_FOLDERS:
            raise refuse(
                f"files would have more than {_MOST_FOLDERS} times to look for; name objects by the hour or the day"
            )
        return self

    def guessed_format(self) -> Literal["csv", "parquet"] | None:
        """What the ending of ``files`` tells; a compression's ending may follow it."""
        name = self.files.lower()
        for ending in CODECS:
            name = name.removesuffix(ending)
        return next((kind for ending, kind in _FORMATS.items() if name.endswith(ending)), None)

    def read_as(self) -> Literal["csv", "parquet"]:
        """The format the objects are read as."""
        kind = self.format or self.guessed_format()
        assert kind is not None  # the model does not exist otherwise
        return kind

    def codec_of(self, name: str) -> Codec | None:
        """How an object of this name is compressed."""
        if self.compression is not None:
            return None if self.compression == "none" else self.compression
        return next((codec for ending, codec in CODECS.items() if name.lower().endswith(ending)), None)
