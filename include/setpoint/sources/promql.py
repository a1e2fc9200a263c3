"""As much of PromQL as must be understood to ask honestly: the selectors, how far back each looks, the placeholders.

Everything else is left to the server, which says what is wrong with a query better than anybody here could.

A plain selector (``up``) is answered with the newest sample of the last five minutes (``--query.lookback-delta``): what
died four minutes ago looks alive. A range (``up[1m]``) holds the samples that are there and no others, stale ones
excluded. So every selector must have a range; one that reaches further back than a period is told of, so that the
source can ask besides whether there was any sample in the period itself.

https://prometheus.io/docs/prometheus/latest/querying/basics/ (selectors, ranges, offset, @, staleness)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import NamedTuple


class PromqlError(ValueError):
    """A query that is not asked. The text says what is wrong with it, and what to write."""


class Placeholder(Enum):
    """What stands in a query for what only the source knows."""

    TARGETS = "$targets"
    PERIOD = "$period"


Parts = tuple[str | Placeholder, ...]


@dataclass(frozen=True)
class Selector:
    """One selector of a query, without its range."""

    parts: Parts
    reaches_back: bool
    """Whether it sees samples from before the period."""
    elsewhen: bool
    """Whether ``offset`` or ``@`` moves it to another time."""


@dataclass(frozen=True)
class Promql:
    """A query, read so far."""

    parts: Parts
    selectors: tuple[Selector, ...]

    @property
    def names_targets(self) -> bool:
        """Whether it asks for the fleet's own series only."""
        return Placeholder.TARGETS in self.parts

    @property
    def older(self) -> tuple[Parts, ...]:
        """The selectors that may answer for a period without having a sample in it; each once."""
        return tuple(dict.fromkeys(one.parts for one in self.selectors if one.reaches_back and not one.elsewhen))


_TOKEN = re.compile(
    r"""
      (?P<space>\s+|\#[^\n]*)
    | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
    | (?P<bracket>\[[^\[\]]*\])
    | (?P<placeholder>\$\w*)
    | (?P<duration>(?:\d+(?:ms|[smhdwy]))+(?!\w))
    | (?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?!\w))
    | (?P<name>[A-Za-z_:][\w:]*)
    | (?P<mark>=~|!~|!=|==|<=|>=|[-+*/%^<>=@,(){}])
    """,
    re.VERBOSE | re.ASCII,
)
_DURATION = re.compile(r"(\d+)(ms|[smhdwy])")
_RANGE = re.compile(r"\[\s*(?:\$period|(?P<length>(?:\d+(?:ms|[smhdwy]))+))\s*\]", re.ASCII)
_MILLISECONDS = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "y": 31_536_000_000,
}
_LABEL_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = _LABEL_LISTS | {"and", "or", "unless", "atan2", "bool", "offset", "inf", "nan"}
_CLOSES = {"(": ")", "{": "}"}


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


def read_promql(text: str, period: timedelta) -> Promql:
    """Read a query as far as it must be understood.

    :param period: the length of one point's period.
    :raises PromqlError: it cannot be read, selects nothing, has a selector without a range, a placeholder where none
        can stand, or looks at other times only.
    """
    tokens = list(_tokens(text))
    _check_nesting(tokens)
    _check_placeholders(tokens)
    back = milliseconds(period)
    selectors = tuple(_selectors(text, tokens, back))
    if not selectors:
        raise PromqlError("the query selects no metric; name one, such as last_over_time(load[$period])")
    if all(one.elsewhen for one in selectors):
        raise PromqlError(
            "offset and @ move every selector to another time; one at least must look at the period itself"
        )
    return Promql(_parts(text), selectors)


def render(parts: Parts, values: Iterable[str], period: timedelta) -> str:
    """The text to send.

    :param values: the label values of the targets; each is escaped, and means itself only.
    :param period: the length of one point's period.
    """
    texts = {
        Placeholder.TARGETS: quoted("|".join(_literal(value) for value in values)),
        # A millisecond less than the period: Prometheus 2 counts a sample on the range's older edge to it, 3 does not;
        # so it is in one period under either.
        Placeholder.PERIOD: f"{milliseconds(period) - 1}ms",
    }
    return "".join(texts[part] if isinstance(part, Placeholder) else part for part in parts)


def quoted(text: str) -> str:
    """A string literal of PromQL (it escapes as Go does)."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


def milliseconds(span: timedelta) -> int:
    """A span in whole milliseconds."""
    return span // timedelta(milliseconds=1)


def _escaped(character: str) -> str:
    if character in '\\"':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _literal(text: str) -> str:
    """A regular expression (RE2) that matches this text only."""
    return re.sub(r"[\\.+*?()|\[\]{}^$]", lambda match: "\\" + match[0], text)


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise PromqlError(f"cannot be read as PromQL from {text[at : at + 30]!r} on")
        at = match.end()
        assert match.lastgroup is not None
        if match.lastgroup != "space":
            yield _Token(match.lastgroup, match[0], match.start(), match.end())


def _check_nesting(tokens: list[_Token]) -> None:
    awaited: list[str] = []
    for token in tokens:
        if token.kind == "mark" and token.text in _CLOSES:
            awaited.append(_CLOSES[token.text])
        elif token.kind == "mark" and token.text in _CLOSES.values() and (not awaited or awaited.pop() != token.text):
            raise PromqlError(f"{token.text!r} at character {token.start + 1} closes nothing")
    if awaited:
        raise PromqlError(f"{awaited[-1]!r} is missing")


def _check_placeholders(tokens: list[_Token]) -> None:
    depth = 0
    for number, token in enumerate(tokens):
        depth += {"{": 1, "}": -1}.get(token.text, 0) if token.kind == "mark" else 0
        if token.kind != "placeholder":
            continue
        if token.text == Placeholder.PERIOD.value:
            raise PromqlError("$period is the length of a range: load[$period]")
        if token.text != Placeholder.TARGETS.value:
            raise PromqlError(f"{token.text} is not known; there are $targets and $period")
        if not depth or tokens[number - 1].text != "=~":
            raise PromqlError("$targets stands in a selector after =~, without quotes: load{group=~$targets}")


def _selectors(text: str, tokens: list[_Token], period_milliseconds: int) -> Iterator[Selector]:
    whole_reaches_back = any(token.kind == "bracket" and ":" in token.text for token in tokens)
    at = 0
    while at < len(tokens):
        first, at = at, _after_selector(tokens, at)
        if at == first:
            at = _after_word(tokens, at)
            continue
        start, end = tokens[first].start, tokens[at - 1].end
        length = _range(text[start:end], tokens[at] if at < len(tokens) else None)
        at += 1
        yield Selector(
            parts=_parts(text[start:end]),
            reaches_back=whole_reaches_back or length > period_milliseconds,
            elsewhen=at < len(tokens) and (tokens[at].text == "@" or tokens[at].text.lower() == "offset"),
        )


def _after_selector(tokens: list[_Token], at: int) -> int:
    """Where the selector that begins here ends; ``at`` itself when none does."""
    token, following = tokens[at], tokens[at + 1].text.lower() if at + 1 < len(tokens) else ""
    if token.text == "{" and token.kind == "mark":
        return _closing(tokens, at) + 1
    if token.kind != "name" or token.text.lower() in _WORDS or following in ("(", "by", "without"):
        return at
    return _closing(tokens, at + 1) + 1 if following == "{" else at + 1


def _after_word(tokens: list[_Token], at: int) -> int:
    """The next token to look at: what stands in a list of labels is no selector."""
    listed = tokens[at].kind == "name" and tokens[at].text.lower() in _LABEL_LISTS
    if listed and at + 1 < len(tokens) and tokens[at + 1].text == "(":
        return _closing(tokens, at + 1) + 1
    return at + 1


def _closing(tokens: list[_Token], at: int) -> int:
    depth = 0
    for number in range(at, len(tokens)):
        if tokens[number].kind == "mark":
            depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(tokens[number].text, 0)
        if depth == 0:
            return number
    raise AssertionError("nesting was checked")


def _range(selector: str, following: _Token | None) -> int:
    """The length of a selector's range in milliseconds; 0 for ``$period``."""
    match = _RANGE.fullmatch(following.text) if following is not None and following.kind == "bracket" else None
    if match is None:
        raise PromqlError(
            f"{selector} has no range, so Prometheus answers with samples up to five minutes old, and what is dead "
            f"looks alive; write last_over_time({selector}[$period]), or another function over a range"
        )
    return _length(match["length"]) if match["length"] else 0


def _length(duration: str) -> int:
    return sum(int(amount) * _MILLISECONDS[unit] for amount, unit in _DURATION.findall(duration))


def _parts(text: str) -> Parts:
    """A text cut at its placeholders; those in strings are text."""
    parts: list[str | Placeholder] = [""]
    for token in _TOKEN.finditer(text):
        found = (
            re.split(r"(\$targets|\$period)", token[0]) if token.lastgroup in ("placeholder", "bracket") else [token[0]]
        )
        for piece in found:
            if piece in (Placeholder.TARGETS.value, Placeholder.PERIOD.value):
                parts += [Placeholder(piece), ""]
            else:
                parts[-1] = f"{parts[-1]}{piece}"
    return tuple(part for part in parts if part)
