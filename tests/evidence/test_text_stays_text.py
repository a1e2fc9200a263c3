"""Whatever a name or a value holds, in the page's own parts, in Great Expectations' documents and in the plots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from setpoint.evidence.html import LONGEST_TEXT, Html, element, joined, visible
from setpoint.evidence.plot import MOST_POINTS, STYLE, Series, plot, stacked
from setpoint.evidence.view import block, document, string_template

START = datetime(2026, 3, 1, tzinfo=UTC)
OUTSIDE = st.text(max_size=60) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        '" onload="x',
        "${x}",
        "$x $$ ${",
        "\ud800",
        "]]>",
        "&lt;b&gt;",
        "<!--",
        "\u202e",
        "\0",
    ]
)
SVG = "{http://www.w3.org/2000/svg}"


class Parsed(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, written: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.text = ""
        self.feed(written)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment came of text: {data!r}")


@given(OUTSIDE)
def test_text_becomes_neither_element_nor_attribute(text: str) -> None:
    """Between tags and in an attribute; what is shown is the text, with what cannot be seen written out."""
    parsed = Parsed(element("p", text, title=text))
    assert (parsed.tags, parsed.names) == (["p"], {"title"})
    assert parsed.text == visible(text)
    assert all(one.isprintable() or one == "\n" for one in parsed.text)
    parsed.text.encode()


def test_what_is_html_already_is_not_escaped_again_and_names_are_ours() -> None:
    """Nothing is nothing; a name from elsewhere is refused; what is endless is cut."""
    assert element("p", element("b", "<"), None, ["&", 3]) == "<p><b>&lt;</b>&amp;3</p>"
    assert joined("<", Html("<br/>")) == "&lt;<br/>"
    assert len(visible("x" * 10_000)) == LONGEST_TEXT + 1
    for wrong in ("p onload=x", "", "p>"):
        with pytest.raises(ValueError, match="no name"):
            element(wrong, "x")


@given(OUTSIDE, OUTSIDE)
def test_a_template_is_filled_once(value: str, other: str) -> None:
    """What stands in a value is never taken for a parameter, however it looks."""
    template = {
        "template": "$a and ${b}, $$5 for $unknown\n$html_success_icon",
        "params": {"a": value, "b": other, "html_success_icon": "<i class='x'></i>"},
        "styling": {"default": {"classes": ["badge"]}},
    }
    parsed = Parsed(string_template(template))
    assert parsed.text == f"{visible(value)} and {visible(other)}, $5 for $unknown"
    assert set(parsed.tags) == {"span", "br"}


_LEAVES = OUTSIDE | st.integers() | st.none() | st.booleans()
_KINDS = (
    "header",
    "string_template",
    "table",
    "bullet_list",
    "value_list",
    "text",
    "markdown",
    "collapse",
    "content_block_container",
    "graph",
    "new",
)
_BLOCKS: Any = st.recursive(
    _LEAVES,
    lambda children: st.fixed_dictionaries(
        {"content_block_type": st.sampled_from(_KINDS)},
        optional={
            "header": children,
            "subheader": children,
            "text": children,
            "markdown": OUTSIDE,
            "table": st.lists(st.lists(children, max_size=2), max_size=2),
            "header_row": st.lists(children, max_size=2),
            "bullet_list": st.lists(children, max_size=2),
            "value_list": st.lists(children, max_size=2),
            "collapse": st.lists(children, max_size=2),
            "collapse_toggle_link": children,
            "content_blocks": st.lists(children, max_size=2),
            "string_template": st.fixed_dictionaries(
                {"template": OUTSIDE, "params": st.dictionaries(st.sampled_from(["x", "y"]), _LEAVES)},
                optional={"tag": OUTSIDE, "styling": st.just({"default": {"classes": ["badge", 'x"><script>']}})},
            ),
        },
    ),
    max_leaves=8,
)
_ALLOWED = {
    *("section", "div", "span", "p", "br", "ul", "li", "details", "summary", "h3", "h4", "h5", "h6", "strong", "em"),
    *("table", "thead", "tbody", "tr", "td", "th", "code", "pre"),
}


@given(_BLOCKS)
def test_any_document_of_great_expectations_is_plain_html(content: Any) -> None:
    """Whatever blocks it has, known or new, there are only harmless elements, and no attribute but a class of ours."""
    written = document({"sections": [{"content_blocks": [content, [content]]}]})
    parsed = Parsed(written)
    assert set(parsed.tags) <= _ALLOWED
    assert parsed.names <= {"class"}
    assert "x&quot;&gt;" not in written


def test_a_long_table_is_cut_and_says_so() -> None:
    """A page holds fifty rows of a table."""
    parsed = Parsed(block({"content_block_type": "table", "table": [[number] for number in range(80)]}))
    assert parsed.tags.count("tr") == 50
    assert "and 30 more rows" in parsed.text


@example(title="", drawn=[(0, 1.6e308)], allowed=None)
@example(title="", drawn=[(0, 1.6e308), (60, -1.6e308)], allowed=None)
@given(
    OUTSIDE,
    st.lists(st.tuples(st.integers(-700, 1300), st.floats(allow_nan=True, allow_infinity=True)), max_size=40),
    st.none() | st.tuples(st.floats(-1e9, 0), st.floats(0.1, 1e9)),
)
def test_any_series_can_be_drawn(
    title: str, drawn: list[tuple[int, float]], allowed: tuple[float, float] | None
) -> None:
    """Infinities, huge values, points outside the window, none at all: well-formed, inside its frame, no script."""
    points = [(START + timedelta(seconds=second), value) for second, value in drawn]
    series = Series(
        title=title,
        points=points,
        marked=frozenset(moment for moment, _ in points[::2]),
        start=START,
        end=START + timedelta(minutes=10),
        period=timedelta(minutes=1),
        allowed=allowed,
        unit=title,
    )
    tree = ElementTree.fromstring(stacked([plot(series), plot(series)], STYLE))
    allowed_tags = {SVG + one for one in ("svg", "g", "title", "text", "rect", "line", "polyline", "circle", "style")}
    assert {one.tag for one in tree.iter()} <= allowed_tags
    for one in tree.iter(SVG + "circle"):
        assert 0 <= float(one.attrib["cx"]) <= 720
        assert 0 <= float(one.attrib["cy"]) <= 220
    rings = [one for one in tree.iter(SVG + "circle") if one.attrib["class"] == "marked"]
    assert len(rings) == 2 * sum(moment in series.marked for moment, _ in points)


def test_a_series_of_very_many_points_is_thinned_but_for_those_that_matter() -> None:
    """A week at one point a second is no drawing of 600,000 dots."""
    points = [(START + timedelta(seconds=second), float(second % 7)) for second in range(20_000)]
    odd = points[12_345][0]
    series = Series("cpu", points, frozenset({odd}), START, START + timedelta(seconds=20_000), timedelta(seconds=10))
    drawn = plot(series)
    assert len(drawn) < 100_000
    assert drawn.count("marked") == 1
    assert drawn.count(",") <= MOST_POINTS + 10
