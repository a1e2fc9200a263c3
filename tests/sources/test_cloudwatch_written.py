"""Queries that are written once: what goes out is what boto3 would have sent, whatever they say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ParamValidationError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.serialize import JSONSerializer
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from setpoint.sources.cloudwatch import CloudWatchMetric
from setpoint.sources.cloudwatch_queries import Call, plan_calls
from setpoint.sources.cloudwatch_written import WrittenQueries, send_as_written

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
OPERATION = ServiceModel(Loader().load_service_model("cloudwatch", "service-2"), "cloudwatch").operation_model(
    "GetMetricData"
)
COMMON = {"source": "aws.cloudwatch", "period": "1m", "window": "5m"}
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20).filter(str.strip)


class Sent:
    """A client whose requests are kept where the network would be."""

    def __init__(self, answer: bytes = b'{"MetricDataResults": []}') -> None:
        self.bodies: list[bytes] = []
        self._answer = answer
        self.client = boto3.client(
            "cloudwatch", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        self.client.meta.events.register("before-send.cloudwatch.GetMetricData", self._take)

    def _take(self, request: Any, **_: Any) -> Any:
        self.bodies.append(request.body)
        assert int(request.headers["Content-Length"]) == len(request.body)
        answer = AWSResponse(request.url, 200, {"content-type": "application/x-amz-json-1.0"}, None)
        answer._content = self._answer
        return answer


@pytest.fixture(scope="module")
def sent() -> Sent:
    made = Sent()
    send_as_written(made.client)
    send_as_written(made.client)
    return made


def as_boto3_writes(request: dict[str, Any]) -> dict[str, Any]:
    """The body boto3's own serializer makes of the same arguments, once its own validation takes them."""
    plain = {**request, "MetricDataQueries": [dict(one) for one in request["MetricDataQueries"]]}
    assert not ParamValidator().validate(plain, OPERATION.input_shape).has_errors()
    body: dict[str, Any] = json.loads(JSONSerializer().serialize_to_request(plain, OPERATION)["body"])
    return body


def calls_of(targets: list[str], **metrics: dict[str, Any]) -> list[Call]:
    configs = {name: CloudWatchMetric.model_validate({**COMMON, **keys}) for name, keys in metrics.items()}
    return list(plan_calls(configs, targets, NOW))


@given(
    targets=st.lists(PRINTABLE | st.just("\x00target\x00") | st.just('"}]'), min_size=1, max_size=4, unique=True),
    name=PRINTABLE,
    dimensions=st.dictionaries(PRINTABLE.filter(lambda one: one[0] != ":" and one != "Host"), PRINTABLE, max_size=2),
    account=st.none() | st.just("012345678901"),
    unit=st.sampled_from(["", "Percent", "requests"]),
    token=st.none() | st.text(min_size=1, max_size=8) | st.just('"MetricDataQueries": []'),
)
def test_what_is_sent_is_what_boto3_would_send(
    sent: Sent,
    targets: list[str],
    name: str,
    dimensions: dict[str, str],
    account: str | None,
    unit: str,
    token: str | None,
) -> None:
    """Named, computed and selected metrics, of whatever names, on a first and on a later page."""
    operand = {"namespace": "Shop", "name": name, "statistic": "Sum", "dimensions": dimensions, "account": account}
    calls = calls_of(
        targets,
        named={"dimension": "Host", "namespace": "AWS/EC2", "name": name, "statistic": "p99.9",
               "dimensions": dimensions, "account": account, "unit": unit},
        computed={"dimension": "Host", "expression": "100 * a / b",
                  "queries": {"a": operand, "b": {**operand, "per_target": False}}},
        selected={"dimension": "Host", "select": "SELECT AVG(x) FROM y WHERE z = '\"' GROUP BY Host"},
    )  # fmt: skip
    for call in calls:
        request = {**call.request(), **({"NextToken": token} if token else {})}
        sent.client.get_metric_data(**request)
        assert json.loads(sent.bodies.pop()) == as_boto3_writes(request)


def test_queries_read_as_mappings() -> None:
    """Whoever looks at a written query sees what it says."""
    (call,) = calls_of(["web", "api"], cpu={"namespace": "AWS/EC2", "name": "CPUUtilization", "statistic": "Average"})
    assert [one["Id"] for one in call.queries] == ["q0", "q1"]
    assert [one["MetricStat"]["Metric"]["Dimensions"][0]["Value"] for one in call.queries] == ["web", "api"]
    assert (len(call.queries), call.queries[1:][0], list(call.asked)) == (2, call.queries[1], ["q0", "q1"])


def test_queries_of_others_are_left_to_boto3(sent: Sent) -> None:
    """The same client with plain arguments is as before, its checks included."""
    query = {"Id": "m1", "Expression": "1 + 1", "Period": 60}
    sent.client.get_metric_data(MetricDataQueries=[query], StartTime=NOW, EndTime=NOW)
    assert json.loads(sent.bodies.pop())["MetricDataQueries"] == [query]
    with pytest.raises(ParamValidationError):
        sent.client.get_metric_data(MetricDataQueries=[{"id": "m1"}], StartTime=NOW, EndTime=NOW)


def test_another_protocol_is_left_to_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the service is spoken to otherwise, boto3 writes the queries itself."""
    made = Sent(b"<GetMetricDataResponse><GetMetricDataResult/></GetMetricDataResponse>")
    send_as_written(made.client)
    told: list[Any] = []
    events = made.client.meta.events
    events.register_last("before-parameter-build.cloudwatch.GetMetricData", lambda params, **_: told.append(params))
    monkeypatch.setitem(vars(made.client.meta.service_model), "resolved_protocol", "query")
    query = '{"Id": "m1", "Expression": "1 + 1", "Period": 60}'
    made.client.get_metric_data(MetricDataQueries=WrittenQueries([query]), StartTime=NOW, EndTime=NOW)
    assert told[0]["MetricDataQueries"] == [json.loads(query)]
