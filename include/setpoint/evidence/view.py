"""A view of Great Expectations' Data Docs that needs no script, no other host, and trusts no text.

Great Expectations renders a suite or a validation result to a document of content blocks, and leaves it to a view to
write it down. Its own view loads styles and scripts from six hosts and writes parts of the text as HTML. This one
writes the same document as plain HTML, in which every string is text.

A content block is a dictionary with a ``content_block_type``; see ``great_expectations.render.components``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from setpoint.evidence.html import Html, element, joined

MOST_ROWS = 50
"""Rows of one table that are shown."""

_PARAMETER = re.compile(r"\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")
_TRUSTED = "html_success_icon"
"""The one parameter that is markup: an icon of a font which is not there."""
_TAGS = frozenset({"span", "strong", "em", "code", "pre", "p", "h3", "h4", "h5", "h6", "div", "li"})
_TONES = {
    "text-success": "held",
    "text-danger": "broken",
    "text-warning": "doubtful",
    "badge": "badge",
    "h6": "label",
    "alert": "banner",
}
_BAD = frozenset({"text-danger", "text-warning"})
_ICONS = {"text-success": "✔", "text-danger": "✘", "text-warning": "⚠"}


def document(content: Mapping[str, Any]) -> Html:
    """A rendered document, section by section; what is behind the overview and has nothing bad is folded up.

    :param content: ``RenderedDocumentContent.to_json_dict()``.
    """
    sections = list(content.get("sections", ()))
    tones = [set(_classes(one)) for one in sections]
    if not any("text-success" in one or _BAD & one for one in tones):
        return joined(*(_section(one) for one in sections))  # no result: a suite
    folded = [number for number, one in enumerate(tones) if number and not _BAD & one]
    shown = joined(*(_section(one) for number, one in enumerate(sections) if number not in folded))
    if not folded:
        return shown
    words = element("summary", f"{len(folded)} more sections: what was kept, and how it was run")
    return joined(shown, element("details", words, *(_section(sections[number]) for number in folded)))


def _classes(content: Any) -> Iterator[str]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            if key == "classes" and isinstance(value, Sequence):
                yield from (str(one) for one in value)
            else:
                yield from _classes(value)
    elif isinstance(content, Sequence) and not isinstance(content, str):
        for one in content:
            yield from _classes(one)


def _section(section: Mapping[str, Any]) -> Html:
    return element("section", *(block(one) for one in section.get("content_blocks", ())), class_="gx")


def block(content: Any) -> Html:
    """A content block, a list of them, or a plain value."""
    if isinstance(content, Mapping):
        kind = content.get("content_block_type")
        write = _BLOCKS.get(str(kind))
        return write(content) if write is not None else joined()
    if isinstance(content, Sequence) and not isinstance(content, str):
        return joined(*(element("div", block(one)) for one in content))
    return joined(content)


def string_template(template: Mapping[str, Any]) -> Html:
    """``$name`` replaced by the parameter's value, once; what stands in a value is never replaced again."""
    text, params = str(template.get("template", "")), template.get("params") or {}
    styling = template.get("styling") or {}
    parts: list[object] = []
    end = 0
    for found in _PARAMETER.finditer(text):
        parts.append(_lines(text[end : found.start()]))
        end = found.end()
        name = found[2] or found[3]
        if name is None:
            parts.append("$")
        elif name not in params:
            parts.append(found[0])
        elif name != _TRUSTED:
            parts.append(_parameter(name, params[name], styling))
    parts.append(_lines(text[end:]))
    tag = template.get("tag")
    return element(tag if tag in _TAGS else "span", *parts, class_=_tone(styling.get("classes")))


def _parameter(name: str, value: Any, styling: Mapping[str, Any]) -> Html:
    classes = (styling.get("params", {}).get(name) or styling.get("default") or {}).get("classes") or ()
    icon = next((_ICONS[one] for one in classes if one in _ICONS), "") if value == "" else ""
    return element("span", icon or value, class_=_tone(classes))


def _lines(text: str) -> Html:
    parts = [part for line in text.split("\n") for part in (Html("<br/>"), line)]
    return joined(*parts[1:])


def _tone(classes: Any) -> str | None:
    known = [_TONES[one] for one in classes or () if one in _TONES]
    return " ".join(dict.fromkeys(known)) or None


def _heading(content: Mapping[str, Any]) -> list[Html]:
    tone = _tone((content.get("styling") or {}).get("header", {}).get("classes"))
    header, subheader = content.get("header"), content.get("subheader")
    return [
        element("div", block(one), class_=f"{name} {tone or ''}".strip())
        for name, one in (("heading", header), ("subheading", subheader))
        if one
    ]


def _table(content: Mapping[str, Any]) -> Html:
    rows = list(content.get("table") or ())
    head = [element("th", block(one)) for one in content.get("header_row") or ()]
    shown = [element("tr", *(element("td", block(cell)) for cell in row)) for row in rows[:MOST_ROWS]]
    left = element("p", f"and {len(rows) - MOST_ROWS} more rows", class_="note") if len(rows) > MOST_ROWS else None
    return joined(
        *_heading(content),
        element("table", element("thead", element("tr", *head)) if head else None, element("tbody", *shown)),
        left,
    )


def _bullets(content: Mapping[str, Any]) -> Html:
    items = [element("li", block(one)) for one in list(content.get("bullet_list") or ())]
    return joined(*_heading(content), element("ul", *items))


def _values(content: Mapping[str, Any]) -> Html:
    return joined(*_heading(content), element("p", block(list(content.get("value_list") or ()))))


def _text(content: Mapping[str, Any]) -> Html:
    return joined(*_heading(content), element("p", block(content.get("text"))))


def _collapse(content: Mapping[str, Any]) -> Html:
    summary = element("summary", block(content.get("collapse_toggle_link") or "more"))
    return element("details", summary, block(list(content.get("collapse") or ())))


def _header(content: Mapping[str, Any]) -> Html:
    return joined(*_heading(content))


def _template(content: Mapping[str, Any]) -> Html:
    return string_template(content.get("string_template") or {})


def _markdown(content: Mapping[str, Any]) -> Html:
    return joined(*_heading(content), element("p", content.get("markdown", "")))


def _container(content: Mapping[str, Any]) -> Html:
    return block(list(content.get("content_blocks") or ()))


_BLOCKS: dict[str, Callable[[Mapping[str, Any]], Html]] = {
    "header": _header,
    "string_template": _template,
    "table": _table,
    "bullet_list": _bullets,
    "value_list": _values,
    "text": _text,
    "markdown": _markdown,
    "collapse": _collapse,
    "content_block_container": _container,
}
"""What writes each type of content block; graphs, and Great Expectations' own buttons, are left out."""
