"""Text from outside, made fit for a line of a person's screen. The text stays data: nothing is interpreted."""

from __future__ import annotations

from pydantic import ValidationError

_SHOWN_PROBLEMS = 20


def one_line(text: str, limit: int = 1000) -> str:
    """The text on one line, shortened to ``limit`` characters with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def shown(value: object, limit: int = 80) -> str:
    """A value as it came, quoted and shortened, for an error message."""
    return one_line(repr(value), limit)


def problems(error: ValidationError) -> str:
    """Every problem of a validation: path, value, what is wrong."""
    found = error.errors(include_url=False, include_context=False)
    lines = [_problem(one["loc"], one["type"], one["input"], one["msg"]) for one in found[:_SHOWN_PROBLEMS]]
    if len(found) > _SHOWN_PROBLEMS:
        lines.append(f"and {len(found) - _SHOWN_PROBLEMS} more")
    return "; ".join(lines)


def _problem(loc: tuple[int | str, ...], kind: str, value: object, message: str) -> str:
    path = ".".join(one_line(str(step), 80) for step in loc) or "message"
    if kind == "missing":
        return f"{path}: missing"
    if kind == "extra_forbidden":
        return f"{path}: unknown key"
    return f"{path}: {shown(value)}: {message}"
