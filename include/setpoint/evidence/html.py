"""HTML in which text stays text: whatever is no :class:`Html` yet is escaped on its way in."""

from __future__ import annotations

import re
from html import escape

LONGEST_TEXT = 500
"""Characters of one piece of text that are shown; the rest is cut, and the cut is marked."""

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*")
_VOID = frozenset({"meta", "br", "hr", "img", "line", "circle", "rect", "polyline"})


class Html(str):
    """Text that is HTML already. Only this module's functions make it."""

    __slots__ = ()


def visible(text: str) -> str:
    """Text as a person should see it: no control character, no change of direction, no half of a pair, not endless."""
    shown = "".join(one if one.isprintable() or one == "\n" else f"\\x{ord(one):02x}" for one in text[:LONGEST_TEXT])
    return shown if len(text) <= LONGEST_TEXT else f"{shown}…"


def element(name: str, /, *parts: object, **attributes: object) -> Html:
    """An element. Parts that are no :class:`Html` are escaped, and so is every attribute's value.

    :param attributes: ``class_`` is ``class``, and another ``_`` a dash; one that is ``None`` is left out.
    :raises ValueError: a name that is none: names come from us, never from outside.
    """
    given = {one.removesuffix("_").replace("_", "-"): value for one, value in attributes.items() if value is not None}
    for one in (name, *given):
        if not _NAME.fullmatch(one):
            raise ValueError(f"{one!r} is no name of an element or attribute")
    written = "".join(f' {key}="{escape(visible(str(value)))}"' for key, value in given.items())
    if name in _VOID:
        return Html(f"<{name}{written}/>")
    return Html(f"<{name}{written}>{joined(*parts)}</{name}>")


def joined(*parts: object) -> Html:
    """Parts one after the other; those that are no :class:`Html` are escaped, ``None`` is nothing."""
    return Html("".join(_part(one) for one in parts))


def _part(part: object) -> str:
    if part is None:
        return ""
    if isinstance(part, Html):
        return part
    if isinstance(part, list | tuple):
        return joined(*part)
    return escape(visible(str(part)))
