"""Metrics out of CSV and Parquet objects: what is read, and what is told rather than read."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem
from pydantic import ValidationError

from setpoint.model import Completeness, SeriesStatus
from setpoint.sources.contract import Fetched, SourceError
from setpoint.sources.object_storage import ObjectMetric, ObjectSource

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HEAD = "timestamp,target,value\n"
ROWS = "2026-03-01T11:58:00Z,web,1\n2026-03-01T11:59:00Z,web,2\n"

Put = Callable[..., Path]


class Watched(LocalFileSystem):  # type: ignore[misc]  # fsspec is not typed
    """Local files; ``meanwhile`` is done between the listing and the reading of each."""

    cachable = False
    meanwhile: Callable[[str], None] = staticmethod(lambda path: None)

    def cat_file(self, path: str, **kwargs: Any) -> Any:
        content = super().cat_file(path, **kwargs)
        self.meanwhile(path)
        return content


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Writes a file under the folder, as one written shortly before ``NOW`` as a rule."""

    def write(name: str, content: str | bytes | pa.Table, age: timedelta = timedelta(minutes=1)) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pa.Table):
            pq.write_table(content, path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(path, ((NOW - age).timestamp(),) * 2)
        return path

    return write


def metric(folder: Path, **keys: Any) -> ObjectMetric:
    common = {"source": "object", "url": f"file://{folder}", "files": "*.csv", "period": "1m", "window": "10m"}
    return ObjectMetric.model_validate({**common, **keys})


def fetch(folder: Path, fs: Any = None, targets: tuple[str, ...] = ("web",), **keys: Any) -> Fetched:
    path = SimpleNamespace(fs=fs or Watched(), path=str(folder))
    return ObjectSource(lambda url: path).fetch({"load": metric(folder, **keys)}, targets, NOW)


def word(fetched: Fetched) -> SeriesStatus:
    return fetched.series[0]


def values(fetched: Fetched) -> list[float]:
    return [float(one) for one in fetched.frame["value"]]


def test_parquet_is_read_with_its_own_column_names(tmp_path: Path, put: Put) -> None:
    """A wide table of a fleet: the columns the policy names are read, in whatever type says the same."""
    table = pa.table(
        {
            "ts": pa.array([NOW - timedelta(minutes=1)] * 2, pa.timestamp("ns", "Asia/Tokyo")),
            "host": pa.array(["web", "api"]).dictionary_encode(),
            "cpu": pa.array([1.5, 2.5], pa.float32()),
            "mem": pa.array([7, 8], pa.int16()),
        }
    )
    put("a.parquet", table)
    columns = {"timestamp": "ts", "target": "host", "value": "cpu"}
    path = SimpleNamespace(fs=Watched(), path=str(tmp_path))
    wanted = {
        "cpu": metric(tmp_path, files="*.parquet", columns=columns),
        "mem": metric(tmp_path, files="*.parquet", columns={**columns, "value": "mem"}, unit="Percent"),
    }
    fetched = ObjectSource(lambda url: path).fetch(wanted, ("web", "api"), NOW)
    found = fetched.frame.set_index(["metric", "target"])["value"].to_dict()
    assert found == {("cpu", "web"): 1.5, ("cpu", "api"): 2.5, ("mem", "web"): 7.0, ("mem", "api"): 8.0}
    assert set(fetched.frame["timestamp"]) == {NOW - timedelta(minutes=1)}
    assert {one.status for one in fetched.series} == {Completeness.COMPLETE}
    assert fetched.units == {"cpu": "", "mem": "Percent"}


def test_metrics_that_share_a_table_are_told_apart_by_a_column(tmp_path: Path, put: Put) -> None:
    """In long form a column says which metric a row is of; the others' rows are nobody's."""
    put("a.csv", "timestamp,target,metric,value\n2026-03-01T11:59:00Z,web,mem,1\n2026-03-01T11:59:00Z,web,cpu,2\n")
    assert values(fetch(tmp_path, columns={"metric": "metric"}, name="cpu")) == [2.0]


@pytest.mark.parametrize(
    ("told", "columns"),
    [
        ("2026-03-01T11:59:00Z", {}),
        ("2026-03-01T12:59:00+01:00", {}),
        ("2026-03-01 06:59:00-0500", {}),
        ("2026-03-01 12:59:00", {"time_zone": "Europe/Berlin"}),
        ("2026-03-01T11:59:00Z", {"time_zone": "Europe/Berlin"}),
        ("1772366340", {"time_unit": "s"}),
        ("1772366340000", {"time_unit": "ms"}),
        ("1772366340.0", {"time_unit": "s"}),
    ],
)
def test_a_time_is_the_moment_it_says(tmp_path: Path, put: Put, told: str, columns: dict[str, str]) -> None:
    """With its zone, in the zone the policy names, or counted in the unit the policy names."""
    put("a.csv", f"{HEAD}{told},web,1\n")
    fetched = fetch(tmp_path, columns=columns)
    assert list(fetched.frame["timestamp"]) == [datetime(2026, 3, 1, 11, 59, tzinfo=UTC)]
    assert word(fetched).status is Completeness.COMPLETE


@pytest.mark.parametrize(
    ("content", "keys", "said"),
    [
        (f"{HEAD}2026-03-01T11:59:00,web,1\n", {}, "without a zone"),
        (f"{HEAD}2026-03-01T11:58:00Z,web,1\n2026-03-01 11:59,web,1\n", {}, "set time_zone"),
        ("time,target,value\n", {}, "no column 'timestamp'; its columns are time, target, value"),
        ("timestamp,target,value,value\n2026-03-01T11:59:00Z,web,1,2\n", {}, "2 columns named 'value'"),
        (pa.table({"timestamp": [1772366340], "target": ["web"], "value": [1]}), {}, "set time_unit"),
        (pa.table({"timestamp": [NOW.date()], "target": ["web"], "value": [1]}), {}, "type date32"),
        (pa.table({"timestamp": [NOW], "target": ["web"], "value": [True]}), {}, "values are numbers"),
        (pa.table({"timestamp": [NOW], "target": [1.5], "value": [1]}), {}, "names are text"),
        (pa.table({"timestamp": [NOW], "target": ["web"], "value": [1]}), {"time_unit": "s"}, "leave time_unit out"),
    ],
)
def test_a_table_that_does_not_fit_is_an_error(
    tmp_path: Path, put: Put, content: str | pa.Table, keys: dict[str, str], said: str
) -> None:
    """Nothing is guessed, no point is used, and the message names the object, the column and what to set."""
    name = "a.csv" if isinstance(content, str) else "a.parquet"
    put(name, content)
    put(f"b{name}", content)
    fetched = fetch(tmp_path, files=f"*{name[1:]}", columns=keys)
    assert (word(fetched).status, len(fetched.frame)) == (Completeness.ERROR, 0)
    assert said in word(fetched).messages[0]
    assert name in word(fetched).messages[0]


def test_an_hour_that_comes_twice_or_never_is_no_moment(tmp_path: Path, put: Put) -> None:
    """When the clocks change, a local time may mean two moments or none: such rows are told of and left out."""
    put("a.csv", f"{HEAD}2025-10-26 02:30:00,web,1\n2026-03-29 02:30:00,web,2\n2026-03-01 12:59:00,web,3\n")
    fetched = fetch(tmp_path, columns={"time_zone": "Europe/Berlin"})
    assert values(fetched) == [3.0]
    assert word(fetched).status is Completeness.PARTIAL
    assert "2 rows have no readable time" in word(fetched).messages[0]


def test_what_cannot_be_read_of_one_target_says_nothing_of_the_others(tmp_path: Path, put: Put) -> None:
    """A bad row makes its own target's series partial; a missing value stays a missing value."""
    put(
        "a.csv",
        f"{HEAD}2026-03-01T11:58:00Z,web,n/a\nlater,web,1\n2026-03-01T11:59:00Z,web,\n2026-03-01T11:59Z,api,5\n",
    )
    fetched = fetch(tmp_path, targets=("web", "api"))
    web, api = fetched.series
    assert (web.status, web.points, api.status, api.points) == (Completeness.PARTIAL, 1, Completeness.COMPLETE, 1)
    assert "1 rows have no readable time" in web.messages[0]
    assert "1 rows have no number" in web.messages[0]
    assert fetched.frame["value"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("half.csv.gz", gzip.compress((HEAD + ROWS * 99).encode(), mtime=0)[:-12], "not complete gzip"),
        ("half.csv", HEAD + ROWS + "2026-03-01T11:59:30Z,web,9", "last line has no end"),
        ("half.csv", "", "empty"),
        ("half.csv", HEAD + ROWS + "2026-03-01T11:59:30Z,web\n", "1 of its lines have more or fewer columns"),
        ("half.csv", b"timestamp,target,value\n2026-03-01T11:59:30Z,w\xff,1\n", "no complete csv"),
        ("half.csv.zst", b"not zstd", "not complete zstd"),
    ],
)
def test_a_half_written_object_is_partial(tmp_path: Path, put: Put, name: str, content: str | bytes, said: str) -> None:
    """What of it might be wrong is not used; what other objects hold is, and the series is not complete."""
    put("whole.csv", HEAD + ROWS.replace("web", "api"))
    put(name, content)
    fetched = fetch(tmp_path, files="*.csv*", format="csv", targets=("web", "api"))
    assert {one.status for one in fetched.series} == {Completeness.PARTIAL}
    assert said in word(fetched).messages[0]
    assert 9.0 not in values(fetched)
    assert fetched.series[1].points == 2


def test_a_cut_off_parquet_file_is_partial(tmp_path: Path, put: Put) -> None:
    """Parquet has its directory at the end: without it nothing is read."""
    path = put("a.parquet", pa.table({"timestamp": [NOW], "target": ["web"], "value": [1.0]}))
    put("a.parquet", path.read_bytes()[:-20])
    fetched = fetch(tmp_path, files="*.parquet")
    assert (word(fetched).status, word(fetched).points) == (Completeness.PARTIAL, 0)
    assert "a.parquet: it is no complete parquet" in word(fetched).messages[0]


def _append(path: str) -> None:
    with Path(path).open("a") as file:
        file.write(ROWS)


@pytest.mark.parametrize(
    ("meanwhile", "said"), [(_append, "changed while"), (lambda path: Path(path).unlink(), "deleted while")]
)
def test_an_object_that_moves_under_the_reader_is_not_used(
    tmp_path: Path, put: Put, meanwhile: Callable[[str], None], said: str
) -> None:
    """Appended to, replaced or deleted between listing and reading: none of it is used, and that is told."""
    put("a.csv", HEAD + ROWS)
    fs = Watched()
    fs.meanwhile = meanwhile  # type: ignore[method-assign]
    fetched = fetch(tmp_path, fs)
    assert (word(fetched).status, word(fetched).points) == (Completeness.PARTIAL, 0)
    assert said in word(fetched).messages[0]


def test_a_bomb_is_not_unpacked(tmp_path: Path, put: Put) -> None:
    """A few kilobytes that unpack to more than the limit are told of, not held."""
    put("a.csv.gz", gzip.compress((HEAD + ROWS * 40_000).encode()))
    put("b.csv", HEAD + ROWS * 40_000)
    fetched = fetch(tmp_path, files="*.csv*", format="csv", max_megabytes=1)
    assert (word(fetched).status, word(fetched).points) == (Completeness.PARTIAL, 0)
    assert [message.partition(":")[0] for message in word(fetched).messages] == ["a.csv.gz", "b.csv"]


def test_only_objects_that_can_hold_the_window_are_read(tmp_path: Path, put: Put) -> None:
    """Named for another day, written before the window began, or of a writer's own: not looked into."""
    put("2026-03-01/11/a.csv", HEAD + ROWS)
    put("2026-02-20/11/a.csv", "broken")
    put("2026-03-01/11/old.csv", "broken", age=timedelta(hours=3))
    put("2026-03-01/11/_tmp.csv", "broken")
    put("2026-03-01/11/.a.csv.part", "broken")
    put("2026-03-01/11/a.json", "broken")
    fetched = fetch(tmp_path, files="%Y-%m-%d/%H/*.csv")
    assert (values(fetched), word(fetched).status) == ([1.0, 2.0], Completeness.COMPLETE)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ("**/*.csv", [1.0, 2.0, 3.0]),
        ("*/*.csv", [2.0]),
        ("*/deep/?.csv", [3.0]),
        ("eu/[a].csv", []),
        ("%H%M.csv", [1.0]),
    ],
)
def test_patterns(tmp_path: Path, put: Put, files: str, found: list[float]) -> None:
    """``*`` and ``?`` stay within a name, ``**`` means any folders, and nothing else is special."""
    for name, value in (("1155.csv", 1), ("eu/a.csv", 2), ("eu/deep/b.csv", 3)):
        put(name, f"{HEAD}2026-03-01T11:59:00Z,web,{value}\n")
    assert sorted(values(fetch(tmp_path, files=files))) == found


def test_the_newest_objects_are_read_and_the_rest_is_told(tmp_path: Path, put: Put) -> None:
    """More objects than the policy reads: those written last count, and the series is not complete."""
    for number in range(5):
        put(f"{number}.csv", f"{HEAD}2026-03-01T11:5{number}:00Z,web,{number}\n", age=timedelta(minutes=9 - number))
    fetched = fetch(tmp_path, max_objects=2)
    assert values(fetched) == [3.0, 4.0]
    assert word(fetched).status is Completeness.PARTIAL
    assert "3 older objects are not read" in word(fetched).messages[0]


def test_overlapping_objects(tmp_path: Path, put: Put) -> None:
    """Every point is kept for the gate to judge, unless the policy says that the newest object counts."""
    put("b.csv", HEAD + ROWS, age=timedelta(minutes=3))
    put("a.csv", HEAD + ROWS.replace("web,2", "web,7"), age=timedelta(minutes=1))
    assert sorted(values(fetch(tmp_path))) == [1.0, 1.0, 2.0, 7.0]
    assert values(fetch(tmp_path, duplicates="newest")) == [1.0, 7.0]
    put("a.csv", HEAD + ROWS + ROWS.replace("web,2", "web,8"), age=timedelta(minutes=1))
    assert sorted(values(fetch(tmp_path, duplicates="newest"))) == [1.0, 1.0, 2.0, 8.0]


def test_a_folder_that_is_not_there_is_no_empty_answer(tmp_path: Path) -> None:
    """A misspelt url would otherwise look like a silent fleet for ever."""
    with pytest.raises(SourceError, match="is not there; put right url") as raised:
        fetch(tmp_path / "misspelt")
    assert not raised.value.retryable


def test_no_object_is_an_empty_answer(tmp_path: Path) -> None:
    """Nothing was written: no point, and the words say what was looked for."""
    found = word(fetch(tmp_path))
    assert (found.status, found.points) == (Completeness.COMPLETE, 0)
    assert "called *.csv and new enough" in found.messages[0]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"url": "/data"}, "url begins with how the storage is reached"),
        ({"url": "file://data"}, "whole path"),
        ({"url": "s3:///data"}, "names a bucket"),
        ({"url": "s3://key:secret@bucket/data"}, "no connection and no password"),
        ({"url": "file:///data/*"}, "wildcards and times go into files"),
        ({"url": "s3://bucket/data"}, "connection is left out"),
        ({"files": "../*.csv"}, "without empty parts"),
        ({"files": "/a.csv"}, "without empty parts"),
        ({"files": "**.csv"}, "stands alone"),
        ({"files": "%Y-%j.csv"}, "%j is no part of a time"),
        ({"files": "*.dat"}, "set format"),
        ({"files": "*.parquet", "compression": "gzip"}, "Parquet tells by itself"),
        ({"columns": {"metric": "m"}}, "belong together"),
        ({"name": "cpu"}, "belong together"),
        ({"columns": {"time_zone": "Mars/Olympus"}}, "no time zone of the IANA database"),
        ({"columns": {"time_zone": "UTC", "time_unit": "s"}}, "keep the one that is meant"),
        ({"columns": {"target": "value"}}, "two have the same name"),
        ({"window": "90s"}, "such as 1m or 2m"),
        ({"files": "%Y%m%d%H%M.csv", "window": "7d"}, "more than 5000 times"),
    ],
)
def test_a_section_that_cannot_be_meant_is_refused(tmp_path: Path, keys: dict[str, Any], said: str) -> None:
    """Each mistake in words that say what to write instead."""
    with pytest.raises(ValidationError) as raised:
        metric(tmp_path, **keys)
    assert said in str(raised.value)
