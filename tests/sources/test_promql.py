"""As much of PromQL as is read here: selectors, ranges, placeholders; and what is refused before it is asked."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.sources.promql import PromqlError, quoted, read_promql, render

MINUTE = timedelta(minutes=1)


def shown(text: str, period: timedelta = MINUTE) -> list[tuple[str, bool, bool]]:
    """Each selector as text, whether it reaches back, whether it is moved."""
    return [
        ("".join(part if isinstance(part, str) else part.value for part in one.parts), one.reaches_back, one.elsewhen)
        for one in read_promql(text, period).selectors
    ]


@pytest.mark.parametrize(
    ("query", "selectors"),
    [
        ("avg_over_time(load[$period])", [("load", False, False)]),
        ("avg_over_time(load[1m])", [("load", False, False)]),
        ("avg_over_time(load[30s])", [("load", False, False)]),
        ("avg_over_time(load[1m30s])", [("load", True, False)]),
        (
            "sum by (group) (rate(requests_total{group=~$targets}[5m]))",
            [("requests_total{group=~$targets}", True, False)],
        ),
        (
            "sum(rate(a[1m])) by (b, sum) / sum(rate(c{d!~'e|f'}[1m])) by (b)",
            [("a", False, False), ("c{d!~'e|f'}", False, False)],
        ),
        (
            'max_over_time({__name__="load", group=~$targets}[$period])',
            [('{__name__="load", group=~$targets}', False, False)],
        ),
        ("last_over_time(job:load:avg5m[1m])", [("job:load:avg5m", False, False)]),
        (
            "rate(a[1m]) * on(x, y) group_left(name) last_over_time(info{z='}'}[1m])",
            [("a", False, False), ("info{z='}'}", False, False)],
        ),
        ("rate(a[1m]) unless on() rate(b[1m])", [("a", False, False), ("b", False, False)]),
        ("rate(a[1m]) / rate(a[1m] offset 1w)", [("a", False, False), ("a", False, True)]),
        ("rate(a[1m]) / rate(a[1m] @ end())", [("a", False, False), ("a", False, True)]),
        ("max_over_time(rate(a[1m])[10m:1m])", [("a", True, False)]),
        ("quantile_over_time(0.95, a[1m]) > bool 1e3", [("a", False, False)]),
        ("rate(a[1m]) # load\n", [("a", False, False)]),
        ("clamp_max(rate(a[1m]), Inf) + 0x1F - .5 + NaN", [("a", False, False)]),
        ("rate(sum[1m])", [("sum", False, False)]),
        ("label_replace(rate(a[1m]), 'b', '$1', 'c', '(.*)$targets')", [("a", False, False)]),
        ("histogram_quantile(0.9, sum by (le, group) (rate(b_bucket[2m])))", [("b_bucket", True, False)]),
        ("rate(a[1d]) + rate(b[1y]) + rate(c[999ms])", [("a", True, False), ("b", True, False), ("c", False, False)]),
    ],
)
def test_selectors_are_found(query: str, selectors: list[tuple[str, bool, bool]]) -> None:
    """Every selector, no function, no aggregation, no label, with how far it looks."""
    assert shown(query) == selectors


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("load", r"load has no range.*last_over_time\(load\[\$period\]\)"),
        ("sum(load{a='b'})", r"load\{a='b'\} has no range"),
        ("rate(a[1m]) / b", "b has no range"),
        ("max_over_time(load[5m:1m])", "load has no range"),
        ("rate(a[])", "a has no range"),
        ("rate(a[5])", "a has no range"),
        ("sum(rate(a[1m])", r"'\)' is missing"),
        ("rate(a{b='c'[1m])", r"'\)' at character 17 closes nothing"),
        ("rate(a[1m]))", "closes nothing"),
        ("rate(a[1m]) ; drop", "cannot be read as PromQL from '; drop' on"),
        ("rate(a{b='c}[1m])", "cannot be read"),
        ("rate(a{b=~'$targets'}[$interval])", r"a\{b=~'\$targets'\} has no range"),
        ("rate(a{b=~$target}[1m])", r"\$target is not known; there are \$targets and \$period"),
        ("rate(a{b=$targets}[1m])", r"\$targets stands in a selector after =~"),
        ("$targets", r"\$targets stands in a selector"),
        ("rate(a[1m] offset $period)", r"\$period is the length of a range"),
        ("vector(1)", "selects no metric"),
        ("  # nothing", "selects no metric"),
        ("rate(a[1m] offset 5m)", "move every selector to another time"),
    ],
)
def test_what_cannot_be_asked_honestly_is_refused(query: str, said: str) -> None:
    """The message says what is wrong, and what to write."""
    with pytest.raises(PromqlError, match=said):
        read_promql(query, MINUTE)


def test_placeholders_are_filled_in() -> None:
    """Targets become one pattern of literal alternatives; the period's range leaves out its older edge."""
    query = read_promql("rate(a{b=~$targets, c='$targets'}[$period]) + rate(d[5m])", MINUTE)
    sent = render(query.parts, ["web", 'x.y"z\\'], MINUTE)
    assert sent == 'rate(a{b=~"web|x\\\\.y\\"z\\\\\\\\", c=\'$targets\'}[59999ms]) + rate(d[5m])'
    assert query.names_targets
    assert [render(one, ["web"], MINUTE) for one in query.older] == ["d"]


def unquoted(literal: str) -> str:
    """What a Go string literal says, for the escapes written here."""
    return re.sub(r"\\(?:U([0-9a-f]{8})|(.))", lambda one: chr(int(one[1], 16)) if one[1] else one[2], literal[1:-1])


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_a_name_matches_itself_only(names: list[str]) -> None:
    """However odd, a name neither ends the literal nor means anything else than itself in the pattern."""
    query = read_promql("rate(a{b=~$targets}[1m])", MINUTE)
    sent = render(query.parts, names, MINUTE)
    literal = sent.removeprefix("rate(a{b=~").removesuffix("}[1m])")
    assert re.fullmatch(r'"(?:[^"\\\n]|\\.)*"', literal)
    pattern = re.compile(unquoted(literal))
    assert all(pattern.fullmatch(name) for name in names)
    assert not any(pattern.fullmatch(name + "x") for name in names if name + "x" not in names)


@given(st.text())
def test_quoted_text_is_that_text(text: str) -> None:
    """A literal reads back as what was quoted, and stays on one line."""
    assert unquoted(quoted(text)) == text
    assert quoted(text).isprintable()


@given(st.text(alphabet="ab[](){}\"'`$ 15ms:,=~!#\n\\@", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text raises anything but the refusal, and what is read is sent as it was."""
    try:
        query = read_promql(text, MINUTE)
    except PromqlError:
        return
    assert "".join(part if isinstance(part, str) else part.value for part in query.parts) == text
