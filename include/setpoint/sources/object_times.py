"""Times in the names of folders and objects: which names there may be for a span of time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

_STEPS = (
    ("%M", timedelta(minutes=1)),
    ("%H", timedelta(hours=1)),
    ("%d", timedelta(days=1)),
    ("%m", timedelta(days=1)),
    ("%Y", timedelta(days=1)),
)


def step_of(pattern: str) -> timedelta | None:
    """How far apart two names of a pattern are at least; ``None`` when it has no times."""
    return next((step for part, step in _STEPS if part in pattern), None)


def times_in(pattern: str, first: datetime, last: datetime) -> tuple[str, ...]:
    """A pattern with its ``%Y %m %d %H %M`` replaced, in UTC, by each time from ``first`` to ``last``; each once."""
    step = step_of(pattern)
    if step is None:
        return (pattern,)
    return tuple(dict.fromkeys(_filled(pattern, moment) for moment in _moments(first, last, step)))


def _moments(first: datetime, last: datetime, step: timedelta) -> Iterator[datetime]:
    seconds = step.total_seconds()
    moment = datetime.fromtimestamp(first.timestamp() // seconds * seconds, tz=UTC)
    while moment <= last:
        yield moment
        moment += step


def _filled(pattern: str, moment: datetime) -> str:
    # Not strftime: the platform's %Y does not pad, and a policy's text is no format string.
    parts = {"%Y": f"{moment.year:04}", "%m": f"{moment.month:02}", "%d": f"{moment.day:02}"}
    parts |= {"%H": f"{moment.hour:02}", "%M": f"{moment.minute:02}"}
    for part, text in parts.items():
        pattern = pattern.replace(part, text)
    return pattern
