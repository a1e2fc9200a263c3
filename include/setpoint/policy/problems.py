"""What is wrong with a policy file: where, which value, what is allowed, what was probably meant."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from setpoint.model.base import Value

SHOWN_CHARACTERS = 60
"""How much of an offending value is repeated in a message."""


class Problem(Value):
    """One mistake in one policy file. ``str()`` of it is one line for people."""

    file: Path
    line: int = Field(ge=1)
    """Counted from 1. Of a key that is missing: the line of the section it is missing in."""
    column: int = Field(ge=1)
    """Counted from 1, in characters."""
    path: str = ""
    """Where in the policy, such as ``scale.out.above``; empty for the file as a whole."""
    value: str = ""
    """The offending value as the file has it, shortened; empty when the mistake is that there is none."""
    message: str
    allowed: str = ""
    """What would be right."""
    suggestion: str = ""
    """What was probably meant."""

    def __str__(self) -> str:
        return f"{self.file.name}:{self.line}:{self.column} {self.text}"

    @property
    def text(self) -> str:
        """The problem without its place in the file system: path, value, message, what is allowed."""
        parts = [part for part in (self.path, self.value, self.message) if part]
        text = ": ".join(parts)
        if self.allowed:
            text += f"; allowed: {self.allowed}"
        return _on_one_line(f"{text}; did you mean {self.suggestion}?" if self.suggestion else text)


class PolicyError(Exception):
    """A policy file is refused, with every problem found in it.

    :param problems: at least one, in the order they stand in the file.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(tuple(problems))
        self.problems: tuple[Problem, ...] = tuple(problems)

    def __str__(self) -> str:
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        files = {problem.file for problem in self.problems}
        where = str(files.pop()) if len(files) == 1 else f"{len(files)} files"
        return f"{count} in {where}:\n{lines}"


def show(value: Any) -> str:
    """A value from a file the way a message repeats it: on one line, control characters visible, not too long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = _on_one_line(text)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def _on_one_line(text: str) -> str:
    """The text with line breaks and control characters written out: a file's text breaks no line and no terminal."""
    return "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in text)


def closest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, or an empty string."""
    plain = {one.lower().replace("-", "_"): one for one in known}
    matches = difflib.get_close_matches(word.lower().replace("-", "_"), plain, n=1)
    return plain[matches[0]] if matches else ""


def some(words: Sequence[str], most: int = 12) -> str:
    """The words with commas between them; of many, the first ones and how many more there are."""
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most} more"


def dotted(path: Iterable[str | int]) -> str:
    """A path as people write it: ``triggers.events[0].queue``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
