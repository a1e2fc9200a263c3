"""GetMetricData's answers as columns: the same as boto3's own parser reads, and boto3's where the form is another."""

from __future__ import annotations

import json
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import JSONParser
from hypothesis import given
from hypothesis import strategies as st

from setpoint.sources.cloudwatch_page import (
    Page,
    UnexpectedFormError,
    page_of,
    page_of_json,
    page_of_parsed,
    read_as_columns,
)

MODEL = ServiceModel(Loader().load_service_model("cloudwatch", "service-2"), "cloudwatch")
SHAPE = MODEL.operation_model("GetMetricData").output_shape


def by_boto3(body: bytes) -> Page:
    """The page as botocore's own parser for this protocol reads it."""
    return page_of_parsed(JSONParser().parse({"body": body, "headers": {}, "status_code": 200}, SHAPE))


def same(one: Page, other: Page) -> bool:
    return (
        one.results == other.results
        and np.array_equal(one.times, other.times)
        and np.array_equal(
            one.values.view(np.int64), other.values.view(np.int64)
        )  # to the last bit, and the zero's sign
        and (one.messages, one.token) == (other.messages, other.token)
    )


FINITE = st.floats(allow_nan=False, allow_infinity=False)
SECONDS = st.integers(0, 4_000_000_000)
WORDS = st.text(max_size=8)
MESSAGES = st.lists(st.fixed_dictionaries({}, optional={"Code": WORDS, "Value": WORDS, "New": WORDS}), max_size=2)
POINTS = st.lists(st.tuples(SECONDS, FINITE | st.integers(-(2**60), 2**60)), max_size=6)


@st.composite
def results(draw: st.DrawFn) -> dict[str, Any]:
    points = draw(POINTS)
    as_float = draw(st.booleans())
    told: dict[str, Any] = {
        "Id": draw(WORDS),
        "Timestamps": [float(at) if as_float else at for at, _ in points],
        "Values": [value for _, value in points],
    }
    for key, some in (("Label", WORDS), ("StatusCode", WORDS), ("Messages", MESSAGES), ("Unknown", st.just([1, "x"]))):
        if draw(st.booleans()):
            told[key] = draw(some)
    if draw(st.integers(0, 9)) == 0:
        told["Values"] = [*told["Values"], 1.5]
    return told


BODIES = st.fixed_dictionaries(
    {"MetricDataResults": st.lists(results(), max_size=4)},
    optional={"NextToken": WORDS, "Messages": MESSAGES, "Surprise": st.just({"a": [1]})},
)


@given(BODIES, st.sampled_from([(",", ":"), (", ", ": "), (",\n\t", " : ")]), st.booleans())
def test_columns_are_what_boto3_reads(body: dict[str, Any], separators: tuple[str, str], ascii_only: bool) -> None:
    """Whatever GetMetricData says, in whatever spacing: the same series, times, values and words."""
    text = json.dumps(body, separators=separators, ensure_ascii=ascii_only).encode()
    assert same(page_of_json(text), by_boto3(text))


@pytest.mark.parametrize(
    "number", ["1.7724E9", "1772400000", "1772400000.0", "1772400000.123", "0", "4102444800", "1.772400000123E9"]
)
def test_times_are_read_however_they_are_written(number: str) -> None:
    """AWS JSON 1.0 writes seconds since the epoch, with or without a fraction or an exponent."""
    text = b'{"MetricDataResults":[{"Id":"q0","Timestamps":[%s],"Values":[1]}]}' % number.encode()
    assert same(page_of_json(text), by_boto3(text))


@pytest.mark.parametrize(
    "values",
    ['["NaN"]', '["Infinity", 1.0]', "[null]", "[true]", "[[1]]", '["1e"]', '"abc"', "7", "[1, {}]"],
)
def test_another_form_is_left_to_boto3(values: str) -> None:
    """What holds something else than numbers is not read as columns, so nothing is guessed."""
    count = len(json.loads(values)) if values.startswith("[") else 1
    stamps = ",".join(["1772400000"] * count)
    text = f'{{"MetricDataResults":[{{"Id":"q0","Timestamps":[{stamps}],"Values":{values}}}]}}'.encode()
    with pytest.raises(UnexpectedFormError):
        page_of_json(text)


@pytest.mark.parametrize(
    "text", [b"", b"<html>", b"[]", b'{"MetricDataResults":[{}]}', b'{"MetricDataResults":', b"\xff"]
)
def test_a_body_that_is_no_answer_is_left_to_boto3(text: bytes) -> None:
    """An error page, half a body: boto3's parser says what is wrong with it."""
    with pytest.raises(UnexpectedFormError):
        page_of_json(text)


def _client(cloudwatch: Any) -> Any:
    client = cloudwatch.client()
    read_as_columns(client)
    read_as_columns(client)
    return client


def _ask(client: Any) -> Page:
    query = {"Id": "q0", "MetricStat": {"Metric": {"MetricName": "m"}, "Period": 60, "Stat": "Sum"}}
    return page_of(client.get_metric_data(MetricDataQueries=[query], StartTime=0, EndTime=300))


def test_a_clients_answers_hold_columns_and_no_points(cloudwatch: Any) -> None:
    """On that client alone: boto3 gets an empty body to parse, another client is as ever."""
    client = _client(cloudwatch)
    answer = client.get_metric_data(MetricDataQueries=[], StartTime=0, EndTime=300)
    assert "MetricDataResults" not in answer
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert same(_ask(client), _ask(cloudwatch.client()))
    assert "MetricDataResults" in cloudwatch.client().get_metric_data(MetricDataQueries=[], StartTime=0, EndTime=300)


def test_not_a_number_is_what_boto3_makes_of_it(cloudwatch: Any, say: Any) -> None:
    """The protocol writes NaN as a text; the page has it all the same, and the gate will see it."""
    cloudwatch.answer = lambda number, request: (
        200,
        {"MetricDataResults": [{"Id": "q0", "Timestamps": [0, 60], "Values": ["NaN", 2.5]}]},
    )
    page = _ask(_client(cloudwatch))
    assert np.isnan(page.values[0])
    assert page.values[1] == 2.5


def test_an_error_is_boto3s_to_tell(cloudwatch: Any, say: Any) -> None:
    """A refusal is the exception it always was."""
    cloudwatch.answer = lambda number, request: say.refused("AccessDenied", "no", 403)
    client = _client(cloudwatch)
    with pytest.raises(
        boto3.client("cloudwatch", region_name="eu-west-1").exceptions.ClientError, match="AccessDenied"
    ):
        _ask(client)
