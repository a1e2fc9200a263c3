"""Files that a page shows in full: ``<!-- file: path -->`` and a fenced block, which is made to hold the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from reference_pages.text import REPOSITORY

_SHOWN = re.compile(r"(<!-- file: (?P<path>[\w./-]+) -->\n```\w+\n)(?P<text>.*?)(^```$)", re.MULTILINE | re.DOTALL)


def showing_pages() -> Iterator[Path]:
    """The pages that show files."""
    for path in sorted((REPOSITORY / "docs").rglob("*.md")):
        if _SHOWN.search(path.read_text(encoding="utf-8")):
            yield path


def embedded(page: Path) -> str:
    """A page with each file it names as it is now.

    :raises OSError: a file is not there; its path counts from the page.
    """

    def shown(match: re.Match[str]) -> str:
        return f"{match[1]}{(page.parent / match['path']).read_text(encoding='utf-8')}{match[4]}"

    return _SHOWN.sub(shown, page.read_text(encoding="utf-8"))
