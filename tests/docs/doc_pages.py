"""The project's Markdown pages, and what is shown in them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: Path
    number: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)} block {self.number}"


def pages() -> list[Path]:
    """Every page: those at the root, and those under docs/."""
    return sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])


def blocks(language: str) -> list[Block]:
    """Every fenced block of a language, in all pages."""
    found = []
    for page in pages():
        for number, match in enumerate(_FENCE.finditer(page.read_text(encoding="utf-8"))):
            text = re.sub(rf"^{match[1]}", "", match[3], flags=re.MULTILINE)
            found.append(Block(page, number, match[2], text))
    return [block for block in found if block.language == language]


def commands(program: str) -> list[tuple[str, list[str]]]:
    """Every command line of a program that a console block shows: where, and its arguments."""
    found = []
    for block in blocks("console"):
        for line in block.text.splitlines():
            # A pipe, a redirection or a comment is the shell's business.
            for part in re.split(r" \| | > | {2,}# ", line.removeprefix("$ "))[:1]:
                words = shlex.split(part)
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    words.pop(0)
                if words[:3] == ["docker", "compose", "exec"]:
                    words = words[4:]
                if words and words[0].rpartition("/")[2] == program:
                    found.append((f"{block}: {line}", words[1:]))
    return found


def links(page: Path) -> list[str]:
    """The targets of a page's links, those in code left out."""
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(prose(page))}


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))
