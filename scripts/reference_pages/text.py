"""Markdown, and what the pages have in common."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
NOTE = "<!-- Made from the code by `make docs` (scripts/reference.py); changes belong there. -->"
FIELD_HEAD = ("key", "form", "default", "meaning")


def markdown(docstring: str) -> str:
    """A docstring's reStructuredText as Markdown: literals, roles and literal blocks, which is all we use."""
    text = inspect.cleandoc(docstring)
    text = re.sub(r":\w+:`~?([^`]*?\.)?([^`.]+)`", r"`\2`", text)
    text = text.replace("``", "`")
    lines: list[str] = []
    block: list[str] | None = None
    for line in [*text.splitlines(), ""]:
        if block is None and line.rstrip().endswith("::"):
            if line.strip() != "::":
                lines.append(line.rstrip()[:-1])
            block = []
        elif block is None:
            lines.append(line)
        elif line.startswith("    ") or not line.strip():
            block.append(line)
        else:
            lines += _fenced(block)
            block = None
            lines.append(line)
    if block is not None:
        lines += _fenced(block)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _fenced(block: Sequence[str]) -> list[str]:
    return ["", "```text", inspect.cleandoc("\n" + "\n".join(block)), "```", ""]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; bars and line breaks in a cell are escaped."""
    lines = [_row(head), _row(["---"] * len(head))]
    return "\n".join([*lines, *(_row(row) for row in rows)])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in cells) + " |"


def page(*parts: str) -> str:
    """A page: the note, then its parts with an empty line between."""
    return "\n\n".join([NOTE, *(part.strip() for part in parts if part.strip())]) + "\n"


def doc(thing: Any) -> str:
    """A class's or module's own docstring as Markdown."""
    return markdown(thing.__doc__ or "")
