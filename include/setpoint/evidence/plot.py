"""One series as an SVG: its points, the ones that broke a check marked, the gaps shaded, the allowed range drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from setpoint.evidence.html import Html, element

WIDTH, HEIGHT = 720, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 30, 28
_LONGEST_TITLE = 70
"""Characters of a title that fit above a plot; the whole of it appears when a pointer rests on it."""
MOST_POINTS = 2_000
"""Points of one series that are drawn; of more, every n-th, and all that are marked."""

_HIGHEST = 8e307
"""The end of every scale: the distance of two ends, with some room, is still a number."""

Point = tuple[datetime, float]


@dataclass(frozen=True)
class Series:
    """What is drawn of one series."""

    title: str
    points: Sequence[Point]
    """The rows of the batch in their order, also those that are no number; times are aware."""
    marked: frozenset[datetime]
    """The times of the points that broke a check."""
    start: datetime
    end: datetime
    """The window asked for."""
    period: timedelta
    allowed: tuple[float, float] | None = None
    """The lowest and the highest value there can be, where the policy says so."""
    unit: str = ""


def plot(series: Series) -> Html:
    """The SVG of one series. It holds no script and refers to nothing outside."""
    drawing = _Drawing(series)
    return element(
        "svg",
        element("title", series.title),
        element("text", _title(series), x=_LEFT, y=18, class_="title"),
        *drawing.gaps(),
        *drawing.frame(),
        *drawing.allowed(),
        *drawing.line(),
        *drawing.marks(),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        class_="plot",
    )


def stacked(plots: Sequence[Html], style: str) -> Html:
    """Several plots below one another as one SVG that stands by itself, for a file."""
    placed = [element("g", one, transform=f"translate(0 {index * HEIGHT})") for index, one in enumerate(plots)]
    height = max(1, len(plots)) * HEIGHT
    # Nested without a size of their own, plots would each take the whole picture.
    sized = [Html(one.replace("<svg ", f'<svg width="{WIDTH}" height="{HEIGHT}" ', 1)) for one in placed]
    return element(
        "svg",
        element("style", Html(style)),
        element("rect", width=WIDTH, height=height, fill="#ffffff"),
        *sized,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height}",
        width=WIDTH,
        height=height,
    )


STYLE = (
    ".plot{width:100%;max-width:720px;background:#fff}"
    ".plot text,text{font:13px system-ui,sans-serif;fill:#334155}"
    ".plot .title,.title{font-weight:600;font-size:14px}"
    ".axis{stroke:#94a3b8;stroke-width:1}"
    ".grid{stroke:#e2e8f0;stroke-width:1}"
    ".gap{fill:#fde68a;opacity:.55}"
    ".limit{stroke:#b45309;stroke-width:1;stroke-dasharray:5 4}"
    ".curve{fill:none;stroke:#2563eb;stroke-width:1.5}"
    ".point{fill:#2563eb}"
    ".marked{fill:#fff;stroke:#dc2626;stroke-width:2}"
)
"""The look of plots, for a page's stylesheet."""


class _Drawing:
    def __init__(self, series: Series) -> None:
        self._series = series
        times = [moment for moment, _ in series.points]
        self._start, self._end = min([series.start, *times]), max([series.end, *times])
        self._low, self._high = _scale(series)

    def _x(self, moment: datetime) -> float:
        share = (moment - self._start) / (self._end - self._start)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def _y(self, value: float) -> float:
        share = (min(max(value, self._low), self._high) - self._low) / (self._high - self._low)
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)

    def frame(self) -> list[Html]:
        bottom = HEIGHT - _BOTTOM
        middle = self._low + (self._high - self._low) / 2
        last = f"{self._end:%T} UTC" if self._end.date() == self._start.date() else f"{self._end:%F %T} UTC"
        lines = [
            element("line", x1=_LEFT, y1=at, x2=WIDTH - _RIGHT, y2=at, class_="grid")
            for at in (_TOP, round((_TOP + bottom) / 2, 1))
        ]
        return [
            *lines,
            element("line", x1=_LEFT, y1=_TOP, x2=_LEFT, y2=bottom, class_="axis"),
            element("line", x1=_LEFT, y1=bottom, x2=WIDTH - _RIGHT, y2=bottom, class_="axis"),
            _text(f"{self._high:.5g}", _LEFT - 6, _TOP + 5, "end"),
            _text(f"{middle:.5g}", _LEFT - 6, (_TOP + bottom) / 2 + 4, "end"),
            _text(f"{self._low:.5g}", _LEFT - 6, bottom, "end"),
            _text(f"{self._start:%F %T} UTC", _LEFT, HEIGHT - 8, "start"),
            _text(last, WIDTH - _RIGHT, HEIGHT - 8, "end"),
        ]

    def allowed(self) -> list[Html]:
        limits = [one for one in self._series.allowed or () if self._low <= one <= self._high]
        return [
            element("line", x1=_LEFT, y1=self._y(one), x2=WIDTH - _RIGHT, y2=self._y(one), class_="limit")
            for one in limits
        ]

    def gaps(self) -> list[Html]:
        """Where more than a period and a half has no point, the ends of the window included."""
        inside = sorted(at for at, value in self._series.points if math.isfinite(value))
        inside = [at for at in inside if self._series.start <= at < self._series.end]
        # A point stands at the beginning of its period.
        edges = [self._series.start - self._series.period, *inside, self._series.end]
        shaded = []
        for before, after in pairwise(edges):
            if after - before > 1.5 * self._series.period:
                left, right = self._x(max(before + self._series.period, self._start)), self._x(after)
                size = {"width": round(max(0.0, right - left), 1), "height": HEIGHT - _TOP - _BOTTOM}
                shaded.append(element("rect", x=left, y=_TOP, class_="gap", **size))
        return shaded

    def line(self) -> list[Html]:
        drawn = _thinned(self._series)
        parts: list[list[Point]] = [[]]
        for before, after in pairwise([None, *drawn]):
            if before is not None and after is not None and after[0] - before[0] > 1.5 * self._series.period:
                parts.append([])
            if after is not None:
                parts[-1].append(after)
        curves = [
            element(
                "polyline", points=" ".join(f"{self._x(at)},{self._y(value)}" for at, value in part), class_="curve"
            )
            for part in parts
            if len(part) > 1
        ]
        dots = [
            element("circle", cx=self._x(at), cy=self._y(value), r=1.8, class_="point")
            for at, value in drawn
            if len(drawn) <= 200 or at in self._series.marked
        ]
        return curves + dots

    def marks(self) -> list[Html]:
        """A ring round each point that broke a check; one that is no number stands on the upper edge."""
        marked = [(at, value) for at, value in self._series.points if at in self._series.marked]
        return [
            element(
                "circle",
                element("title", f"{at:%F %T} UTC: {value:g}"),
                cx=self._x(at),
                cy=self._y(value) if math.isfinite(value) else _TOP,
                r=4,
                class_="marked",
            )
            for at, value in marked[:MOST_POINTS]
        ]


def _scale(series: Series) -> tuple[float, float]:
    values = [value for _, value in series.points if math.isfinite(value)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low == high and series.allowed is not None:  # a flat line: where it lies is told by where it could lie
        low, high = min(low, *series.allowed), max(high, *series.allowed)
    for limit in series.allowed or ():
        # A limit that is far off would press the curve flat.
        if low - 2 * (high - low) <= limit <= high + 2 * (high - low):
            low, high = min(low, limit), max(high, limit)
    low, high = (min(max(one, -_HIGHEST), _HIGHEST) for one in (low, high))
    if high - low <= abs(high) * 1e-12:
        pad = max(1.0, abs(high) * 0.1)
        return low - pad, high + pad
    return low, high


def _thinned(series: Series) -> list[Point]:
    finite = sorted(one for one in series.points if math.isfinite(one[1]))
    step = -(-len(finite) // MOST_POINTS) or 1
    return [one for index, one in enumerate(finite) if index % step == 0 or one[0] in series.marked]


def _title(series: Series) -> str:
    title = series.title if len(series.title) <= _LONGEST_TITLE else f"{series.title[:_LONGEST_TITLE]}…"
    return f"{title} ({series.unit})" if series.unit else title


def _text(words: str, x: float, y: float, anchor: str) -> Html:
    return element("text", words, x=x, y=y, text_anchor=anchor)
