"""``aws.cloudwatch`` against a server that answers as the API reference says."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from setpoint.model import FRAME_COLUMNS, Completeness, SeriesStatus
from setpoint.sources.cloudwatch import CloudWatchMetric, CloudWatchSource
from setpoint.sources.contract import Fetched, SourceError

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)


def _metric(**keys: Any) -> CloudWatchMetric:
    return CloudWatchMetric.model_validate(
        {
            "source": "aws.cloudwatch",
            "namespace": "AWS/EC2",
            "name": "CPUUtilization",
            "statistic": "Average",
            "period": "1m",
            "window": "5m",
            **keys,
        }
    )


def _fetch(cloudwatch: Any, targets: Any = ("web",), **metrics: CloudWatchMetric) -> Fetched:
    source = CloudWatchSource(cloudwatch.client())
    return source.fetch(metrics or {"cpu": _metric()}, targets, NOW)


def _only(fetched: Fetched) -> SeriesStatus:
    (status,) = fetched.series
    return status


def test_a_complete_answer_becomes_a_long_frame(cloudwatch: Any) -> None:
    """Columns, types, times in UTC and the source's word, for a plain answer."""
    fetched = _fetch(cloudwatch)
    assert tuple(fetched.frame.columns) == FRAME_COLUMNS
    assert [str(kind) for kind in fetched.frame.dtypes] == ["datetime64[us, UTC]", "str", "str", "float64"]
    assert fetched.frame["timestamp"].tolist() == [datetime(2026, 3, 1, 11, 55 + n, tzinfo=UTC) for n in range(5)]
    status = _only(fetched)
    assert (status.status, status.points, status.expected_points) == (Completeness.COMPLETE, 5, 5)


def test_the_request_is_exact(cloudwatch: Any) -> None:
    """Window, period, statistic, unit and dimensions reach CloudWatch as the policy says them."""
    _fetch(cloudwatch, p95=_metric(statistic="p95", unit="Milliseconds", settle="2m", dimensions={"Stage": "prod"}))
    (request,) = cloudwatch.requests
    (query,) = request["MetricDataQueries"]
    assert request["StartTime"] == datetime(2026, 3, 1, 11, 53, tzinfo=UTC).timestamp()
    assert request["EndTime"] == datetime(2026, 3, 1, 11, 58, tzinfo=UTC).timestamp()
    assert request["ScanBy"] == "TimestampAscending"
    assert query["MetricStat"] == {
        "Metric": {
            "Namespace": "AWS/EC2",
            "MetricName": "CPUUtilization",
            "Dimensions": [{"Name": "AutoScalingGroupName", "Value": "web"}, {"Name": "Stage", "Value": "prod"}],
        },
        "Period": 60,
        "Stat": "p95",
        "Unit": "Milliseconds",
    }


def test_501_series_are_two_calls(cloudwatch: Any) -> None:
    """One call takes 500 queries, and every series comes back under its own name."""
    targets = [f"web-{number}" for number in range(501)]
    fetched = _fetch(cloudwatch, targets)
    assert sorted(len(one["MetricDataQueries"]) for one in cloudwatch.requests) == [1, 500]
    assert [one.target for one in fetched.series] == targets
    assert fetched.frame["target"].value_counts().to_dict() == dict.fromkeys(targets, 5)


def test_metrics_of_one_window_share_a_call(cloudwatch: Any) -> None:
    """Two metrics over the same window are one call; a third over another window is a second one."""
    fetched = _fetch(cloudwatch, ("a", "b"), cpu=_metric(), p95=_metric(statistic="p95"), slow=_metric(window="9m"))
    assert sorted(len(one["MetricDataQueries"]) for one in cloudwatch.requests) == [2, 4]
    assert {(one.target, one.metric): one.points for one in fetched.series} == {
        (target, metric): points for target in ("a", "b") for metric, points in (("cpu", 5), ("p95", 5), ("slow", 9))
    }


def test_pages_are_followed_to_the_end(cloudwatch: Any, say: Any) -> None:
    """PartialData before the last page only says that more follows; the points of all pages are one series."""

    def answer(number: int, request: dict[str, Any]) -> Any:
        (query,) = request["MetricDataQueries"]
        points = list(say.every_period(request, query, 50).items())
        if number == 0:
            return 200, {
                "MetricDataResults": [say.result(query, dict(points[:3]), StatusCode="PartialData")],
                "NextToken": "t",
            }
        assert request["NextToken"] == "t"
        return 200, {"MetricDataResults": [say.result(query, dict(points[3:]))]}

    cloudwatch.answer = answer
    fetched = _fetch(cloudwatch)
    assert (_only(fetched).status, _only(fetched).points) == (Completeness.COMPLETE, 5)
    assert fetched.frame["timestamp"].is_monotonic_increasing


def test_pages_that_never_end_are_an_error(cloudwatch: Any, say: Any) -> None:
    """The same token twice would loop for ever."""
    cloudwatch.answer = lambda number, request: (200, {**say.complete(request)[1], "NextToken": "same"})
    with pytest.raises(SourceError, match="NextToken came twice"):
        _fetch(cloudwatch)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("PartialData", Completeness.PARTIAL),
        ("InternalError", Completeness.ERROR),
        ("Forbidden", Completeness.ERROR),
        ("SomethingNew", Completeness.ERROR),
    ],
)
def test_the_status_code_is_honoured(cloudwatch: Any, say: Any, code: str, status: Completeness) -> None:
    """HTTP 200 with points is not yet a complete answer."""
    messages = [{"Code": "ArithmeticError", "Value": "one metric was not read"}]
    cloudwatch.answer = lambda number, request: (
        200,
        {
            "MetricDataResults": [
                say.result(query, say.every_period(request, query, 1), StatusCode=code, Messages=messages)
                for query in request["MetricDataQueries"]
            ]
        },
    )
    found = _only(_fetch(cloudwatch))
    assert found.status is status
    assert "ArithmeticError: one metric was not read" in found.messages


def test_a_message_on_the_whole_call_makes_it_partial(cloudwatch: Any, say: Any) -> None:
    """ "As much of the operation as possible is executed" is less than complete."""
    message = {"Code": "MaxMetricsExceeded", "Value": "Maximum number of allowed metrics exceeded"}
    cloudwatch.answer = lambda number, request: (200, {**say.complete(request)[1], "Messages": [message]})
    found = _only(_fetch(cloudwatch))
    assert found.status is Completeness.PARTIAL
    assert "Maximum number" in found.messages[0]


def test_an_empty_answer_is_empty_and_says_why_it_may_be(cloudwatch: Any, say: Any) -> None:
    """No point is no point, never a zero; a unit asked for is named as the likely cause."""
    cloudwatch.answer = lambda number, request: (
        200,
        {"MetricDataResults": [say.result(query, {}) for query in request["MetricDataQueries"]]},
    )
    fetched = _fetch(cloudwatch, cpu=_metric(unit="Percent"))
    assert fetched.frame.empty
    assert [str(kind) for kind in fetched.frame.dtypes] == ["datetime64[us, UTC]", "str", "str", "float64"]
    assert (_only(fetched).status, _only(fetched).points) == (Completeness.COMPLETE, 0)
    assert "in unit Percent" in _only(fetched).messages[0]


def test_a_series_left_out_of_the_answer_is_an_error(cloudwatch: Any) -> None:
    """What CloudWatch does not mention was not answered."""
    cloudwatch.answer = lambda number, request: (200, {"MetricDataResults": []})
    found = _only(_fetch(cloudwatch))
    assert found.status is Completeness.ERROR
    assert "does not mention" in found.messages[0]


def test_what_nobody_asked_for_is_reported_not_used(cloudwatch: Any, say: Any) -> None:
    """An unknown id and points outside the window are left out, and the answer is not taken for complete."""

    def answer(number: int, request: dict[str, Any]) -> Any:
        (query,) = request["MetricDataQueries"]
        points = say.every_period(request, query, 50)
        stray = {request["EndTime"] + 3600: 99.0, request["StartTime"] - 60: 98.0}
        other = say.result({"Id": "q77"}, points)
        return 200, {"MetricDataResults": [say.result(query, {**points, **stray}), other]}

    cloudwatch.answer = answer
    fetched = _fetch(cloudwatch)
    assert fetched.frame["value"].tolist() == [50.0] * 5
    found = _only(fetched)
    assert found.status is Completeness.PARTIAL
    assert any("2 points outside the window" in one for one in found.messages)
    assert any("q77" in one for one in found.messages)


def test_the_rounding_of_a_short_periods_start_is_expected(cloudwatch: Any, say: Any) -> None:
    """CloudWatch rounds the start of a one-second query down to the minute: those points are neither used nor odd."""

    def answer(number: int, request: dict[str, Any]) -> Any:
        (query,) = request["MetricDataQueries"]
        minute = request["StartTime"] // 60 * 60
        return 200, {
            "MetricDataResults": [say.result(query, dict.fromkeys(range(int(minute), int(request["EndTime"])), 1.0))]
        }

    cloudwatch.answer = answer
    fetched = _fetch(cloudwatch, cpu=_metric(period="1s", window="20s"))
    assert (_only(fetched).status, _only(fetched).points, _only(fetched).messages) == (Completeness.COMPLETE, 20, ())


def test_timestamps_that_do_not_pair_with_values_are_not_used(cloudwatch: Any, say: Any) -> None:
    """Nobody can tell which value belongs to which time."""
    cloudwatch.answer = lambda number, request: (
        200,
        {
            "MetricDataResults": [
                say.result(q, {}, Timestamps=[request["StartTime"]]) for q in request["MetricDataQueries"]
            ]
        },
    )
    fetched = _fetch(cloudwatch)
    assert fetched.frame.empty
    assert _only(fetched).status is Completeness.ERROR


def test_a_name_cloudwatch_cannot_hold_fails_alone(cloudwatch: Any) -> None:
    """One target with a name outside ASCII would have the whole call refused, so it is not asked for."""
    fetched = _fetch(cloudwatch, ("web", "кухня"))
    by_target = {one.target: one for one in fetched.series}
    assert by_target["web"].status is Completeness.COMPLETE
    assert by_target["кухня"].status is Completeness.ERROR
    assert "ASCII" in by_target["кухня"].messages[0]


def test_no_target_is_no_call(cloudwatch: Any) -> None:
    """An empty fleet costs nothing."""
    fetched = _fetch(cloudwatch, ())
    assert (fetched.series, len(fetched.frame), cloudwatch.requests) == ((), 0, [])


@pytest.mark.parametrize(
    ("code", "status", "retryable", "word"),
    [
        ("ThrottlingException", 400, True, "throttling"),
        ("InternalServiceFault", 500, True, "transient"),
        ("AccessDeniedException", 403, False, "Allow cloudwatch:GetMetricData"),
        ("ExpiredTokenException", 403, False, "credentials of the connection"),
        ("InvalidParameterValue", 400, False, "Check the policy"),
    ],
)
def test_an_error_says_whether_to_retry_and_what_to_mend(
    cloudwatch: Any, say: Any, code: str, status: int, retryable: bool, word: str
) -> None:
    """Each error names its kind; a permanent one names what a person does about it, also after pickling."""
    cloudwatch.answer = lambda number, request: say.refused(code, "the service's own words", status)
    with pytest.raises(SourceError, match="the service's own words") as raised:
        _fetch(cloudwatch)
    error = pickle.loads(pickle.dumps(raised.value))
    assert (error.retryable, word in str(error)) == (retryable, True)
    assert "cpu of web" in str(error)


def test_a_throttled_call_is_retried_by_botocore(cloudwatch: Any, say: Any) -> None:
    """One refusal for going too fast is not an error."""
    cloudwatch.answer = lambda number, request: (
        say.refused("ThrottlingException", "Rate exceeded") if number == 0 else say.complete(request)
    )
    assert _only(_fetch(cloudwatch)).points == 5
    assert len(cloudwatch.requests) == 2


def test_one_failed_call_fails_the_fetch(cloudwatch: Any, say: Any) -> None:
    """A fleet is not half read: with one of its calls refused the whole fetch is."""
    cloudwatch.answer = lambda number, request: (
        say.refused("AccessDenied") if len(request["MetricDataQueries"]) == 1 else say.complete(request)
    )
    with pytest.raises(SourceError):
        _fetch(cloudwatch, [f"web-{number}" for number in range(501)])


def test_nobody_there_is_retryable_and_names_the_endpoint(cloudwatch: Any) -> None:
    """A refused connection may be a restart."""
    cloudwatch.url = "http://127.0.0.1:9"  # the discard port: nothing listens there
    with pytest.raises(SourceError, match=r"no usable answer from http://127\.0\.0\.1:9") as raised:
        _fetch(cloudwatch)
    assert raised.value.retryable


def test_missing_credentials_name_the_connection(cloudwatch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials the message says where they are set."""
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    client = cloudwatch.client(access_key=None)
    with pytest.raises(SourceError, match="the connection the policy names") as raised:
        CloudWatchSource(client).fetch({"cpu": _metric()}, ["web"], NOW)
    assert not raised.value.retryable


def test_a_high_resolution_window_ends_on_a_period(cloudwatch: Any) -> None:
    """Ten-second periods end on the last ten seconds that are over, settle offset left out."""
    source = CloudWatchSource(cloudwatch.client())
    metric = _metric(period="10s", window="1m", settle="10s")
    fetched = source.fetch({"cpu": metric}, ["web"], NOW + timedelta(seconds=7))
    assert fetched.frame["timestamp"].max() == datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC)
    assert len(fetched.frame) == 6
