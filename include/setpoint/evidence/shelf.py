"""What lies on the shelf: the store's batches, found by the first letters of their id, and what lies beside them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from setpoint.evidence.case import Case
from setpoint.model import QualityReport
from setpoint.model.base import Value
from setpoint.sources.batches import BatchError, BatchStore, StoredFile

V = TypeVar("V", bound=Value)

LARGEST_TEXT = 200_000_000
"""Bytes of a report or case that are read; a fleet of 10,000 targets has a report of 50 MB."""

LARGEST_LISTED = 1_000_000
"""Bytes of a case that is read for its line in a list."""

_ID = re.compile(r"[0-9a-f]{4,32}")


@dataclass
class Shelved:
    """One batch of the store, in quarantine or not, with the files that are there."""

    policy: str
    """The name of its folder: the policy's."""
    batch_id: str
    pulled_at: datetime
    quarantined: bool
    paths: dict[str, Path] = field(default_factory=dict)
    """By kind: ``parquet``, ``report.json``, ``case.json``, ``page.html``."""
    size_bytes: int = 0

    def case(self) -> Case | None:
        """The case; ``None`` when there is none, as before it was written or for a batch that is not in quarantine.

        :raises BatchError: it cannot be read.
        """
        return self._read("case.json", Case)

    def report(self) -> QualityReport | None:
        """The gate's report in quarantine; ``None`` when it is not there.

        :raises BatchError: it cannot be read.
        """
        return self._read("report.json", QualityReport)

    def why(self, largest: int = LARGEST_LISTED) -> str:
        """The first reason of the case, for a list; empty when there is no case, or a very large one.

        :raises BatchError: it cannot be read.
        """
        path = self.paths.get("case.json")
        if path is None or _size(path) > largest:
            return ""
        case = self.case()
        return case.why[0] if case is not None and case.why else ""

    def page(self, largest: int = 20_000_000) -> bytes | None:
        """The page, if it was built. Never what a link points at.

        :raises BatchError: it cannot be read.
        """
        path = self.paths.get("page.html")
        return None if path is None else _content(path, largest)

    def _read(self, kind: str, model: type[V]) -> V | None:
        path = self.paths.get(kind)
        if path is None:
            return None
        content = _content(path, LARGEST_TEXT)
        if content is None:
            return None
        try:
            return model.model_validate_json(content)
        except ValidationError as error:
            raise BatchError(
                f"{path} is no {model.__name__} of this version: {error.error_count()} problems, the first: "
                f"{error.errors()[0]['msg']}. It was written by another version of Setpoint, or altered"
            ) from error


def on_the_shelf(store: BatchStore, policy: str | None = None, *, only_quarantined: bool = False) -> list[Shelved]:
    """The store's batches, newest first; one that is in quarantine is there once, as such.

    :raises BatchError: a folder cannot be listed.
    """
    if policy is not None:
        return _grouped((policy, one) for one in store.files_of(policy, only_quarantined=only_quarantined))
    everything = ((_folder(one), one) for one in store.files() if one.quarantined or not only_quarantined)
    return _grouped(everything)


def find(store: BatchStore, reference: str, policy: str | None = None) -> list[Shelved]:
    """The batches whose id begins so; none for what cannot be the beginning of an id.

    :param reference: at least four letters of the id.
    """
    if not _ID.fullmatch(reference):
        return []
    return [one for one in on_the_shelf(store, policy) if one.batch_id.startswith(reference)]


def _grouped(files: Iterable[tuple[str, StoredFile]]) -> list[Shelved]:
    shelved: dict[tuple[str, str], Shelved] = {}
    for policy, one in files:
        batch_id = one.stem.rpartition("-")[2]
        kept = shelved.get((policy, batch_id))
        if kept is None or (one.quarantined and not kept.quarantined):
            kept = shelved[policy, batch_id] = Shelved(policy, batch_id, one.pulled_at, one.quarantined)
        if one.quarantined == kept.quarantined:
            kept.paths[os.path.basename(one.path).partition(".")[2]] = Path(one.path)
            kept.size_bytes += one.size_bytes
    return sorted(shelved.values(), key=lambda one: (one.pulled_at, one.batch_id), reverse=True)


def _folder(one: StoredFile) -> str:
    folder = Path(one.path).parent
    return folder.parent.name if one.quarantined else folder.name


def _size(path: Path) -> int:
    try:
        return path.stat(follow_symlinks=False).st_size
    except OSError:
        return 0  # pruned a moment ago; reading it says what else there is to say


def _content(path: Path, largest: int) -> bytes | None:
    try:
        # What is read here is shown to people: nothing that somebody has put a link to in its place.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(largest + 1)
    except FileNotFoundError:
        return None  # pruned a moment ago
    except OSError as error:
        raise BatchError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > largest:
        raise BatchError(f"{path} has more than {largest} bytes, and is not read")
    return content
