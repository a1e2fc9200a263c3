"""``http_json``: shapes of answers, times, numbers, pages, and what a policy may say."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from worlds.answering import Answered, AnsweringServer, as_json

from setpoint.model import Completeness, SeriesStatus
from setpoint.sources import http_json
from setpoint.sources.contract import Fetched, SourceError
from setpoint.sources.http_json import HttpJsonMetric, HttpJsonSource
from setpoint.sources.http_messages import HttpLimits
from setpoint.sources.http_session import HttpSession
from setpoint.sources.json_values import Clock, TimeUnknownError, number

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
END = int(datetime(2026, 3, 1, 12, 0, tzinfo=UTC).timestamp())
GOOD: dict[str, Any] = {
    "source": "http_json",
    "connection": "json_test",
    "unit": "percent",
    "path": "load",
    "points": "$.points",
    "timestamp": "$.at",
    "value": "$.value",
    "target": "$.host",
    "period": "1m",
    "window": "3m",
}
FLAT = {
    "points": [
        {"host": "web", "at": "2026-03-01T11:57:00Z", "value": 1},
        {"host": "web", "at": "2026-03-01T11:58:00Z", "value": 2},
        {"host": "web", "at": "2026-03-01T11:59:00Z", "value": 3.5},
    ]
}


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    """Answers ``FLAT``."""
    with AnsweringServer(lambda asked: as_json(FLAT)) as started:
        yield started


def metric(**keys: Any) -> HttpJsonMetric:
    given_keys = {**GOOD, **keys}
    return HttpJsonMetric.model_validate({key: value for key, value in given_keys.items() if value is not None})


def fetch(server: AnsweringServer, targets: Sequence[str] = ("web",), **keys: Any) -> Fetched:
    session = HttpSession(f"{server.url}/api", name="json_test", limits=HttpLimits(attempts=2, pause_seconds=0.01))
    return HttpJsonSource(session).fetch({"load": metric(**keys)}, targets, NOW)


def points(fetched: Fetched, target: str = "web") -> list[tuple[int, float]]:
    """Seconds before the window's end, and values."""
    own = fetched.frame[fetched.frame["target"] == target]
    return [(int(at.timestamp()) - END, value) for at, value in zip(own["timestamp"], own["value"], strict=True)]


def status(fetched: Fetched, target: str = "web") -> SeriesStatus:
    (found,) = [one for one in fetched.series if one.target == target]
    return found


def answers(server: AnsweringServer, document: Any, /, **keys: Any) -> Fetched:
    server.answer = lambda asked: as_json(document)
    return fetch(server, **keys)


WHOLE = [(-180, 1.0), (-120, 2.0), (-60, 3.5)]
TIMES = [END - 180, END - 120, END - 60]


@pytest.mark.parametrize(
    ("document", "keys"),
    [
        (FLAT, {}),
        (FLAT["points"], {"points": "$"}),
        # Graphite: a list of series, each a name and pairs of value and seconds.
        (
            [{"target": "web", "datapoints": [[1, TIMES[0]], [2, TIMES[1]], [3.5, TIMES[2]]]}],
            {"series": "$", "target": "$.target", "points": "$.datapoints", "value": "$[0]", "timestamp": "$[1]",
             "time_unit": "s"},
        ),
        # Datadog: pairs of milliseconds (as floats) and value, below a member.
        (
            {"series": [{"scope": "web",
                         "pointlist": [[1e3 * TIMES[0], 1], [1e3 * TIMES[1], 2], [1e3 * TIMES[2], 3.5]]}]},
            {"series": "$.series", "target": "$.scope", "points": "$.pointlist", "timestamp": "$[0]", "value": "$[1]",
             "time_unit": "ms"},
        ),
        # One member a target, in columns.
        (
            {"data": {"web": {"t": TIMES, "v": [1, "2", 3.5]}, "other": {"t": [], "v": []}}},
            {"series": "$.data", "target": None, "points": None, "timestamp": "$.t", "value": "$.v", "time_unit": "s"},
        ),
        # Columns for the whole fleet.
        (
            {"t": [*TIMES, END - 60], "v": [1, 2, 3.5, 9], "who": ["web", "web", "web", "other"]},
            {"points": None, "timestamp": "$.t", "value": "$.v", "target": "$.who", "time_unit": "s"},
        ),
        # The end of the period as its time, with an offset.
        (
            {"points": [{"host": "web", "at": f"2026-03-01T{hour}+01:00", "value": value} for hour, value in
                        (("12:58:00", 1), ("12:59:00.000", 2), ("13:00:00", 3.5))]},
            {"stamped": "end"},
        ),
        # A name that is a number.
        ({"points": [{**one, "host": 17} for one in FLAT["points"]]}, {"target_names": {"web": "17"}}),
    ],
)  # fmt: skip
def test_shapes_are_read(server: AnsweringServer, document: Any, keys: dict[str, Any]) -> None:
    """What common endpoints answer can be said in the policy, and gives the same points."""
    fetched = answers(server, document, **keys)
    assert points(fetched) == WHOLE
    assert (status(fetched).status, status(fetched).messages) == (Completeness.COMPLETE, ())


@pytest.mark.parametrize(
    ("document", "keys", "said"),
    [
        ({}, {}, "$.points leads nowhere; a list is meant"),
        ({"points": {}}, {}, "$.points leads to a JSON dict; a list is meant"),
        ({"points": None}, {}, "$.points leads to None; a list is meant"),
        ({"data": 1}, {"series": "$.data"}, "$.data leads to 1; a list or an object is meant"),
        ([{}], {"series": "$", "target": None, "points": "$.p"}, "nothing says whose its entries are"),
        (
            {"t": [1, 2], "v": [1], "who": ["web", "web"]},
            {"points": None, "timestamp": "$.t", "value": "$.v", "target": "$.who", "time_unit": "s"},
            "not of one length: $.t has 2, $.v has 1, $.who has 2",
        ),
        ({"points": [{"host": "web", "at": TIMES[0], "value": 1}]}, {}, "set time_unit"),
        ({"points": [{"host": "web", "at": "2026-03-01T11:57:00", "value": 1}]}, {}, "set time_zone"),
        ({**FLAT, "unit": "ms"}, {"unit_at": "$.unit"}, "$.unit says the unit is 'ms', the policy 'percent'"),
        (FLAT, {"unit_at": "$.unit"}, "$.unit leads nowhere"),
        ({**FLAT, "next": {"page": 2}}, {"next": "$.next"}, "$.next leads to a JSON dict, which is no next page"),
    ],
)  # fmt: skip
def test_another_shape_is_an_error_not_silence(
    server: AnsweringServer, document: Any, keys: dict[str, Any], said: str
) -> None:
    """An answer that is not as the policy says has no points, and its status says where it differs."""
    fetched = answers(server, document, **keys)
    assert (status(fetched).status, points(fetched)) == (Completeness.ERROR, [])
    assert said in status(fetched).messages[0]


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"points": [', b"\xff\xfe", b"[" * 200_000, b"1" * 10_000])
def test_what_is_not_json_is_an_error(server: AnsweringServer, body: bytes) -> None:
    """A login page, a cut off document, one made to hurt: an error of these series."""
    server.answer = lambda asked: Answered(body)
    found = status(fetch(server))
    assert found.status is Completeness.ERROR
    assert "the answer is not as the policy says" in found.messages[0]


def test_an_empty_list_is_an_answer(server: AnsweringServer) -> None:
    """The shape is right and there is nothing in it."""
    found = status(answers(server, {"points": []}))
    assert (found.status, found.points) == (Completeness.COMPLETE, 0)


def test_missing_and_odd_values_are_no_numbers(server: AnsweringServer) -> None:
    """null and a missing member are no value; what is no number is none either, and is told."""
    rows = [{"value": None}, {}, {"value": True}, {"value": "n/a"}, {"value": "1,5"}, {"value": [1]}, {"value": "2e0"}]
    document = {"points": [{"host": "web", "at": "2026-03-01T11:57:00Z", **row} for row in rows]}
    fetched = answers(server, document)
    values = [value for _, value in points(fetched)]
    assert [math.isnan(value) for value in values] == [True] * 6 + [False]
    assert status(fetched).status is Completeness.PARTIAL
    assert status(fetched).messages == ("4 values are no numbers, such as True",)


def test_points_without_a_time_are_left_out_and_told(server: AnsweringServer) -> None:
    """Where a point would lie is never guessed."""
    rows = [{"at": None}, {}, {"at": "yesterday"}, {"at": "2026-02-30T11:57:00Z"}, {"at": "2026-03-01T11:57:00Z"}]
    fetched = answers(server, {"points": [{"host": "web", "value": 1, **row} for row in rows]})
    assert points(fetched) == [(-180, 1.0)]
    assert status(fetched).status is Completeness.PARTIAL
    assert "4 points are left out, their times cannot be told" in status(fetched).messages[0]


def test_a_point_of_nobody_is_left_out_and_told(server: AnsweringServer) -> None:
    """A point that does not say whose it is is nobody's."""
    fetched = answers(server, {"points": [*FLAT["points"], {"at": "2026-03-01T11:59:00Z", "value": 99}]})
    assert points(fetched) == WHOLE
    assert status(fetched).status is Completeness.PARTIAL


def test_points_outside_the_window_are_left_out(server: AnsweringServer) -> None:
    """An endpoint that answers more than was asked for is common; one whose every point is elsewhere is told of."""
    early = {"host": "web", "at": "2026-03-01T10:00:00Z", "value": 99}
    assert points(answers(server, {"points": [early, *FLAT["points"]]})) == WHOLE
    found = status(answers(server, {"points": [early]}))
    assert (found.points, found.messages) == (
        0,
        ("all 1 points are outside the window, the first at 2026-03-01T10:00:00Z",),
    )


@pytest.mark.parametrize(
    ("said", "partial"),
    [(True, True), ("lagging", True), (["x"], True), ({"x": 1}, True), (1, True),
     (False, False), ("", False), ([], False), ({}, False), (0, False), (None, False)],
)  # fmt: skip
def test_what_the_answer_says_of_itself_is_told(server: AnsweringServer, said: Any, partial: bool) -> None:
    """The policy names the place; anything there but nothing means that something is missing."""
    found = status(answers(server, {**FLAT, "warning": said}, partial="$.warning"))
    assert found.status is (Completeness.PARTIAL if partial else Completeness.COMPLETE)
    assert bool(found.messages) is partial


def test_a_part_by_its_status_is_partial(server: AnsweringServer) -> None:
    """206 is what HTTP says of a part."""
    server.answer = lambda asked: as_json(FLAT, 206)
    assert status(fetch(server)).status is Completeness.PARTIAL


def test_each_target_by_itself(server: AnsweringServer) -> None:
    """A request for each, its name escaped in path and parameters; one that is refused fails alone."""
    keys = {
        "path": "hosts/{target}/load",
        "params": {"who": "{target}", "from": "{start_s}", "to": "{end_ms}", "step": "{period_s}"},
    }
    server.answer = lambda asked: as_json(
        {"points": [{"at": END - 60, "value": 7}]}, 404 if "gone" in asked.target else 200
    )
    targets = ("a b", "../etc", "x?y=1&z#", "{start}", "gone", "..")
    fetched = fetch(server, targets, **keys, target=None, time_unit="s")
    rest = f"&from={END - 180}&to={END}000&step=60"
    assert {one.target for one in server.asked} == {
        f"/api/hosts/a%20b/load?who=a+b{rest}",
        f"/api/hosts/..%2Fetc/load?who=..%2Fetc{rest}",
        f"/api/hosts/x%3Fy%3D1%26z%23/load?who=x%3Fy%3D1%26z%23{rest}",
        f"/api/hosts/%7Bstart%7D/load?who=%7Bstart%7D{rest}",
        f"/api/hosts/gone/load?who=gone{rest}",
    }
    assert {name: status(fetched, name).points for name in targets} == {
        "a b": 1, "../etc": 1, "x?y=1&z#": 1, "{start}": 1, "gone": 0, "..": 0,
    }  # fmt: skip
    assert "answered 404" in status(fetched, "gone").messages[0]
    assert "cannot be part of a path" in status(fetched, "..").messages[0]


def test_a_token_leads_to_the_next_page(server: AnsweringServer) -> None:
    """The text goes into the parameter named, escaped; the other parameters stay."""
    pages = [{"points": [one], "cursor": cursor} for one, cursor in zip(FLAT["points"], ("a&b", 3, None), strict=True)]
    server.answer = lambda asked: as_json(pages[len(server.asked) - 1])
    fetched = fetch(server, params={"q": "x"}, next="$.cursor", next_param="after")
    assert points(fetched) == WHOLE
    assert [one.target for one in server.asked] == [
        "/api/load?q=x", "/api/load?q=x&after=a%26b", "/api/load?q=x&after=3",
    ]  # fmt: skip


def test_a_link_leads_to_the_next_page_on_the_same_server(server: AnsweringServer) -> None:
    """A link may be whole, or relative to the page it stands on."""
    links = ["?page=2", f"{server.url}/api/load?page=3", None]
    pages = [{"points": [one], "next": link} for one, link in zip(FLAT["points"], links, strict=True)]
    server.answer = lambda asked: as_json(pages[len(server.asked) - 1])
    assert points(fetch(server, params={"q": "x"}, next="$.next")) == WHOLE
    assert [one.target for one in server.asked] == ["/api/load?q=x", "/api/load?page=2", "/api/load?page=3"]


@pytest.mark.parametrize(
    "link", ["http://127.0.0.1:1/load", "//elsewhere.example/load", "https://elsewhere.example", "file:///etc/passwd"]
)
def test_a_link_elsewhere_is_not_followed(server: AnsweringServer, link: str) -> None:
    """What an answer says never makes Setpoint speak to another server."""
    server.answer = lambda asked: as_json({**FLAT, "next": link})
    with pytest.raises(SourceError, match="it is not asked") as raised:
        fetch(server, next="$.next")
    assert not raised.value.retryable
    assert len(server.asked) == 1


def test_pages_that_never_end_are_left(server: AnsweringServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same page again is an error; ever new ones are read up to a limit, and the rest told as missing."""
    server.answer = lambda asked: as_json({**FLAT, "next": "?page=2"})
    with pytest.raises(SourceError, match="came twice"):
        fetch(server, next="$.next")
    monkeypatch.setattr(http_json, "MOST_PAGES", 3)
    server.asked.clear()
    server.answer = lambda asked: as_json({"points": FLAT["points"][:1], "next": f"?page={len(server.asked)}"})
    found = status(fetch(server, next="$.next"))
    assert (len(server.asked), found.status) == (3, Completeness.PARTIAL)
    assert "more than 3 pages" in found.messages[0]


def problems(**keys: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as refused:
        metric(**keys)
    return {".".join(map(str, one["loc"])): one["msg"] for one in refused.value.errors()}


@pytest.mark.parametrize(
    ("keys", "where", "said"),
    [
        ({"unit": None}, "unit", "Field required"),
        ({"path": "https://elsewhere.example/x"}, "path", "not a whole URL"),
        ({"path": "//elsewhere.example/x"}, "path", "not a whole URL"),
        ({"path": "a/../b"}, "path", "without . and .."),
        ({"path": "a?b=c"}, "path", "goes into params"),
        ({"path": "a/{host}"}, "path", "only {target} can be part of a path"),
        ({"params": {"q": "{now}"}}, "params", "q: {now} is not known"),
        ({"points": "$.points[*]"}, "points", "leads to the list itself, not to each of its entries: $.points"),
        ({"value": "$..value"}, "value", ".. (look everywhere) is not supported"),
        ({"timestamp": "at"}, "timestamp", "a path begins with $"),
        ({"target": None}, "", "nothing says whose a point is"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "no time zone"),
        ({"time_unit": "s", "time_zone": "UTC"}, "", "keep the one that is meant"),
        ({"next_param": "page"}, "", "set next"),
        ({"next": "$.n", "next_param": "q", "params": {"q": "1"}}, "", "each page would have it twice"),
        ({"window": "90s"}, "window", "such as 1m or 2m"),
    ],
)
def test_a_policys_mistake_is_told_where_it_is(keys: dict[str, Any], where: str, said: str) -> None:
    """Each mistake says what is wrong and what is allowed."""
    assert said in problems(**keys)[where]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2026-03-01T11:57:00Z", END - 180),
        ("2026-03-01t11:57:00z", END - 180),
        ("2026-03-01 17:42:00.250+05:45", END - 179.75),
        ("2026-03-01T12:57:00", END - 180),
        ("2026-07-01T12:00:00", datetime(2026, 7, 1, 10, tzinfo=UTC).timestamp()),
    ],
)
def test_times_written_out(written: str, seconds: float) -> None:
    """RFC 3339, and times without a zone in the one the policy names, in summer and winter."""
    assert Clock.of(metric(time_zone="Europe/Berlin")).microseconds(written) == round(seconds * 1e6)


@pytest.mark.parametrize("written", ["2026-03-29T02:30:00", "2026-10-25T02:30:00"])
def test_an_hour_that_is_not_or_is_twice_is_not_told(written: str) -> None:
    """When clocks change, a time without its offset has no meaning, or two."""
    with pytest.raises(TimeUnknownError, match="when clocks change in Europe/Berlin"):
        Clock.of(metric(time_zone="Europe/Berlin")).microseconds(written)


@pytest.mark.parametrize(
    "written",
    ["2026-03-01", "20260301T115700Z", "2026-W09-7", "2026-03-01T11:57Z", "2026-03-01T24:00:01Z",
     "2026-03-01T11:57:60Z", "11:57", "", " ", True, [], {}, "\uff12026-03-01T11:57:00Z"],
)  # fmt: skip
def test_other_ways_to_write_a_time_are_not_guessed(written: Any) -> None:
    """Only RFC 3339's way has one meaning."""
    with pytest.raises(TimeUnknownError):
        Clock.of(metric()).microseconds(written)


@pytest.mark.parametrize(
    ("unit", "written"),
    [
        ("s", END),
        ("s", float(END)),
        ("s", str(END)),
        ("ms", END * 1_000),
        ("ms", f"{END}e3"),
        ("us", END * 10**6),
        ("ns", END * 10**9),
    ],
)
def test_times_counted(unit: str, written: Any) -> None:
    """Seconds, or their fractions, since 1970; as numbers or in a text."""
    assert Clock.of(metric(time_unit=unit)).microseconds(written) == END * 1_000_000


@pytest.mark.parametrize("written", [END * 1_000, -1, math.nan, math.inf, True, "now", None, 10**400])
def test_counts_that_no_year_has_are_refused(written: Any) -> None:
    """Milliseconds taken for seconds lie in the year 58,000: that is told, not used."""
    with pytest.raises(TimeUnknownError, match="no number of s since 1970"):
        Clock.of(metric(time_unit="s")).microseconds(written)


@given(st.datetimes(timezones=st.timezones()).filter(lambda moment: 1970 < moment.year < 9999))
def test_any_moment_written_with_its_offset_is_that_moment(moment: datetime) -> None:
    """To the microsecond, whatever the offset."""
    offset = moment.utcoffset()
    if offset is None or offset.total_seconds() % 60:
        return
    expected = (moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution)
    assert Clock.of(metric()).microseconds(moment.isoformat()) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_itself_as_number_and_as_text(value: float) -> None:
    """To the last bit, also after JSON, also in quotes."""
    assert number(json.loads(json.dumps(value))) == value
    assert number(json.dumps(value)) == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_no_value_is_more_than_no_number(value: Any) -> None:
    """Whatever stands where a number should: a number, or none."""
    found = number(value)
    assert found is None or isinstance(found, float)


TWO_METRICS = {
    "load": [{"host": "web", "at": f"2026-03-01T11:{57 + n}:00Z", "value": n} for n in range(3)],
    "errors": [{"host": "web", "at": f"2026-03-01T11:{57 + n}:00Z", "value": 10 * n} for n in range(3)],
}


def fetch_all(server: AnsweringServer, targets: Sequence[str] = ("web",), /, **metrics: HttpJsonMetric) -> Fetched:
    session = HttpSession(f"{server.url}/api", name="json_test", limits=HttpLimits(attempts=2, pause_seconds=0.01))
    return HttpJsonSource(session).fetch(metrics, targets, NOW)


def values(fetched: Fetched, name: str) -> list[float]:
    return fetched.frame[fetched.frame["metric"] == name]["value"].tolist()


def test_metrics_of_one_request_share_its_answer(server: AnsweringServer) -> None:
    """Two metrics out of one document, and one over a longer window of it: one request; another path is another."""
    server.answer = lambda asked: as_json(TWO_METRICS)
    fetched = fetch_all(
        server,
        load=metric(points="$.load"),
        errors=metric(points="$.errors", unit="count"),
        longer=metric(points="$.load", window="5m"),
        elsewhere=metric(points="$.load", path="other"),
    )
    assert sorted(one.target for one in server.asked) == ["/api/load", "/api/other"]
    assert {name: values(fetched, name) for name in ("load", "errors", "longer", "elsewhere")} == {
        "load": [0, 1, 2], "errors": [0, 10, 20], "longer": [0, 1, 2], "elsewhere": [0, 1, 2],
    }  # fmt: skip


def test_what_makes_a_request_another_one_is_asked_apart(server: AnsweringServer) -> None:
    """Windows that stand in the request, and answers whose pages are followed otherwise, are not shared."""
    between = {"from": "{start_s}"}
    fetch_all(
        server,
        load=metric(params=between),
        same=metric(params=between, value="$.at"),
        longer=metric(params=between, window="5m"),
        paged=metric(params=between, next="$.next"),
    )
    assert len(server.asked) == 3


def test_one_metric_that_cannot_be_read_costs_the_others_nothing(server: AnsweringServer) -> None:
    """Pages are followed to the end for those that can, and the one that cannot says why."""

    def answer(asked: Any) -> Answered:
        first = "page" not in asked.target
        part = {"load": TWO_METRICS["load"][:2] if first else TWO_METRICS["load"][2:]}
        return as_json({**part, **({"next": "?page=2"} if first else {})})

    server.answer = answer
    fetched = fetch_all(
        server,
        broken=metric(points="$.errors", next="$.next"),
        load=metric(points="$.load", next="$.next"),
    )
    assert len(server.asked) == 2
    assert values(fetched, "load") == [0, 1, 2]
    told = {one.metric: one for one in fetched.series}
    assert (told["broken"].status, told["load"].status) == (Completeness.ERROR, Completeness.COMPLETE)
    assert "$.errors leads nowhere" in told["broken"].messages[0]


def test_a_refused_request_is_told_of_each_metric(server: AnsweringServer) -> None:
    """What several metrics share they lack together, and the message names them."""
    server.answer = lambda asked: as_json({"error": "no"}, status=404)
    fetched = fetch_all(server, load=metric(points="$.load"), errors=metric(points="$.errors"))
    assert len(server.asked) == 1
    assert {one.status for one in fetched.series} == {Completeness.ERROR}
    assert {one.messages[0].partition(",")[0] for one in fetched.series} == {"GET load"}
    assert all("GET load, errors" in one.messages[0] for one in fetched.series)
