"""Look at a target twice where one look would end a change: a provider's answer may be out of date, or just wrong."""

from __future__ import annotations

from setpoint.model import TargetState
from setpoint.targets.contract import TargetReader

LOOKS = 4
"""Looks at most. A capacity that differs every time is on the move; the last look then has to do."""


def look_again(reader: TargetReader, target: str, seen: TargetState | None) -> TargetState | None:
    """Read a target until two looks in a row agree on its desired capacity, ``seen`` being the first.

    :returns: the last look; ``None`` when the target does not exist.
    :raises TargetError: the provider could not be asked.
    """
    for _ in range(LOOKS - 1):
        before, seen = seen, reader.read([target]).get(target)
        if same_capacity(before, seen):
            break
    return seen


def same_capacity(one: TargetState | None, other: TargetState | None) -> bool:
    """Whether two looks agree: both say the same desired capacity, or that there is no such target."""
    return (one and one.desired_units) == (other and other.desired_units)
