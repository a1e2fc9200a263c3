"""A copy of a policy's data in which mistakes can be put right, so that the ones behind them show too.

What is put right here is only ever looked at; a policy with a mistake is refused, whatever was probably meant.
"""

from __future__ import annotations

import copy
from typing import Any

from setpoint.policy.yaml_text import Document, Mark, Path


class Draft:
    """A document's data under repair, and the way back from the repaired paths to those of the file."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.data: Any = copy.deepcopy(document.data)
        self._names: dict[Path, str] = {}

    def original(self, path: Path) -> Path:
        """The path as the file has it."""
        return tuple(self._names.get(path[: index + 1], part) for index, part in enumerate(path))

    def place(self, path: Path) -> Mark:
        """Where in the file a path stands."""
        return self._document.place(self.original(path))

    def get(self, path: Path) -> Any:
        """What stands at a path; ``None`` when nothing does."""
        here = self.data
        for part in path:
            try:
                here = here[part]
            except (KeyError, IndexError, TypeError):
                return None
        return here

    def rename(self, path: Path, name: str) -> None:
        """Give the key at the end of a path another name."""
        section = self.get(path[:-1])
        section[name] = section.pop(path[-1])
        self._names[(*path[:-1], name)] = str(self.original(path)[-1])

    def drop(self, path: Path) -> None:
        """Take a key out of its section."""
        section = self.get(path[:-1])
        del section[path[-1]]

    def put(self, path: Path, value: Any) -> None:
        """Set a value."""
        self.get(path[:-1])[path[-1]] = value
