"""CloudWatch metric streams in a bucket: late and doubled deliveries, statistics, and what is no part of the series."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from worlds.aws_cloudwatch_stream_world import CloudWatchStreamWorld, line

from setpoint.model import Completeness, SeriesStatus
from setpoint.sources.cloudwatch_stream import StreamMetric
from setpoint.sources.contract import Fetched, SourceError
from setpoint.sources.stream_lines import Reader
from setpoint.sources.stream_points import by_period, once_each

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
AT = NOW - MINUTE


@pytest.fixture
def world() -> Iterator[CloudWatchStreamWorld]:
    with CloudWatchStreamWorld() as made:
        yield made


def fetch(world: CloudWatchStreamWorld, targets: tuple[str, ...] = ("web",), **keys: Any) -> Fetched:
    return world.source().fetch({"load": world.metric(**keys)}, targets, NOW)


def word(fetched: Fetched) -> SeriesStatus:
    return fetched.series[0]


def values(fetched: Fetched) -> list[float]:
    return [float(one) for one in fetched.frame["value"]]


def of(count: float, total: float, least: float, most: float, **more: float) -> dict[str, float]:
    return {"count": count, "sum": total, "min": least, "max": most, **more}


@pytest.mark.parametrize("pack", [lambda text: text.encode(), lambda text: gzip.compress(text.encode())])
def test_plain_and_gzipped_objects_are_read(world: CloudWatchStreamWorld, pack: Any) -> None:
    """The content tells, whatever the object is called."""
    world.put_object(AT, "fleet-1-2026-03-01-12-00-00-abc", pack(line("web", AT, 7.0)))
    assert (values(fetch(world)), word(fetch(world)).status) == ([7.0], Completeness.COMPLETE)


def test_records_without_a_line_end_between_them(world: CloudWatchStreamWorld) -> None:
    """Firehose puts records one after the other as they are; each is read."""
    world.put_object(AT, "a", (line("web", AT, 1.0).rstrip() + line("web", AT - MINUTE, 2.0)).encode())
    assert sorted(values(fetch(world))) == [1.0, 2.0]


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [("Average", 30.0), ("Sum", 120.0), ("Minimum", 5.0), ("Maximum", 60.0), ("SampleCount", 4.0)],
)
def test_statistics_are_put_together_exactly(world: CloudWatchStreamWorld, statistic: str, expected: float) -> None:
    """Five minutes make one point as CloudWatch would: the average is weighted by the samples, not that of averages."""
    first = NOW - 5 * MINUTE
    lines = line("web", first, 0, value=of(1, 60, 60, 60)) + line("web", first + MINUTE, 0, value=of(3, 60, 5, 40))
    world.put_object(AT, "a", lines.encode())
    fetched = fetch(world, statistic=statistic, period="5m", window="10m")
    assert (values(fetched), list(fetched.frame["timestamp"])) == ([expected], [first])


def test_a_percentile_is_read_where_the_stream_carries_it(world: CloudWatchStreamWorld) -> None:
    """A point without it is no point and no zero: the series is partial, and the message says where to look."""
    lines = line("web", AT, 0, value=of(2, 9, 4, 5, p99=4.9)) + line("web", AT - MINUTE, 0, value=of(2, 9, 4, 5))
    world.put_object(AT, "a", lines.encode())
    fetched = fetch(world, statistic="p99")
    assert (values(fetched), word(fetched).status) == ([4.9], Completeness.PARTIAL)
    assert "without p99" in word(fetched).messages[0]
    assert word(fetch(world, statistic="TM(25%:75%)")).points == 0


def test_a_minute_without_samples_has_no_average(world: CloudWatchStreamWorld) -> None:
    """Nothing divided by nothing is not zero."""
    world.put_object(AT, "a", line("web", AT, 0, value=of(0, 0, 0, 0)).encode())
    assert (word(fetch(world)).points, word(fetch(world)).status) == (0, Completeness.PARTIAL)


def test_a_minute_delivered_twice_counts_once(world: CloudWatchStreamWorld) -> None:
    """Firehose delivers at least once; CloudWatch streams a minute again when late samples came: the fuller counts."""
    early, late = line("web", AT, 0, value=of(1, 10, 10, 10)), line("web", AT, 0, value=of(3, 60, 10, 30))
    world.put_object(AT, "b-late", late.encode())
    world.put_object(AT, "c-again", (early + early).encode())
    assert values(fetch(world)) == [20.0]
    assert values(fetch(world, statistic="Sum", period="5m")) == [60.0]


def test_what_lies_under_an_earlier_hour_is_found(world: CloudWatchStreamWorld) -> None:
    """An object lies under the hour its oldest record arrived in, and may be written in the next."""
    now = datetime(2026, 3, 1, 12, 2, tzinfo=UTC)
    world.objects["2026/03/01/11/a"] = (now, line("web", datetime(2026, 3, 1, 12, 0, tzinfo=UTC), 1.0).encode())
    fetched = world.source().fetch({"load": world.metric(window="2m")}, ("web",), now)
    assert values(fetched) == [1.0]


def test_what_was_written_before_the_window_is_not_read(world: CloudWatchStreamWorld) -> None:
    """It cannot hold a point of it; one of an hour nobody asked for is not even listed."""
    world.objects["2026/03/01/11/old"] = (NOW - timedelta(minutes=40), b"broken")
    world.objects["2026/03/01/09/older"] = (NOW, b"broken")
    assert word(fetch(world)).status is Completeness.COMPLETE


@pytest.mark.parametrize(
    "other",
    [
        {"metric_name": "Loads"},
        {"namespace": "Test2"},
        {"dimensions": {"AutoScalingGroupName": "web", "InstanceId": "i-1"}},
        {"dimensions": {"InstanceId": "web"}},
        {"dimensions": {}},
    ],
)
def test_only_the_very_metric_is_read(world: CloudWatchStreamWorld, other: dict[str, Any]) -> None:
    """Another name, namespace or set of dimensions is another metric, also with one dimension more."""
    world.put_object(AT, "a", (line("web", AT, 9.0, **other) + line("web", AT - MINUTE, 1.0)).encode())
    assert values(fetch(world)) == [1.0]


def test_further_dimensions_have_to_be_equal(world: CloudWatchStreamWorld) -> None:
    """All of them, and no others."""
    both = {"AutoScalingGroupName": "web", "Disk": "sda"}
    lines = line("web", AT, 1.0, dimensions=both) + line("web", AT, 2.0, dimensions={**both, "Disk": "sdb"})
    world.put_object(AT, "a", (lines + line("web", AT, 3.0)).encode())
    assert values(fetch(world, dimensions={"Disk": "sda"})) == [1.0]


@pytest.mark.parametrize(
    ("field", "value", "choice"),
    [
        ("account_id", "999999999999", {"account": "123456789012"}),
        ("region", "us-east-1", {"metric_region": "eu-west-1"}),
        ("unit", "Count", {"unit": "Percent"}),
    ],
)
def test_two_metrics_of_one_name_are_not_mixed(
    world: CloudWatchStreamWorld, field: str, value: str, choice: dict[str, str]
) -> None:
    """Of two accounts, regions or units: an error that says how to choose, for that target alone; then it is read."""
    lines = line("web", AT, 1.0) + line("web", AT, 9.0, **{field: value}) + line("api", AT, 2.0)
    world.put_object(AT, "a", lines.encode())
    fetched = fetch(world, ("web", "api"))
    assert [(one.status, one.points) for one in fetched.series] == [(Completeness.ERROR, 0), (Completeness.COMPLETE, 1)]
    assert "say which is meant" in word(fetched).messages[0]
    assert values(fetch(world, **choice)) == [1.0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(line("web", AT, 9.0).encode(), mtime=0)[:-8], "not complete gzip"),
        ((line("web", AT, 1.0) + line("web", AT, 9.0)[:-20]).encode(), "1 of its lines are not as documented"),
        ((line("web", AT, 1.0) + '{"metric_name": "Load", "timestamp": "late"}\n').encode(), "1 of its lines"),
        (gzip.compress((line("web", AT, 9.0) * 20_000).encode(), mtime=0), "max_megabytes is 1"),
    ],
)
def test_what_cannot_be_read_is_told(world: CloudWatchStreamWorld, content: bytes, said: str) -> None:
    """Cut off, malformed or a bomb: what might be wrong is not used, and no series is complete."""
    world.put_object(AT, "bad", content)
    fetched = fetch(world, ("web", "api"), max_megabytes=1)
    assert {one.status for one in fetched.series} == {Completeness.PARTIAL}
    assert 9.0 not in values(fetched)
    assert any(said in message for message in word(fetched).messages)


def test_an_object_that_is_gone_or_replaced_is_not_used(world: CloudWatchStreamWorld) -> None:
    """Between listing and reading: none of it is used, and no series is complete."""
    world.put_object(AT, "a", line("web", AT, 1.0).encode())
    plain = world.answer

    def gone(path: str) -> tuple[int, dict[str, str], bytes]:
        listed = plain(path)
        world.objects.clear()
        return listed

    world.answer = gone  # type: ignore[method-assign]
    fetched = fetch(world)
    assert (word(fetched).status, word(fetched).points) == (Completeness.PARTIAL, 0)
    assert "deleted while" in word(fetched).messages[0]


def test_the_newest_objects_are_read_and_the_rest_is_told(world: CloudWatchStreamWorld) -> None:
    """A bound on the work, said in the status."""
    world.put({"web": [(NOW - number * MINUTE, float(number)) for number in range(1, 6)]})
    fetched = fetch(world, max_objects=2)
    assert sorted(values(fetched)) == [1.0, 2.0]
    assert "3 older objects are not read" in word(fetched).messages[0]


def test_a_bucket_that_cannot_be_read_is_named(world: CloudWatchStreamWorld) -> None:
    """The message names bucket and right."""
    world.deny()
    with pytest.raises(SourceError, match=r"listing s3://metrics/.*s3:GetObject, s3:ListBucket"):
        fetch(world)


def test_metrics_of_one_bucket_share_its_objects(world: CloudWatchStreamWorld) -> None:
    """However many metrics, each object is fetched once."""
    asked: list[str] = []
    plain = world.answer
    world.answer = lambda path: (asked.append(path), plain(path))[1]  # type: ignore[method-assign, func-returns-value]
    world.put_object(AT, "a", (line("web", AT, 1.0) + line("web", AT, 2.0, metric_name="Errors")).encode())
    metrics = {"load": world.metric(), "errors": world.metric(name="Errors", statistic="Sum", window="5m")}
    fetched = world.source().fetch(metrics, ("web",), NOW)
    assert fetched.frame.set_index("metric")["value"].to_dict() == {"load": 1.0, "errors": 2.0}
    assert len([path for path in asked if path.startswith("/metrics/2026")]) == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.integers(0, 9),
            st.integers(1, 3),
            st.floats(-1e6, 1e6, allow_nan=False),
        ),
        max_size=30,
    ),
    st.randoms(use_true_random=False),
)
def test_neither_order_nor_repetition_of_deliveries_matters(
    points: list[tuple[str, int, int, float]], random: Any
) -> None:
    """Any order, any line any number of times: the same answer, and each point of it once."""
    distinct = {(target, minute, count): total for target, minute, count, total in points}
    lines = [
        line(target, NOW - minute * MINUTE, 0, value=of(count, total, total, total))
        for (target, minute, count), total in distinct.items()
    ]
    delivered = [one for one in lines for _ in range(random.randint(1, 3))]
    random.shuffle(delivered)
    metric = _metric(period="2m")
    once, often = _answer(metric, lines), _answer(metric, delivered)
    assert once == pytest.approx(often)
    assert set(once) == {(target, (NOW - minute * MINUTE).timestamp() // 120) for target, minute, _ in distinct}


def _metric(**keys: Any) -> StreamMetric:
    common = {"source": "aws.cloudwatch_stream", "bucket": "metrics", "namespace": "Test", "name": "Load"}
    return StreamMetric.model_validate({**common, "statistic": "Sum", "period": "1m", "window": "10m", **keys})


def _answer(metric: StreamMetric, lines: list[str]) -> dict[tuple[str, float], float]:
    targets = ("a", "b", "c")
    rows, bad = Reader({"load": metric}, {"load": targets}).read("".join(lines).encode(), lambda: None)
    assert bad == 0
    points = by_period(once_each(rows["load"]), metric)
    assert not len(points.lacking)
    keys = [(targets[code], at / 120e6) for code, at in zip(points.codes, points.microseconds, strict=True)]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, points.values.tolist(), strict=True))


@given(
    st.lists(
        st.sampled_from(['{"metric_name": "Load"}', "Load", "{", "Load}", "[1]", '"Load"', "null", "\x00Load", ""])
    )
)
def test_no_content_breaks_the_reader(lines: list[str]) -> None:
    """Whatever stands there is left out and counted, and the good line beside it is read."""
    content = "\n".join([*lines, line("a", AT, 5.0).rstrip(), ""])
    rows, bad = Reader({"load": _metric()}, {"load": ("a",)}).read(content.encode(), lambda: None)
    assert sum(len(one.codes) for one in rows["load"]) == 1
    assert bad <= len(lines)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"statistic": "p99", "period": "5m"}, "p99 of minutes cannot be put together"),
        ({"period": "30s"}, "whole number of minutes"),
        ({"window": "90s"}, "such as 1m or 2m"),
        ({"prefix": "metrics/"}, "prefix has the hour in it"),
        ({"prefix": "m/%Y-%j/%H/"}, "%j is no part of a time here"),
        ({"prefix": "m/!{timestamp:yyyy}/%H"}, "not in Firehose's words"),
        ({"bucket": "s3://metrics"}, "pattern"),
        ({"statistic": "avg"}, "did you mean Average?"),
        ({"dimensions": {"AutoScalingGroupName": "x"}}, "already the dimension that names the target"),
        ({"window": "8d"}, "use aws.cloudwatch"),
    ],
)
def test_a_section_that_cannot_be_meant_is_refused(keys: dict[str, Any], said: str) -> None:
    """Each mistake in words that say what to write instead."""
    with pytest.raises(ValidationError) as raised:
        _metric(**keys)
    assert said in str(raised.value)


def test_the_documented_example_is_read() -> None:
    """The example of CloudWatch's user guide, with its percentiles and its trimmed mean."""
    example = {
        "metric_stream_name": "MyMetricStream",
        "account_id": "1234567890",
        "region": "us-east-1",
        "namespace": "AWS/EC2",
        "metric_name": "DiskWriteOps",
        "dimensions": {"InstanceId": "i-123456789012"},
        "timestamp": 1611929698000,
        "value": {"count": 3.0, "sum": 20.0, "max": 18.0, "min": 0.0, "p99": 17.56, "p99.9": 17.8764,
                  "TM(25%:75%)": 16.43},
        "unit": "Seconds",
    }  # fmt: skip
    found = {}
    for statistic in ("Average", "Maximum", "p99.9", "TM(25%:75%)"):
        metric = _metric(namespace="AWS/EC2", name="DiskWriteOps", dimension="InstanceId", statistic=statistic)
        rows, _ = Reader({"load": metric}, {"load": ("i-123456789012",)}).read(
            json.dumps(example).encode(), lambda: None
        )
        points = by_period(once_each(rows["load"]), metric)
        found[statistic] = (points.values.tolist(), points.microseconds.tolist())
    minute = [1611929698 // 60 * 60 * 1_000_000]
    assert found == {
        "Average": ([20.0 / 3], minute), "Maximum": ([18.0], minute), "p99.9": ([17.8764], minute),
        "TM(25%:75%)": ([16.43], minute),
    }  # fmt: skip
