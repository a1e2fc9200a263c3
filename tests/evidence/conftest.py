"""A stored batch of a small fleet."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helper module beside the tests

from evidence_fleet import HOSTILE, PERIODS, Stored, clean, store_of


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Stored]:
    """Makes stored batches: ``make({"web-1": [50.0, None, ...]})``."""

    def make_one(fleet: dict[str, Any], **kwargs: Any) -> Stored:
        return store_of(tmp_path / "batches", fleet, **kwargs)

    return make_one


@pytest.fixture
def bad(make: Callable[..., Stored]) -> Stored:
    """One target is well, one reads zeros, one has a gap and a hostile name."""
    gap: list[float | None] = [*clean()[:3], None, None, None, None, *clean()[7:]]
    return make({"web-1": clean(), "web-2": [0.0] * PERIODS, HOSTILE: gap})
