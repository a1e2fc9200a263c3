"""A contradiction between two places of a policy."""

from __future__ import annotations

from dataclasses import dataclass

from setpoint.policy.yaml_text import Path


@dataclass(frozen=True)
class Finding:
    """A contradiction between two places of a policy. ``value`` is ``None`` where the value at ``path`` is meant."""

    path: Path
    message: str
    allowed: str = ""
    suggestion: str = ""
    value: str | None = None
