"""Messages as their senders document them: a folder a kind, a JSON file a message, as the queue delivers its body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def packaged(kind: str) -> Mapping[str, Mapping[str, Any]]:
    """The example messages of one of our own kinds, by their files' names.

    :raises LookupError: the kind has none.
    """
    files = sorted((Path(__file__).parent / kind).glob("*.json"))
    if not files:
        raise LookupError(f"there is no example message in {Path(__file__).parent / kind}")
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
