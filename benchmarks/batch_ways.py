"""One way of validating and aggregating a batch, in a process that does nothing else.

    .venv/bin/python -m benchmarks.batch_ways WAY TARGETS POINTS

Prints JSON: the median of the runs in milliseconds, and the most memory a run needed on top of what was there before
it (the batch, the libraries), in bytes. Every way gets the batch in its own form before the clock starts.

- ``setpoint``: the gate's judge, then the signals.
- ``textbook``: Great Expectations on the raw frame, then pandas ``groupby().resample()``.
- ``pandera``: a pandera schema on the raw frame, then pandas ``groupby``.
- ``polars``, ``duckdb``: the numbers the gate judges, and the same aggregates, one query each, all series at once.
- ``touch``: numpy adds up every byte once; nothing that reads a batch is quicker.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.batch_fleet import METRICS, NOW, a_fleet, a_policy

Work = Callable[[], Any]
_LIMITS = {"low": 0.0, "high": 1000.0}


def setpoint(frame: pd.DataFrame, reference: Any, policy: Any) -> Work:
    """What Setpoint does with a batch."""
    from setpoint.model import Verdict
    from setpoint.quality import judge
    from setpoint.signals import aggregate

    def work() -> None:
        assert judge(frame, reference, policy, NOW).verdict is Verdict.PASS
        assert len(aggregate(frame, reference, policy)) == 2 * len(reference.series) // len(METRICS)

    return work


def textbook(frame: pd.DataFrame, reference: Any, policy: Any) -> Work:
    """Six expectations over all rows (freshness and coverage have none), then one value a minute and its percentile."""
    import great_expectations as gx
    import great_expectations.expectations as gxe

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    whole = context.data_sources.add_pandas("p").add_dataframe_asset("f").add_batch_definition_whole_dataframe("w")
    expected: list[Any] = [
        gxe.ExpectColumnValuesToNotBeNull(column="value"),
        gxe.ExpectColumnValuesToNotBeNull(column="timestamp"),
        gxe.ExpectColumnValuesToBeBetween(column="value", min_value=_LIMITS["low"], max_value=_LIMITS["high"]),
        gxe.ExpectColumnValuesToBeInSet(column="metric", value_set=list(METRICS)),
        gxe.ExpectColumnMaxToBeBetween(column="value", min_value=0.001),
        gxe.ExpectCompoundColumnsToBeUnique(column_list=["timestamp", "target", "metric"]),
    ]
    suite = gx.ExpectationSuite(name="raw", expectations=expected)

    def work() -> None:
        assert whole.get_batch({"dataframe": frame}).validate(suite, result_format="BOOLEAN_ONLY").success
        by_minute = frame.set_index("timestamp").groupby(["target", "metric"])["value"].resample("1min").mean()
        assert len(by_minute.groupby(level=["target", "metric"]).quantile(0.9)) == len(reference.series)

    return work


def pandera(frame: pd.DataFrame, reference: Any, policy: Any) -> Work:
    """The same rules as a pandera schema, then pandas."""
    import pandera.pandas as pa

    schema = pa.DataFrameSchema(
        {
            "timestamp": pa.Column("datetime64[us, UTC]", nullable=False),
            "target": pa.Column(str),
            "metric": pa.Column(str, pa.Check.isin(METRICS)),
            "value": pa.Column(float, pa.Check.in_range(_LIMITS["low"], _LIMITS["high"]), nullable=False),
        },
        unique=["timestamp", "target", "metric"],
    )

    def work() -> None:
        schema.validate(frame)
        values = frame.groupby(["target", "metric"])["value"]
        assert len(values.quantile(0.9)) == len(reference.series)
        values.quantile(0.95)

    return work


def polars(frame: pd.DataFrame, reference: Any, policy: Any) -> Work:
    """What the gate measures of each series, and both percentiles."""
    import polars as pl

    table = pl.from_pandas(frame)
    value, step = pl.col("value"), pl.col("timestamp").diff()
    period = pl.duration(minutes=1)

    def work() -> None:
        found = table.group_by("target", "metric").agg(
            points=pl.len(),
            nulls=value.is_null().sum() + value.is_nan().sum(),
            infinite=value.is_infinite().sum(),
            beyond=((value < _LIMITS["low"]) | (value > _LIMITS["high"])).sum(),
            zeros=(value == 0).sum(),
            lowest=value.min(),
            highest=value.max(),
            newest=pl.col("timestamp").max(),
            back=(step < pl.duration(minutes=0)).sum(),
            gap=step.max(),
            filled=pl.col("timestamp").dt.truncate("1m").n_unique(),
            same=(value.diff() == 0).sum(),
            median=value.median(),
            spread=(value - value.median()).abs().median(),
            p90=value.quantile(0.9, "linear"),
            p95=value.quantile(0.95, "linear"),
        )
        assert len(found.filter((pl.col("beyond") == 0) & (pl.col("gap") <= period))) == len(reference.series)

    return work


def duckdb(frame: pd.DataFrame, reference: Any, policy: Any) -> Work:
    """The same in SQL."""
    import duckdb as db
    import pyarrow as pa

    connection = db.connect()
    connection.register("batch", pa.Table.from_pandas(frame, preserve_index=False))
    query = """
        with stepped as (
            select *, timestamp - lag(timestamp) over series as step, value = lag(value) over series as same
            from batch window series as (partition by target, metric order by timestamp)
        )
        select target, metric, count(*), count(*) - count(value), count(*) filter (isnan(value) or isinf(value)),
            count(*) filter (value < 0 or value > 1000) as beyond, count(*) filter (value = 0), min(value), max(value),
            max(timestamp), max(step), count(distinct date_trunc('minute', timestamp)), count(*) filter (same),
            median(value), mad(value), quantile_cont(value, 0.9), quantile_cont(value, 0.95)
        from stepped group by target, metric
    """

    def work() -> None:
        assert len(connection.execute(query).fetchnumpy()["beyond"]) == len(reference.series)

    return work


def touch(frame: pd.DataFrame, reference: Any, policy: Any) -> Work:
    """Every byte of the batch, once."""
    import pyarrow as pa

    buffers = [
        np.frombuffer(buffer, dtype=np.uint8)
        for column in pa.Table.from_pandas(frame, preserve_index=False).columns
        for chunk in column.chunks
        for buffer in chunk.buffers()
        if buffer is not None
    ]
    words = [one[: len(one) // 8 * 8].view(np.int64) for one in buffers]

    def work() -> None:
        sum(int(one.sum()) for one in words)

    return work


WAYS = {way.__name__: way for way in (setpoint, textbook, pandera, polars, duckdb, touch)}


def main() -> None:
    """Measure one way."""
    way, targets, points, repeats = WAYS[sys.argv[1]], *map(int, sys.argv[2:5])
    small_policy, policy = a_policy(60), a_policy(points)
    # The first run of anything imports and fills caches; a forked task finds them filled.
    way(*a_fleet(1, small_policy, 60), small_policy)()
    frame, reference = a_fleet(targets, policy, points)
    work = way(frame, reference, policy)
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # what is most from now on
    spans = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        spans.append((time.perf_counter() - began) * 1000)
    print(
        json.dumps(
            {
                "milliseconds": statistics.median(spans),
                "extra_bytes": max(0, _memory("VmHWM") - before),
                "batch_bytes": int(frame.memory_usage(index=False).sum()),
                "rows": len(frame),
            }
        )
    )


def _memory(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field)) * 1024


if __name__ == "__main__":
    main()
