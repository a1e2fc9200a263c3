"""Which objects a pattern means, listed folder by folder through fsspec, page by page as the storage gives them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

MOST_LISTED = 200_000
"""Names a fetch looks through at most."""


class TooManyError(Exception):
    """A listing holds more names than are looked through."""


@dataclass(frozen=True)
class Found:
    """An object as it was listed. No pydantic model: there may be many."""

    path: str
    name: str
    """Its path under the metric's ``url``."""
    size_bytes: int
    changed_at: datetime | None
    """When it was written; ``None`` where the storage does not say."""
    version: tuple[str, ...]
    """Whatever changes with its content: ETag, generation, size, time."""


class Listing:
    """Lists objects; each folder once.

    :param fs: an fsspec filesystem.
    :param go_on: asked before each call; it raises when there is no use in going on.
    """

    def __init__(self, fs: Any, go_on: Callable[[], None]) -> None:
        self._fs, self._go_on = fs, go_on
        self._folders: dict[str, list[dict[str, Any]]] = {}
        self._listed = 0

    def find(self, root: str, patterns: Sequence[str]) -> list[Found]:
        """The objects under a folder that match any of some patterns, each once, by name.

        Names that begin with a dot or an underscore (``_SUCCESS``, ``_temporary``, ``.part``) are what writers leave
        beside their data; only a pattern that begins so matches them.

        :param root: the folder, as the filesystem writes it.
        :raises TooManyError: there are more than :data:`MOST_LISTED` names.
        :raises OSError: the storage could not be listed. A folder that is not there is empty.
        """
        found = {one.path: one for pattern in patterns for one in self._under(root, "", tuple(pattern.split("/")))}
        return sorted(found.values(), key=lambda one: one.name)

    def _under(self, folder: str, below: str, parts: tuple[str, ...]) -> Iterator[Found]:
        head, rest = parts[0], parts[1:]
        if rest and head != "**" and not _is_wild(head):
            yield from self._under(f"{folder}/{head}", f"{below}{head}/", rest)
            return
        if head == "**":
            yield from self._under(folder, below, rest)
        shape = _shape("*" if head == "**" else head)
        for entry in self._entries(folder):
            name = str(entry["name"]).rstrip("/").rpartition("/")[2]
            if not name or not shape.fullmatch(name):
                continue
            if entry["type"] == "directory" and rest:
                yield from self._under(f"{folder}/{name}", f"{below}{name}/", parts if head == "**" else rest)
            elif entry["type"] == "file" and not rest:
                yield found_of(entry, f"{below}{name}")

    def _entries(self, folder: str) -> list[dict[str, Any]]:
        if folder not in self._folders:
            self._go_on()
            try:
                # refresh: a filesystem is kept for the life of a process, and so is what it once listed.
                entries = list(self._fs.ls(folder, detail=True, refresh=True))
            except (FileNotFoundError, NotADirectoryError):
                entries = []
            self._listed += len(entries)
            if self._listed > MOST_LISTED:
                raise TooManyError(f"there are more than {MOST_LISTED} names under {folder}")
            self._folders[folder] = entries
        return self._folders[folder]


def _is_wild(part: str) -> bool:
    return "*" in part or "?" in part


def _shape(part: str) -> re.Pattern[str]:
    wild = {"*": "[^/]*", "?": "[^/]"}
    visible = "" if part[0] in "._" else "(?![._])"
    return re.compile(visible + "".join(wild.get(letter, re.escape(letter)) for letter in part), re.DOTALL)


def found_of(info: dict[str, Any], name: str) -> Found:
    """An object as fsspec describes it."""
    changed = info.get("LastModified") or info.get("mtime") or info.get("last_modified") or info.get("updated")
    # One mark of the content is better than its time, which a listing and a look may round differently.
    marks = [str(info[mark]) for mark in ("ETag", "etag", "generation", "content_md5") if info.get(mark)]
    return Found(
        path=str(info["name"]),
        name=name,
        size_bytes=int(info.get("size") or 0),
        changed_at=_moment(changed),
        version=(str(info.get("size")), *(marks or (str(changed), str(info.get("ino"))))),
    )


def _moment(changed: Any) -> datetime | None:
    if isinstance(changed, (int, float)):
        return datetime.fromtimestamp(changed, tz=UTC)
    if isinstance(changed, str):
        try:
            changed = datetime.fromisoformat(changed)
        except ValueError:
            return None
    return changed if isinstance(changed, datetime) and changed.tzinfo else None
