"""Writes ``docs/reference/``: pages made from the code, so that they cannot say anything else.

    python scripts/reference.py            write the pages
    python scripts/reference.py --check    status 1 when a page is not what the code says

``make docs`` writes them; ``tests/docs`` checks them. Whatever is registered stands in them without another line here.
Pages that show whole files (``<!-- file: path -->``) get these as they are now.
"""

import sys
from collections.abc import Callable, Mapping, Sequence

from reference_pages.cli import cli_page
from reference_pages.embed import embedded, showing_pages
from reference_pages.events import events_page
from reference_pages.permissions import permissions_page
from reference_pages.policy import policy_page
from reference_pages.reasons import reasons_page
from reference_pages.settings import settings_page
from reference_pages.text import REPOSITORY

FOLDER = REPOSITORY / "docs" / "reference"

PAGES: Mapping[str, Callable[[], str]] = {
    "policy.md": policy_page,
    "events.md": events_page,
    "reasons.md": reasons_page,
    "permissions.md": permissions_page,
    "settings.md": settings_page,
    "cli.md": cli_page,
}


def stale() -> list[str]:
    """The pages that are not what the code, or the files they show, say."""
    old = [
        FOLDER / name
        for name, make in PAGES.items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text(encoding="utf-8") != make()
    ]
    old += [page for page in showing_pages() if embedded(page) != page.read_text(encoding="utf-8")]
    return [page.relative_to(REPOSITORY).as_posix() for page in old]


def main(arguments: Sequence[str]) -> int:
    """Write or check the pages, and return the exit status."""
    if arguments == ["--check"]:
        old = stale()
        sys.stderr.write("".join(f"{name} is not what the code says; run make docs\n" for name in old))
        return 1 if old else 0
    if arguments:
        sys.stderr.write("usage: python scripts/reference.py [--check]\n")
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), encoding="utf-8")
        sys.stdout.write(f"docs/reference/{name}\n")
    for page in showing_pages():
        page.write_text(embedded(page), encoding="utf-8")
        sys.stdout.write(f"{page.relative_to(REPOSITORY).as_posix()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
