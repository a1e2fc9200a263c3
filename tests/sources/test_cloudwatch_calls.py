"""How GetMetricData calls are made: side by side, at a pace, tried again, and ended when nobody waits."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from worlds.aws_cloudwatch_world import CloudWatchWorld

from setpoint.settings import load_settings
from setpoint.sources.cloudwatch import CloudWatchMetric, CloudWatchSource
from setpoint.sources.cloudwatch_pace import Pace, Quotas
from setpoint.sources.contract import SourceError

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
PATIENCE_SECONDS = 10.0
FLEET = tuple(f"web-{number}" for number in range(2_600))
RECENT = timedelta(minutes=10)


def metric(**keys: Any) -> CloudWatchMetric:
    common = {"source": "aws.cloudwatch", "namespace": "Test", "name": "Load", "statistic": "Average"}
    return CloudWatchMetric.model_validate({**common, "period": "1m", "window": "5m", **keys})


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def quick() -> Pace:
    """A pace at which nothing waits."""
    return Pace(clock=iter(range(0, 10**9, 1_000)).__next__)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_calls_go_side_by_side_and_never_more_than_allowed(cloudwatch: Any, say: Any) -> None:
    """Six calls, three at once: three are under way together, and a fourth waits."""
    under_way, most, gate = Counter[str](), Counter[str](), threading.Barrier(3, timeout=PATIENCE_SECONDS)
    lock = threading.Lock()

    def answer(number: int, request: dict[str, Any]) -> Any:
        with lock:
            under_way["now"] += 1
            most["ever"] = max(most["ever"], under_way["now"])
        gate.wait()
        with lock:
            under_way["now"] -= 1
        return say.complete(request)

    cloudwatch.answer = answer
    client = cloudwatch.client(read_timeout=PATIENCE_SECONDS)
    source = CloudWatchSource(client, max_concurrency=3, pace=quick())
    fetched = source.fetch({"load": metric()}, FLEET, NOW)
    assert (len(cloudwatch.requests), most["ever"], len(fetched.frame)) == (6, 3, 5 * len(FLEET))


def test_throttled_calls_come_again_until_all_are_answered(cloudwatch: Any, say: Any) -> None:
    """Each call is refused once: nothing is lost, and every later call goes more slowly."""
    refused: set[str] = set()
    lock, pace = threading.Lock(), quick()

    def answer(number: int, request: dict[str, Any]) -> Any:
        first = request["MetricDataQueries"][0]["MetricStat"]["Metric"]["Dimensions"][0]["Value"]
        with lock:
            known, _ = first in refused, refused.add(first)
        return say.complete(request) if known else say.refused("ThrottlingException", "Rate exceeded")

    cloudwatch.answer = answer
    source = CloudWatchSource(cloudwatch.client(retries={"total_max_attempts": 3}), pace=pace)
    fetched = source.fetch({"load": metric()}, FLEET[:1200], NOW)
    assert (len(cloudwatch.requests), len(fetched.frame)) == (6, 6000)
    assert pace.factor < 1


def test_a_call_that_fails_for_good_ends_the_others(cloudwatch: Any, say: Any) -> None:
    """One refusal is the fetch's answer at once: nobody waits for calls whose answer cannot be used any more."""
    held, ended = threading.Event(), threading.Event()

    def answer(number: int, request: dict[str, Any]) -> Any:
        if len(request["MetricDataQueries"]) == 100:
            assert held.wait(PATIENCE_SECONDS)
            return say.refused("AccessDenied", "no", 403)
        held.set()
        ended.wait(PATIENCE_SECONDS)
        return say.complete(request)

    cloudwatch.answer = answer
    source = CloudWatchSource(cloudwatch.client(read_timeout=600), pace=quick())
    try:
        with pytest.raises(SourceError, match="AccessDenied"):
            source.fetch({"load": metric()}, FLEET[:600], NOW)
        assert not ended.is_set()
        assert [one.name for one in threading.enumerate() if one.name.startswith("cloudwatch")] == []
    finally:
        ended.set()


class Interruption(BaseException):
    """What Airflow raises at a task's time limit."""


@pytest.fixture
def interrupted() -> Iterator[Callable[[], None]]:
    """Raises :class:`Interruption` in the main thread."""

    def handle(*_: Any) -> None:
        raise Interruption

    usual = signal.signal(signal.SIGUSR2, handle)
    yield lambda: os.kill(os.getpid(), signal.SIGUSR2)
    signal.signal(signal.SIGUSR2, usual)


def test_interrupting_many_calls_ends_them_all(interrupted: Callable[[], None]) -> None:
    """A fleet of 2,600 is six calls, four at once, none answered: all end, and the client works again afterwards."""
    with CloudWatchWorld() as world:
        world.hang()
        source = world.source(timeout_seconds=600)

        def interrupt() -> None:
            if world.wait_until_hanging(PATIENCE_SECONDS):
                interrupted()

        helper = threading.Thread(target=interrupt)
        helper.start()
        with pytest.raises(Interruption):
            source.fetch({"load": metric()}, FLEET, NOW)
        helper.join()
        assert [one.name for one in threading.enumerate() if one.name.startswith("cloudwatch")] == []
        wait_for(lambda: world.open_connections() == 0, "a connection stays open")


def test_interrupting_a_pause_ends_it(interrupted: Callable[[], None], cloudwatch: Any, say: Any) -> None:
    """Between two attempts nothing is on the wire; the pause ends too."""
    asked = threading.Event()

    def answer(number: int, request: dict[str, Any]) -> Any:
        asked.set()
        return say.refused("ThrottlingException", "Rate exceeded")

    cloudwatch.answer = answer
    source = CloudWatchSource(cloudwatch.client(retries={"total_max_attempts": 50}))
    helper = threading.Thread(target=lambda: asked.wait(PATIENCE_SECONDS) and interrupted())
    helper.start()
    with pytest.raises(Interruption):
        source.fetch({"load": metric()}, FLEET[:1200], NOW)
    helper.join()
    assert [one.name for one in threading.enumerate() if one.name.startswith("cloudwatch")] == []


@pytest.mark.parametrize(
    ("points", "selected", "reaching_back", "seconds"),
    [
        (0, False, RECENT, 1 / 500),
        (0, True, RECENT, 1 / 10),
        (45_000, False, RECENT, 45_000 / 180_000),
        (45_000, False, timedelta(hours=4), 45_000 / 396_000),
        (60, True, RECENT, 60 * 10_000 / 4_300_000),
        (20_160, True, timedelta(days=14), 1),
    ],
)
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_the_pace_stays_below_the_quotas(
    points: int, selected: bool, reaching_back: timedelta, seconds: float, share: float
) -> None:
    """After a burst of a second's worth, calls are as far apart as the share of the account's quota asks."""
    pace = Pace(Clock(), quotas=Quotas(share=share))
    waits = [pace.seconds_before(points, selected=selected, reaching_back=reaching_back) for _ in range(1_200)]
    assert waits[0] == 0
    assert waits[-1] - waits[-2] == pytest.approx(seconds / share)
    assert waits[-1] == pytest.approx(1_199 * seconds / share - 1)


def test_a_deployment_says_what_its_account_allows() -> None:
    """A raised quota and another share are settings, read when a source is built."""
    quotas = Quotas.of(
        load_settings({"SETPOINT_CLOUDWATCH_CALLS_PER_SECOND": "40", "SETPOINT_CLOUDWATCH_SHARE": "0.25"})
    )
    pace = Pace(Clock(), quotas=quotas)
    waits = [pace.seconds_before(0, selected=False, reaching_back=RECENT) for _ in range(100)]
    assert waits[-1] - waits[-2] == pytest.approx(0.1)


def test_the_pace_halves_when_throttled_and_recovers() -> None:
    """Down at once, up again little by little, and never to a standstill."""
    pace = Pace(Clock(), quotas=Quotas(calls_per_second=50))
    for _ in range(100):
        pace.throttled()
    assert pace.factor == 1 / 32
    waits = [pace.seconds_before(0, selected=False, reaching_back=RECENT) for _ in range(4)]
    assert waits[3] - waits[2] == pytest.approx(32 / 25)
    for _ in range(16):
        pace.answered()
    assert pace.factor == 1


def test_what_was_not_used_is_saved_for_a_second_at_most() -> None:
    """A fetch after a long rest may begin with one second's worth, and not with an hour's."""
    clock = Clock()
    pace = Pace(clock, quotas=Quotas(calls_per_second=50))
    clock.seconds += 3600
    waits = [pace.seconds_before(0, selected=False, reaching_back=RECENT) for _ in range(100)]
    assert sum(one == 0 for one in waits) == pytest.approx(25, abs=1)
