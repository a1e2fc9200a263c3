"""Pulling one batch for a policy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from setpoint.model import Completeness, SeriesStatus
from setpoint.policy.schema import Policy
from setpoint.sources.batches import BatchStore
from setpoint.sources.contract import Fetched, MetricConfig, SourceError
from setpoint.sources.frame import long_frame
from setpoint.sources.pull import pull
from setpoint.testing.values import NOW, a_policy


class _Constant:
    """A source that answers every period with one value, and statuses as told."""

    Config: ClassVar[type[MetricConfig]] = MetricConfig
    connection_type: ClassVar[str | None] = None
    permissions: ClassVar[tuple[str, ...]] = ()
    when_empty: ClassVar[str] = "it never is"

    def __init__(self, repeat_status: int = 1, invent: bool = False) -> None:
        self.asked: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self._repeat, self._invent = repeat_status, invent

    def fetch(self, metrics: Mapping[str, Any], targets: Sequence[str], now: datetime) -> Fetched:
        self.asked.append((tuple(metrics), tuple(targets)))
        keys = [(target, metric) for target in targets for metric in metrics]
        times = [self._times(metrics[metric], now) for _, metric in keys]
        named = [*keys, ("stranger", "cpu")] if self._invent else keys
        return Fetched(
            frame=long_frame(
                microseconds=np.concatenate([np.empty(0, np.int64), *times]),
                targets=[target for target, _ in keys],
                metrics=[metric for _, metric in keys],
                counts=[len(one) for one in times],
                values=np.full(sum(map(len, times)), 50.0),
            ),
            series=tuple(
                SeriesStatus(
                    target=target,
                    metric=metric,
                    status=Completeness.COMPLETE,
                    points=metrics[metric].expected_points,
                    expected_points=metrics[metric].expected_points,
                    period_seconds=metrics[metric].period_seconds,
                )
                for target, metric in named
                for _ in range(self._repeat)
            ),
            units={name: config.unit for name, config in metrics.items()},
        )

    @staticmethod
    def _times(config: MetricConfig, now: datetime) -> Any:
        first = int(config.window_at(now).start.timestamp())
        return (first + np.arange(config.expected_points) * config.period_seconds) * 1_000_000


def _policy() -> Policy:
    cpu = {"namespace": "AWS/EC2", "name": "CPUUtilization", "statistic": "Average", "unit": "Percent"}
    slow = {"namespace": "AWS/EC2", "name": "NetworkIn", "statistic": "Sum"}
    common = {"source": "aws.cloudwatch", "period": "1m"}
    return a_policy(
        metrics={"cpu": {**common, **cpu, "window": "5m", "settle": "1m"}, "net": {**common, **slow, "window": "8m"}}
    )


def test_a_batch_holds_every_metric_of_every_target(tmp_path: Path) -> None:
    """One call to the source, one batch: its window covers every metric's own, its moment is the one given."""
    source, store = _Constant(), BatchStore(tmp_path)
    batch = pull(_policy(), ["web-1", "web-2", "web-1"], NOW, {"aws.cloudwatch": source}, store)
    assert source.asked == [(("cpu", "net"), ("web-1", "web-2"))]
    assert (batch.window.start, batch.window.end) == (NOW - timedelta(minutes=8), NOW)
    assert (batch.policy, batch.pulled_at, batch.rows, len(batch.series)) == ("web", NOW, 26, 4)
    assert batch.units == {"cpu": "Percent", "net": ""}
    assert store.read(batch).groupby(["target", "metric"]).size().to_dict() == {
        ("web-1", "cpu"): 5,
        ("web-1", "net"): 8,
        ("web-2", "cpu"): 5,
        ("web-2", "net"): 8,
    }


def test_metrics_of_another_origin_are_fetched_apart(tmp_path: Path) -> None:
    """One fetch for each source, connection and region, each of its own metrics; one batch of them all."""
    policy = _policy()
    there = policy.metrics["net"].model_copy(update={"connection": "prod_eu", "region": "eu-west-1"})
    policy = policy.model_copy(update={"metrics": {**policy.metrics, "net": there}})
    here, away = _Constant(), _Constant()
    sources = {"aws.cloudwatch": here, "aws.cloudwatch via prod_eu in eu-west-1": away}
    batch = pull(policy, ["web-1"], NOW, sources, BatchStore(tmp_path))
    assert (here.asked, away.asked) == ([(("cpu",), ("web-1",))], [(("net",), ("web-1",))])
    assert {(one.metric, one.points) for one in batch.series} == {("cpu", 5), ("net", 8)}


def test_an_empty_fleet_is_an_empty_batch(tmp_path: Path) -> None:
    """No target is not an error; it is no data."""
    store = BatchStore(tmp_path)
    batch = pull(_policy(), [], NOW, {"aws.cloudwatch": _Constant()}, store)
    assert (batch.rows, batch.series) == (0, ())
    assert store.read(batch).empty


def test_a_source_that_was_not_built_is_named(tmp_path: Path) -> None:
    """The message names what is missing."""
    with pytest.raises(SourceError, match=r"aws\.cloudwatch") as raised:
        pull(_policy(), ["web-1"], NOW, {}, BatchStore(tmp_path))
    assert not raised.value.retryable


@pytest.mark.parametrize(
    ("source", "word"),
    [
        (_Constant(repeat_status=0), "no status"),
        (_Constant(repeat_status=2), "2 statuses"),
        (_Constant(invent=True), "stranger"),
    ],
)
def test_a_source_that_breaks_its_contract_is_refused(tmp_path: Path, source: _Constant, word: str) -> None:
    """One status for each series asked for, no more and no less."""
    with pytest.raises(SourceError, match=word):
        pull(_policy(), ["web-1"], NOW, {"aws.cloudwatch": source}, BatchStore(tmp_path))


def test_reading_a_policy_imports_nothing_heavy() -> None:
    """A policy file is parsed in every Dag parse: the room's own modules bring no pandas, boto3 or pyarrow."""
    program = (
        "import sys\n"
        "import setpoint.sources, setpoint.sources.cloudwatch, setpoint.sources.pull, setpoint.sources.batches\n"
        "print([name for name in ('numpy', 'pandas', 'boto3', 'botocore', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
