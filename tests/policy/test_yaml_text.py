"""YAML as plain data with places."""

import math

import pytest

from setpoint.policy.yaml_text import MAX_BYTES, MAX_DEPTH, Mark, UnreadableError, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("010", 10),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("9" * 19, "9" * 19),
        ("1e3", 1000.0),
        ("0.5", 0.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ('"5"', "5"),
        ("'true'", "true"),
        ("!!str 5", "5"),
        ("|\n  5", "5"),
        (".inf", math.inf),
        ("3 of 5", "3 of 5"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    """A word that YAML 1.1 takes for a truth value, a time or a date is text; numbers are plain decimal numbers."""
    data = read_yaml(f"key: {text}").data["key"]
    assert data == value
    assert type(data) is type(value)


def test_not_a_number_is_read_as_such() -> None:
    """``.nan`` is a float, for the schema to refuse with its path."""
    assert math.isnan(read_yaml("key: .nan").data["key"])


def test_every_key_and_value_has_its_place() -> None:
    """Lines and columns are counted from 1, in block and flow style, in lists too."""
    document = read_yaml("a:\n  b: {c: 1}\n  d:\n    - x\n    - y: 2\n")
    assert document.place(("a", "b")) == Mark(2, 3)
    assert document.place(("a", "b", "c")) == Mark(2, 7)
    assert document.values[("a", "b", "c")] == Mark(2, 10)
    assert document.place(("a", "d", 0)) == Mark(4, 7)
    assert document.place(("a", "d", 1, "y")) == Mark(5, 7)
    assert document.place(("a", "d", 1, "missing")) == Mark(5, 7)


def test_a_key_that_stands_twice_is_a_flaw_and_the_first_counts() -> None:
    """Neither of two equal keys is dropped in silence."""
    document = read_yaml("a: 1\nb: 2\na: 3\n")
    assert document.data == {"a": 1, "b": 2}
    (flaw,) = document.flaws
    assert (flaw.mark, flaw.path) == (Mark(3, 1), ("a",))
    assert "line 1" in flaw.message


def test_an_alias_is_written_out_with_the_place_of_its_anchor() -> None:
    """A mistake in a shared section is where that section is written."""
    document = read_yaml("base: &b {x: 1}\nuse: *b\n")
    assert document.data == {"base": {"x": 1}, "use": {"x": 1}}
    assert document.place(("use", "x")) == Mark(1, 11)


def test_a_merge_key_fills_in_what_is_not_there() -> None:
    """``<<`` takes a section or a list of sections; the section's own keys win, then the first in the list."""
    document = read_yaml("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\n")
    assert document.data["c"] == {"x": 3, "y": 1, "z": 2}
    assert not document.flaws


@pytest.mark.parametrize("text", ["a: {<<: 5}", "a: {<<: [1]}", "? [1, 2]\n: 3", "a: !secret x", "a: !!python/none ''"])
def test_what_yaml_allows_and_a_policy_does_not_is_a_flaw(text: str) -> None:
    """Tags, keys that are no words and merges of no section are refused, and make nothing."""
    document = read_yaml(text)
    assert len(document.flaws) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("# only a comment", "empty"),
        ("a: [1, 2", "not YAML"),
        ("a: 1\n---\nb: 2", "second document"),
        ("a: &x [*x]", "anchor"),
        ("a: *nowhere", "anchor"),
        ("[" * 1000 + "]" * 1000, f"deeper than {MAX_DEPTH}"),
        ("a: " + "x" * MAX_BYTES, "larger than 256 KiB"),
        ("a: \x07", "not YAML"),
    ],
)
def test_text_that_cannot_be_looked_into_is_refused_as_a_whole(text: str, said: str) -> None:
    """Syntax errors, bombs and oversized text end reading, with a reason."""
    with pytest.raises(UnreadableError, match=said):
        read_yaml(text)


def test_an_unclosed_list_is_found_inside_the_text() -> None:
    """The place of a syntax error is on a line the file has."""
    with pytest.raises(UnreadableError) as refused:
        read_yaml("a: 1\nb: [")
    assert refused.value.flaw.mark == Mark(2, 5)


def test_aliases_cannot_grow_without_bound() -> None:
    """The billion laughs are refused after a bounded amount of work."""
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(UnreadableError, match="aliases grow"):
        read_yaml("\n".join(levels))


def test_a_nul_is_no_text() -> None:
    """Text that PostgreSQL cannot hold is a flaw with a place."""
    document = read_yaml('a: 1\nb: "x\\0y"\n')
    assert [(flaw.mark, flaw.path) for flaw in document.flaws] == [(Mark(2, 4), ("b",))]


def test_half_a_surrogate_pair_is_no_text() -> None:
    """Text that is no Unicode is refused, whichever of YAML's parsers reads it."""
    with pytest.raises(UnreadableError, match="escape code"):
        read_yaml('a: "\\ud800"\n')
