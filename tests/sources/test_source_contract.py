"""What every metric source does alike, asked of each of them in its own world (see ``worlds/base.py``)."""

from __future__ import annotations

import math
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast, get_args

import pytest
from worlds.base import DAEMON, Ability, World
from worlds.every import WORLDS

from setpoint.model import FRAME_COLUMNS, Completeness, SeriesStatus
from setpoint.sources import SOURCES
from setpoint.sources.contract import Fetched, SourceError
from setpoint.sources.target_names import TargetNames

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
START = datetime(2026, 3, 1, 11, 50, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PATIENCE_SECONDS = 10.0
"""How long to wait for what should be there at once, on a busy machine."""
HOSTILE = ('web"}', "web'; DROP TABLE metrics; --", "web\\", "a,b", "{{ 7*7 }}", "../../etc/passwd", "кухня", "$(id)")


def who_can(*abilities: Ability) -> pytest.MarkDecorator:
    """Run a test in each world that can do what it needs."""
    able = [name for name, kind in WORLDS.items() if not set(abilities) & set(kind.lacks)]
    return pytest.mark.parametrize("world", able, indirect=True)


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """The world of the source that the test is run for."""
    with WORLDS[request.param]() as made:
        yield made


def minutes(count: int = 10, value: float = 50.0, first: datetime = START) -> list[tuple[datetime, float]]:
    """So many points, one a minute, each a little higher than the one before."""
    return [(first + number * MINUTE, value + number) for number in range(count)]


def fetch(world: World, targets: Sequence[str] = ("web",), now: datetime = NOW, **keys: Any) -> Fetched:
    return world.source().fetch({"load": world.metric(**keys)}, targets, now)


def status_of(fetched: Fetched, target: str = "web") -> SeriesStatus:
    (found,) = [one for one in fetched.series if one.target == target]
    return found


def points_of(fetched: Fetched, target: str = "web") -> list[tuple[datetime, float]]:
    own = fetched.frame[fetched.frame["target"] == target]
    return [(cast(Any, at).to_pydatetime(), value) for at, value in zip(own["timestamp"], own["value"], strict=True)]


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_every_source_has_a_world() -> None:
    """A registered source is asked all of this; one without a world would be asked nothing."""
    own = {name for name in SOURCES if SOURCES.load(name).__module__.startswith("setpoint.")}
    assert own - set(WORLDS) == set()
    assert {name: kind.registered for name, kind in WORLDS.items()} == {name: name for name in WORLDS}


@pytest.mark.parametrize("name", WORLDS)
def test_what_a_world_lacks_is_explained(name: str) -> None:
    """Leaving a test out needs a reason in words, and only what a test asks for can be left out."""
    assert set(WORLDS[name].lacks) <= set(get_args(Ability))
    assert all(len(reason) > 10 for reason in WORLDS[name].lacks.values())


@who_can()
def test_a_whole_series_is_complete(world: World) -> None:
    """Every point as it was, in the long frame's columns and types, and the source's word that this is all."""
    world.put({"web": minutes()})
    fetched = fetch(world)
    assert tuple(fetched.frame.columns) == FRAME_COLUMNS
    assert [str(kind) for kind in fetched.frame.dtypes] == ["datetime64[us, UTC]", "str", "str", "float64"]
    assert points_of(fetched) == minutes()
    assert set(fetched.frame["metric"]) == {"load"}
    found = status_of(fetched)
    assert (found.status, found.points, found.expected_points, found.period_seconds, found.messages) == (
        Completeness.COMPLETE, 10, 10, 60, (),
    )  # fmt: skip


@who_can()
def test_an_empty_answer_is_an_answer(world: World) -> None:
    """No point is no point: no row, no zero, one status with 0 points, and columns of the right types."""
    world.put({})
    fetched = fetch(world)
    assert len(fetched.frame) == 0
    assert [str(kind) for kind in fetched.frame.dtypes] == ["datetime64[us, UTC]", "str", "str", "float64"]
    assert status_of(fetched).points == 0
    assert status_of(fetched).expected_points == 10


@who_can()
def test_a_target_without_points_does_not_borrow_anothers(world: World) -> None:
    """Of two targets one is silent: the other's series is whole, and the silent one has no row."""
    world.put({"web": minutes()})
    fetched = fetch(world, ("silent", "web"))
    assert (status_of(fetched, "silent").points, points_of(fetched, "silent")) == (0, [])
    assert points_of(fetched, "web") == minutes()


@who_can()
def test_a_gap_stays_a_gap(world: World) -> None:
    """Missing points are neither filled, nor carried forward, nor joined."""
    there = [point for number, point in enumerate(minutes()) if number not in (3, 4, 5, 9)]
    world.put({"web": there})
    fetched = fetch(world)
    assert points_of(fetched) == there
    assert status_of(fetched).points == 6


@who_can()
def test_the_window_is_half_open_and_exact(world: World) -> None:
    """The point at the window's start belongs to it, the one at its end does not, nor does any beyond."""
    world.put({"web": minutes(16, first=START - 3 * MINUTE)})
    fetched = fetch(world)
    assert [at for at, _ in points_of(fetched)] == [START + number * MINUTE for number in range(10)]
    settled = fetch(world, settle="2m")
    assert [at for at, _ in points_of(settled)] == [START + number * MINUTE for number in range(-2, 8)]


@who_can()
def test_the_time_zone_of_the_moment_and_the_machine_do_not_matter(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same moment in Nepal, on a machine in New York: the same points, told in UTC."""
    world.put({"web": minutes()})
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        fetched = fetch(world, now=NOW.astimezone(timezone(timedelta(hours=5, minutes=45))))
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert points_of(fetched) == minutes()
    assert str(fetched.frame["timestamp"].dt.tz) == "UTC"


@who_can()
def test_every_pair_has_one_status(world: World) -> None:
    """Each target and metric asked for is told of once, in whatever way it was asked for."""
    world.put({"a": minutes(), "b": minutes(value=10.0)})
    metrics = {"load": world.metric(), "recent": world.metric(window="5m")}
    fetched = world.source().fetch(metrics, ("a", "b", "c"), NOW)
    assert {(one.target, one.metric): (one.points, one.expected_points) for one in fetched.series} == {
        ("a", "load"): (10, 10), ("b", "load"): (10, 10), ("c", "load"): (0, 10),
        ("a", "recent"): (5, 5), ("b", "recent"): (5, 5), ("c", "recent"): (0, 5),
    }  # fmt: skip
    assert len(fetched.series) == 6
    assert fetched.frame.groupby(["target", "metric"]).size().to_dict() == {
        ("a", "load"): 10, ("b", "load"): 10, ("a", "recent"): 5, ("b", "recent"): 5,
    }  # fmt: skip


@who_can()
def test_an_empty_fleet_is_no_error(world: World) -> None:
    """Nobody to ask about: an empty frame, no status."""
    fetched = fetch(world, ())
    assert (len(fetched.frame), fetched.series) == (0, ())


@who_can()
def test_a_source_can_be_asked_again(world: World) -> None:
    """A source keeps nothing between two fetches: what changed in between is there."""
    source, metric = world.source(), world.metric()
    world.put({"web": minutes(4)})
    assert len(source.fetch({"load": metric}, ("web",), NOW).frame) == 4
    world.put({"web": minutes(10)})
    assert len(source.fetch({"load": metric}, ("web",), NOW).frame) == 10


@who_can()
def test_the_unit_of_the_policy_is_told(world: World) -> None:
    """The gate compares the units of a batch with the policy's."""
    world.put({"web": minutes()})
    assert fetch(world, unit="Percent").units == {"load": "Percent"}


@who_can("units")
def test_values_are_not_converted(world: World) -> None:
    """A number is what the source holds, to the last bit: the unit declared multiplies nothing."""
    odd = [0.1, 1e-300, 1e300, -0.0, 1 / 3, 123456789.123456789, 5e-324, 2**53 + 1.0, -7.25, 100.0]
    world.put({"web": [(START + number * MINUTE, value) for number, value in enumerate(odd)]})
    values = [value for _, value in points_of(fetch(world, unit="Percent"))]
    assert values == odd
    assert [math.copysign(1, value) for value in values] == [math.copysign(1, value) for value in odd]


@who_can()
def test_many_targets_come_back_each_under_its_own_name(world: World) -> None:
    """A fleet of 120: nobody's points are taken for another's."""
    fleet = {f"web-{number:03d}": minutes(value=100.0 * number) for number in range(120)}
    world.put(fleet)
    fetched = fetch(world, tuple(fleet))
    assert {name: points_of(fetched, name)[0] for name in fleet} == {name: points[0] for name, points in fleet.items()}
    assert len(fetched.frame) == 1200
    assert {one.status for one in fetched.series} == {Completeness.COMPLETE}


@who_can()
def test_a_hostile_name_is_only_a_name(world: World) -> None:
    """Text of a target is data: it changes no query, raises nothing, and leaves the others' series whole."""
    world.put({"web": minutes()})
    fetched = fetch(world, ("web", *HOSTILE))
    assert points_of(fetched) == minutes()
    assert {name: points_of(fetched, name) for name in HOSTILE} == {name: [] for name in HOSTILE}
    assert len(fetched.series) == 1 + len(HOSTILE)


@who_can("any_name")
def test_a_series_of_a_strange_name_is_found(world: World) -> None:
    """What the other side can hold under a name, the source reads under that name."""
    names = ('say "hi"', "it's", "back\\slash", "a,b", "50%", "two  spaces", "{curly}", "a+b=c&d")
    world.put({name: minutes(value=100.0 * number) for number, name in enumerate(names)})
    fetched = fetch(world, names)
    assert {name: points_of(fetched, name)[:1] for name in names} == {
        name: [(START, 100.0 * number)] for number, name in enumerate(names)
    }


@pytest.mark.parametrize("name", WORLDS)
def test_every_source_takes_other_names(name: str) -> None:
    """The keys that say what the other side calls a target are the same, whatever the source."""
    config = SOURCES.load(name).Config
    own = TargetNames.model_fields
    assert {key: repr(config.model_fields[key]) for key in own} == {key: repr(field) for key, field in own.items()}


@who_can()
def test_the_other_side_may_call_a_target_otherwise(world: World) -> None:
    """By a pattern, or one by one; the points come back under the target's own name, and a name of nobody is nobody."""
    world.put({"prod/web": minutes(), "Legacy API": minutes(value=100.0), "web": minutes(value=900.0)})
    names = {"target_name": "prod/{target}", "target_names": {"api": "Legacy API"}}
    fetched = fetch(world, ("web", "api", "silent"), **names)
    assert (points_of(fetched, "web"), points_of(fetched, "api")) == (minutes(), minutes(value=100.0))
    assert [(one.target, one.points) for one in fetched.series] == [("web", 10), ("api", 10), ("silent", 0)]
    assert set(fetched.frame["target"]) == {"web", "api"}


@who_can()
def test_targets_may_share_a_series(world: World) -> None:
    """One series for the whole fleet, or for some of it: each target has all of its points."""
    world.put({"total": minutes(), "own": minutes(value=100.0)})
    fetched = fetch(world, ("web", "api", "db"), target_name="total", target_names={"db": "own"})
    assert points_of(fetched, "web") == points_of(fetched, "api") == minutes()
    assert points_of(fetched, "db") == minutes(value=100.0)
    assert {one.target: (one.points, one.status) for one in fetched.series} == dict.fromkeys(
        ("web", "api", "db"), (10, Completeness.COMPLETE)
    )


@who_can()
def test_metrics_may_name_the_same_target_differently(world: World) -> None:
    """Names are each metric's own, also where two metrics are read together."""
    world.put({"a": minutes(), "b": minutes(value=100.0)})
    metrics = {"one": world.metric(target_names={"web": "a"}), "two": world.metric(target_names={"web": "b"})}
    frame = world.source().fetch(metrics, ("web",), NOW).frame
    assert frame.groupby("metric")["value"].first().to_dict() == {"one": 50.0, "two": 100.0}


@who_can()
def test_a_target_named_twice_is_one_target(world: World) -> None:
    """A fleet is a set: no point and no word is doubled."""
    world.put({"web": minutes(), "api": minutes(value=100.0)})
    fetched = fetch(world, ("web", "api", "web"))
    assert [one.target for one in fetched.series] == ["web", "api"]
    assert (points_of(fetched, "web"), points_of(fetched, "api")) == (minutes(), minutes(value=100.0))


@who_can("any_name", "unicode")
def test_names_that_look_alike_are_different(world: World) -> None:
    """A name is its characters: nothing is folded, composed, stripped or read as a pattern."""
    names = ("caf\u00e9", "cafe\u0301", "Web", "web", "\uff57eb", "кухня", "w.b", " web ", "%eb")
    world.put({name: minutes(value=100.0 * number) for number, name in enumerate(names)})
    fetched = fetch(world, names)
    assert {name: points_of(fetched, name)[:1] for name in names} == {
        name: [(START, 100.0 * number)] for number, name in enumerate(names)
    }


@who_can("pages")
def test_pages_are_read_to_the_end(world: World) -> None:
    """However small the pages, every point is there once, and the series is complete."""
    world.put({"web": minutes(), "api": minutes(value=10.0)})
    world.page(3)
    fetched = fetch(world, ("web", "api"))
    assert (points_of(fetched, "web"), points_of(fetched, "api")) == (minutes(), minutes(value=10.0))
    assert {one.status for one in fetched.series} == {Completeness.COMPLETE}


@who_can("throttles")
def test_throttling_passes(world: World) -> None:
    """One refusal for going too fast: the source tries again by itself."""
    world.put({"web": minutes()})
    world.throttle(1)
    assert points_of(fetch(world)) == minutes()


@who_can("throttles")
def test_throttling_that_stays_is_told(world: World) -> None:
    """In the end the source gives up, and says that it may work later; also on the far side of a process border."""
    world.put({"web": minutes()})
    world.throttle(10_000)
    with pytest.raises(SourceError) as raised:
        fetch(world)
    assert pickle.loads(pickle.dumps(raised.value)).retryable


@who_can("fails")
def test_a_servers_error_may_pass(world: World) -> None:
    """An error of the other side's own is no answer, never an empty one; the same call may work later."""
    world.put({"web": minutes()})
    world.fail(10_000)
    with pytest.raises(SourceError) as raised:
        fetch(world)
    assert raised.value.retryable


@who_can("denies")
def test_a_refusal_says_what_to_mend(world: World) -> None:
    """Without the right to read there is no point in trying again; the message is more than the word no."""
    world.put({"web": minutes()})
    world.deny()
    with pytest.raises(SourceError) as raised:
        fetch(world)
    assert not raised.value.retryable
    assert len(str(raised.value)) > 40


@who_can("says_partial")
def test_a_partial_answer_is_not_complete(world: World) -> None:
    """What the other side said of its own answer stands in the status with its reason; other targets are whole."""
    world.put({"web": minutes(), "api": minutes()})
    world.say_partial("web")
    fetched = fetch(world, ("web", "api"))
    found = status_of(fetched, "web")
    assert found.status in (Completeness.PARTIAL, Completeness.ERROR)
    assert found.messages
    assert set(points_of(fetched, "web")) <= set(minutes())


@who_can("hangs")
def test_a_fetch_ends_by_itself(world: World) -> None:
    """When nothing is answered, the time limit ends it; that may pass, and nothing stays open."""
    world.put({"web": minutes()})
    world.hang()
    before = set(threading.enumerate())
    with pytest.raises(SourceError) as raised:
        world.source(timeout_seconds=0.3).fetch({"load": world.metric()}, ("web",), NOW)
    assert raised.value.retryable
    _leaves_nothing(world, before)


class Interruption(BaseException):
    """What Airflow does to a task at its time limit: an exception in the middle of whatever it waits for."""


@who_can("hangs")
def test_an_interrupted_fetch_ends_promptly(world: World) -> None:
    """Interrupted while it waits for an answer that never comes: it ends, and no thread or connection stays."""
    world.put({f"web-{number}": minutes() for number in range(4)})
    source, metric = world.source(timeout_seconds=600), world.metric()
    world.hang()
    before = set(threading.enumerate())

    def interrupt() -> None:
        if world.wait_until_hanging(PATIENCE_SECONDS):
            os.kill(os.getpid(), signal.SIGUSR1)

    def interrupted(*_: Any) -> None:
        raise Interruption

    helper = threading.Thread(target=interrupt, name=f"{DAEMON}interrupter")
    usual = signal.signal(signal.SIGUSR1, interrupted)
    try:
        helper.start()
        with pytest.raises(Interruption):
            source.fetch({"load": metric}, tuple(f"web-{number}" for number in range(4)), NOW)
    finally:
        helper.join()
        signal.signal(signal.SIGUSR1, usual)
    _leaves_nothing(world, before)


def _leaves_nothing(world: World, before: set[threading.Thread]) -> None:
    def left() -> list[str]:
        return [one.name for one in set(threading.enumerate()) - before if not one.name.startswith(DAEMON)]

    wait_for(lambda: not left(), f"threads stay behind: {left()}")
    wait_for(lambda: world.open_connections() == 0, "a connection stays open")
