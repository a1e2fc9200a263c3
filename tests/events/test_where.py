"""The ``where`` option: JSONPath, conditions, and what a policy file's mistake in it looks like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from setpoint.events.where import MAX_PATHS, Where, fits
from setpoint.jsonpath import MAX_ENTRIES, PathError, compiled, values_at
from setpoint.policy.diagnose import diagnose
from setpoint.policy.yaml_text import read_yaml

WHERE: TypeAdapter[Any] = TypeAdapter(Where)
BODY: dict[str, Any] = {
    "detail": {"severity": 7, "archived": False, "type": "UnauthorizedAccess:EC2/Tor", "error": None},
    "detail-type": "GuardDuty Finding",
    "resources": ["arn:a", "arn:b"],
    "tags": [{"key": "tier", "value": "web"}, {"key": "team", "value": "shop"}, {"key": 1, "value": "one"}],
    "é x": {"it's": 1, 'say "hi"': 2, "back\\slash": 3},
    "empty": [],
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("$", [BODY]),
        ("$.detail.severity", [7]),
        ("$['detail']['severity']", [7]),
        ("$.detail-type", ["GuardDuty Finding"]),
        ("$.resources[0]", ["arn:a"]),
        ("$.resources[-1]", ["arn:b"]),
        ("$.resources[2]", []),
        ("$.resources[-3]", []),
        ("$.resources[*]", ["arn:a", "arn:b"]),
        ("$.tags[*].key", ["tier", "team", 1]),
        ("$.tags[?@.key == 'tier'].value", ["web"]),
        ("$.tags[?(@.key=='team')].value", ["shop"]),
        ('$.tags[?@["key"] == "tier"].value', ["web"]),
        ("$.tags[?@.key == 1].value", ["one"]),
        ("$.tags[?@.key == true].value", []),
        ("$.tags[?@.missing == 'x']", []),
        (r"$['é x']['it\'s']", [1]),
        (r"""$["é x"]["say \"hi\""]""", [2]),
        (r"$['é x']['back\\slash']", [3]),
        ("$.detail.*", [7, False, "UnauthorizedAccess:EC2/Tor", None]),
        ("$.detail[*]", [7, False, "UnauthorizedAccess:EC2/Tor", None]),
        ("$.detail.severity.more", []),
        ("$.detail[0]", []),
        ("$.resources.name", []),
        ("$.detail-type[0]", []),
        ("$.empty[*]", []),
    ],
)
def test_a_path_leads_to_its_values(path: str, values: list[Any]) -> None:
    """Names, quoted names, indexes from both ends, wildcards and the equality filter; elsewhere there is nothing."""
    assert list(values_at(path, BODY)) == values


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("", "begins with \\$"),
        ("detail.severity", "begins with \\$"),
        ("$..severity", "look everywhere"),
        ("$.a..b", "look everywhere"),
        ("$.", "cannot be read from '\\.' on"),
        ("$.a[", "cannot be read from '\\[' on"),
        ("$.a[?@.b > 1]", "cannot be read"),
        ("$.a[?(@.b == 1]", "cannot be read"),
        ("$.a[?@.b == 1)]", "cannot be read"),
        ("$.a[0:2]", "cannot be read"),
        ("$.a['b]", "cannot be read"),
        ("$.a[01]", "cannot be read"),
        ("$.a b", "cannot be read from ' b' on"),
        ("$" + ".a" * 200, "at most 300 characters"),
    ],
)
def test_what_is_no_path_says_where_it_breaks(path: str, says: str) -> None:
    """The text names the place and the steps there are."""
    with pytest.raises(PathError, match=says):
        compiled(path)


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ({}, True),
        ({"$.detail.severity": 7}, True),
        ({"$.detail.severity": 7.0}, True),
        ({"$.detail.severity": "7"}, False),
        ({"$.detail.severity": [5, 7]}, True),
        ({"$.detail.severity": [5, 6]}, False),
        ({"$.detail.severity": {"above": 6.9}}, True),
        ({"$.detail.severity": {"above": 7}}, False),
        ({"$.detail.severity": {"above": 6, "below": 8}}, True),
        ({"$.detail.severity": {"below": 7}}, False),
        ({"$.detail.archived": False}, True),
        ({"$.detail.archived": 0}, False),
        ({"$.detail.archived": {"below": 1}}, False),
        ({"$.detail.type": {"prefix": "UnauthorizedAccess:"}}, True),
        ({"$.detail.type": {"prefix": "unauthorizedaccess:"}}, False),
        ({"$.detail.type": {"prefix": "Unauth", "suffix": "/Tor"}}, True),
        ({"$.detail.type": {"suffix": "/Ssh"}}, False),
        ({"$.detail.severity": {"prefix": "7"}}, False),
        ({"$.resources": "arn:b"}, True),
        ({"$.resources[*]": "arn:b"}, True),
        ({"$.resources": {"prefix": "arn:", "suffix": "c"}}, False),
        ({"$.detail.error": {"exists": True}}, True),
        ({"$.detail.nothing": {"exists": True}}, False),
        ({"$.detail.nothing": {"exists": False}}, True),
        ({"$.detail.error": {"exists": False}}, False),
        ({"$.empty": {"exists": True}}, True),
        ({"$.empty[*]": {"exists": True}}, False),
        ({"$.detail.severity": 7, "$.detail.archived": True}, False),
        ({"$.detail.severity": 7, "$.detail.archived": False}, True),
    ],
)
def test_all_conditions_hold_or_the_event_is_not_wanted(where: dict[str, Any], wanted: bool) -> None:
    """Values compare by type and case; of several values one is enough; every path must agree."""
    assert fits(WHERE.validate_python(where), BODY) is wanted


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"$.a": None}, "exists: false"),
        ({"$.a": {}}, "a condition says something"),
        ({"$.a": {"prefx": "x"}}, "prefx: is unknown; there are prefix"),
        ({"$.a": {"prefix": 1, "above": "x"}}, "prefix: is a text of 1 to 1000 characters, not 1; above: is a number"),
        ({"$.a": {"above": True}}, "above: is a number, not True"),
        ({"$.a": {"above": float("inf")}}, "above: is a number, not inf"),
        ({"$.a": {"above": 3, "below": 3}}, "leave no number"),
        ({"$.a": {"exists": False, "prefix": "x"}}, "exists: false stands alone"),
        ({"$.a": {"exists": "no"}}, "exists: is true or false, not 'no'"),
        ({"$.a": {"prefix": ""}}, "prefix: is a text of 1"),
        ({"$.a": []}, "has 1 to 100 of them"),
        ({"$.a": [1, [2]]}, "not \\[2\\]"),
        ({"$.a": "x" * 1001}, "at most 1000 characters"),
        ({f"$.a{number}": 1 for number in range(MAX_PATHS + 1)}, "at most 20"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused(where: dict[str, Any], says: str) -> None:
    """The text says what is wrong and what there is."""
    with pytest.raises(ValidationError, match=says):
        WHERE.validate_python(where)


def test_a_where_is_written_back_as_it_was_read() -> None:
    """What a policy's file says comes out of its data again."""
    written = {"$.a": 1, "$.b": ["x", True], "$.c": {"prefix": "x", "below": 2.5}, "$.d": {"exists": False}}
    assert WHERE.dump_python(WHERE.validate_python(written), mode="json") == written
    assert WHERE.dump_python(WHERE.validate_python({"$.e": {"exists": True}})) == {"$.e": {"exists": True}}


def test_a_mistake_is_a_problem_with_its_line_and_column(tmp_path: Path) -> None:
    """A path that cannot be read is shown at its key, a wrong condition at its own key, both at once."""
    text = (Path(__file__).parent / "where_policy.yaml").read_text(encoding="utf-8")
    policy, problems = diagnose(tmp_path / "p.yaml", read_yaml(text))

    assert policy is None
    assert [(one.line, one.column, one.value) for one in problems] == [(11, 9, '"$..severity"'), (15, 32, '"high"')]
    assert "look everywhere" in problems[0].message
    assert problems[1].message == "above: is a number, not 'high'"
    assert problems[1].path == "triggers.events[1].where.$.data.waiting.above"


def test_a_wildcard_looks_at_a_bounded_number_of_entries() -> None:
    """A list of a hundred thousand entries costs what a thousand cost."""
    body = {"a": [{"b": 0}] * 100_000 + [{"b": 1}]}
    assert len(list(values_at("$.a[*].b", body))) == MAX_ENTRIES
    assert not fits(WHERE.validate_python({"$.a[*].b": 1}), body)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=4),
)
_steps = st.sampled_from([".a", ".b", "['c']", "[0]", "[-1]", "[*]", ".*", "[?@.a == 'x']", "[?(@.b == 1)]"])
_scalar = st.text(max_size=3) | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_condition = (
    _scalar
    | st.lists(_scalar, min_size=1, max_size=3)
    | st.sampled_from([{"exists": True}, {"exists": False}, {"prefix": "a"}, {"suffix": "b"}, {"above": 0.5}])
)


@given(
    st.dictionaries(st.lists(_steps, max_size=4).map(lambda some: "$" + "".join(some)), _condition, max_size=4), _json
)
def test_any_where_answers_for_any_document(where: dict[str, Any], body: Any) -> None:
    """Yes or no, never an error; and the same for the document as it comes back from the ledger."""
    conditions = WHERE.validate_python(where)
    assert fits(conditions, body) is fits(conditions, json.loads(json.dumps(body)))


@given(st.text(max_size=40).map(lambda text: "$" + text))
def test_any_text_is_a_path_or_refused(path: str) -> None:
    """Nothing but PathError comes of a text that is no path."""
    try:
        steps = compiled(path)
    except PathError:
        return
    assert len(steps) <= len(path)
    assert list(values_at(path, BODY)) == list(values_at(path, BODY))


@given(_json, st.lists(_steps, max_size=3).map(lambda some: "$" + "".join(some)))
def test_exists_is_the_opposite_of_not_exists(body: Any, path: str) -> None:
    """A path leads somewhere or nowhere."""
    there, missing = (WHERE.validate_python({path: {"exists": value}}) for value in (True, False))
    assert fits(there, body) is not fits(missing, body)
