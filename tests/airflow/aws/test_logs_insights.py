"""The Logs Insights sensor: one predicate, poked and deferred; no query is left running."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException
from hypothesis import given
from hypothesis import strategies as st

from setpoint.lab.provision import client
from setpoint_airflow.logs_watch import LogsRule, LogsWatch, LogsWatchError
from setpoint_airflow.sensors.logs_insights import LogsInsightsSensor
from setpoint_airflow.triggers.logs_insights import LogsInsightsTrigger

DEADLINE_SECONDS = 30.0
QUERY = "filter level = 'ERROR' | stats count(*) as errors by route"
ROWS = [{"route": "/pay", "errors": "31"}, {"route": "/cart", "errors": "4"}]


def sensor(**arguments: Any) -> LogsInsightsSensor:
    """The sensor under test, in a hurry."""
    settings: dict[str, Any] = {
        "log_groups": "/ecs/checkout",
        "query": QUERY,
        "aws_conn_id": "aws_insights",
        "poke_interval": 0.01,
        "query_poll_interval": 0.01,
        "timeout": 60,
        **arguments,
    }
    return LogsInsightsSensor(task_id="payments_fail", **settings)


def run(operator: LogsInsightsSensor, context: Any) -> Any:
    """Wait in the worker, or defer and wait as the triggerer does: rebuilt from JSON, its event handed back."""
    if not operator.deferrable:
        return operator.execute(context)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context)
    assert deferred.value.timeout == timedelta(seconds=operator.timeout)
    event = asyncio.run(first_event(rebuilt(deferred.value.trigger)))
    return operator.resume_execution("execute_complete", {"event": event}, context)


def rebuilt(trigger: Any) -> Any:
    """The trigger as it comes out of the database."""
    path, arguments = trigger.serialize()
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)(**json.loads(json.dumps(arguments)))


async def first_event(trigger: Any) -> Any:
    """What the trigger ends with."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        async for event in trigger.run():
            return event.payload
    raise AssertionError("the trigger ended without an event")


def eventually(is_true: Callable[[], Any]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + DEADLINE_SECONDS
    while not is_true():
        assert time.monotonic() < end, "it did not become true in time"
        time.sleep(0.01)


both_paths = pytest.mark.parametrize("deferrable", [False, True], ids=["direct", "deferred"])


@both_paths
def test_ends_when_the_query_finds_enough(insights: Any, context: Any, deferrable: bool) -> None:
    """The query runs over the window, is polled until it is complete, and what counts is returned."""
    insights.answers = [ROWS]
    insights.polls_until_done = 2
    before = int(time.time())
    found = run(sensor(rule={"field": "errors", "above": 20}, window="15m", deferrable=deferrable), context)
    assert found == {"rows": 1, "of": 2, "first": [{"route": "/pay", "errors": "31"}]}
    (asked,) = insights.started
    assert (asked["logGroupNames"], asked["queryString"], asked["limit"]) == (["/ecs/checkout"], QUERY, 100)
    assert asked["endTime"] - asked["startTime"] == 15 * 60
    assert before <= asked["endTime"] <= time.time()
    assert len(insights.polled) == 3
    assert insights.stopped == []


@both_paths
def test_looks_again_until_it_does(insights: Any, context: Any, deferrable: bool) -> None:
    """Too few rows, and runs that AWS ended, are no answer; each look is a query of its own."""
    insights.answers = [[], ROWS[:1], "Failed", "Timeout", "Cancelled", ROWS]
    assert run(sensor(rule={"rows": 2}, deferrable=deferrable), context)["rows"] == 2
    assert len(insights.started) == 6


@both_paths
def test_a_query_that_takes_too_long_is_stopped(insights: Any, context: Any, deferrable: bool) -> None:
    """It would count towards the queries of the account; the next look begins anew."""
    insights.answers = [None, ROWS]
    assert run(sensor(query_timeout=0.05, deferrable=deferrable), context)["rows"] == 2
    assert insights.stopped == ["q-1"]


@both_paths
@pytest.mark.parametrize("operation", ["StartQuery", "GetQueryResults"])
def test_a_passing_error_is_waited_out(insights: Any, context: Any, operation: str, deferrable: bool) -> None:
    """Too many queries at a time, or a server in trouble, end no wait."""
    insights.answers = [ROWS]
    insights.refusals = {operation: [("LimitExceededException", 400)]}
    assert run(sensor(deferrable=deferrable), context)["rows"] == 2
    assert set(insights.stopped) <= {"q-1"}


@both_paths
@pytest.mark.parametrize("code", ["MalformedQueryException", "ResourceNotFoundException", "AccessDeniedException"])
def test_what_waiting_does_not_mend_fails_at_once(insights: Any, context: Any, code: str, deferrable: bool) -> None:
    """A query that cannot be read, a log group that is not there, a permission that is missing."""
    insights.refusals = {"StartQuery": [(code, 400)] * 2}
    with pytest.raises(AirflowFailException, match=code):
        run(sensor(deferrable=deferrable), context)
    with pytest.raises(AirflowSkipException):
        run(sensor(deferrable=deferrable, soft_fail=True), context)


@both_paths
def test_a_connection_that_is_not_there_fails_at_once(context: Any, deferrable: bool) -> None:
    """It will not come into being by waiting."""
    with pytest.raises(AirflowFailException, match="connection 'aws_nowhere' does not exist"):
        run(sensor(aws_conn_id="aws_nowhere", deferrable=deferrable), context)


def test_the_direct_wait_ends_in_the_sensors_timeout(insights: Any, context: Any) -> None:
    """With nothing found the sensor times out like any other; deferred, its time-out is the trigger's."""
    insights.answers = [[]]
    with pytest.raises(AirflowSensorTimeout):
        run(sensor(timeout=0), context)


def test_a_killed_task_stops_its_query(insights: Any, context: Any) -> None:
    """Airflow calls ``on_kill`` while the query runs: it is stopped before the process is."""
    insights.answers = [None, ROWS]
    operator = sensor()
    waiting = threading.Thread(target=operator.execute, args=(context,), daemon=True)
    waiting.start()
    eventually(lambda: insights.polled)
    operator.on_kill()
    eventually(lambda: insights.stopped == ["q-1"])
    waiting.join(DEADLINE_SECONDS)
    operator.on_kill()
    assert insights.stopped == ["q-1"]


@pytest.mark.parametrize("moment", ["while it runs", "while it is being started"])
def test_a_cancelled_wait_stops_its_query(insights: Any, moment: str) -> None:
    """The triggerer cancels a trigger whose task was cleared or timed out, or when it ends itself."""
    insights.answers = [None]
    if moment == "while it is being started":
        insights.hold_start = threading.Event()

    async def cancel() -> None:
        waiting = asyncio.create_task(first_event(rebuilt(trigger())))
        seen = insights.started if insights.hold_start else insights.polled
        while not seen:
            await asyncio.sleep(0.01)
        waiting.cancel()
        if insights.hold_start:
            await asyncio.sleep(0)
            insights.hold_start.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(asyncio.wait_for(cancel(), DEADLINE_SECONDS))
    assert insights.stopped == ["q-1"]


def trigger() -> LogsInsightsTrigger:
    """A trigger in a hurry."""
    return LogsInsightsTrigger(
        log_groups="/ecs/checkout",
        query=QUERY,
        window="5m",
        query_poll_interval=0.01,
        poke_interval=0.01,
        aws_conn_id="aws_insights",
    )


def test_a_query_that_ended_meanwhile_needs_no_stopping(insights: Any, context: Any) -> None:
    """AWS refuses to stop it; that hides nothing and is no failure."""
    insights.answers = [None, ROWS]
    insights.refusals = {"StopQuery": [("InvalidParameterException", 400)]}
    assert run(sensor(query_timeout=0.05), context)["rows"] == 2


@both_paths
def test_every_wrong_parameter_is_listed_before_anything_is_asked(
    insights: Any, context: Any, deferrable: bool
) -> None:
    """Path, value and what is allowed; nothing is deferred and no query is started."""
    wrong = sensor(
        log_groups=[], query="", window="5 minutes", rule={"rows": 0, "abov": 1}, limit=20_000, deferrable=deferrable
    )
    with pytest.raises(AirflowFailException) as caught:
        wrong.execute(context)
    for part in (
        "log_groups",
        "query: ''",
        "window: '5 minutes'",
        "rule.rows: 0",
        "rule.abov: unknown",
        "limit: 20000",
    ):
        assert part in str(caught.value)
    assert insights.started == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rule": {"above": 1}}, "field goes with above or below"),
        ({"rule": {"field": "errors"}}, "field goes with above or below"),
        ({"rule": {"field": "errors", "above": 5, "below": 5}}, "leave no number"),
        ({"rule": {"rows": 101}}, "at most limit"),
        ({"window": "32d"}, "1s to 31d"),
        ({"window": "0s"}, "1s to 31d"),
        ({"query_timeout": 0}, "query_timeout"),
        ({"log_groups": ["g"] * 51}, "log_groups"),
        ({"log_groups": [""]}, "log_groups.0"),
    ],
)
def test_what_makes_no_watch(change: dict[str, Any], words: str) -> None:
    """A watch that can never end, or that AWS would refuse, is refused."""
    parameters: dict[str, Any] = {"log_groups": "g", "query": QUERY, "window": "5m", "rule": {}, "limit": 100}
    with pytest.raises(LogsWatchError, match=words):
        LogsWatch.of(**{**parameters, "query_timeout": 300, **change})


@pytest.mark.parametrize(
    ("rule", "value", "counts"),
    [
        ({}, "anything", True),
        ({"field": "n", "above": 5}, "5", False),
        ({"field": "n", "above": 5}, "5.001", True),
        ({"field": "n", "below": 5}, "-1e3", True),
        ({"field": "n", "above": 1, "below": 5}, "7", False),
        ({"field": "n", "above": 5}, "nan", False),
        ({"field": "n", "above": 5}, "inf", False),
        ({"field": "n", "above": 5}, "", False),
        ({"field": "n", "above": 5}, "many", False),
        ({"field": "other", "below": 5}, "1", False),
    ],
)
def test_a_row_counts_by_its_number(rule: dict[str, Any], value: str, counts: bool) -> None:
    """What is missing, or no finite number, is no breach, in either direction."""
    assert LogsRule.model_validate(rule).counts({"n": value}) is counts


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=300), max_size=30), max_size=30))
def test_what_is_returned_is_bounded(rows: list[dict[str, str]]) -> None:
    """Any rows make a small JSON value; with nothing asked of them, all of them count."""
    watch = LogsWatch.of(log_groups="g", query="q", window="5m", rule={}, limit=100, query_timeout=1)
    look = watch.judge(rows)
    assert (look.met, len(look.rows)) == (len(rows) >= 1, len(rows))
    assert len(json.dumps(look.to_json())) < 100_000


@both_paths
def test_a_real_query_is_read(lab: Any, connection: str, context: Any, deferrable: bool) -> None:
    """Log events written to the practice AWS are found by a query, with their messages."""
    logs, group = client("logs", lab.url), f"/setpoint/{os.getpid()}/{deferrable}"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    now = int(datetime.now(UTC).timestamp() * 1000) - 2000
    logs.put_log_events(
        logGroupName=group,
        logStreamName="one",
        logEvents=[{"timestamp": now + number, "message": f"ERROR {number}"} for number in range(3)],
    )
    query = "fields @timestamp, @message | sort @timestamp desc | limit 20"
    found = run(
        sensor(log_groups=[group], query=query, rule={"rows": 3}, aws_conn_id="aws_lab", deferrable=deferrable), context
    )
    assert found["rows"] == 3
    assert [row["@message"] for row in found["first"]] == ["ERROR 2", "ERROR 1", "ERROR 0"]
