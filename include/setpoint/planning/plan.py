"""The decisions of one run that change something, as one plan; and the plan in portions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from pydantic import Field

from setpoint.model import Action, Decision, Plan, PlannedChange, plan_hash
from setpoint.model.base import Name, UtcDatetime, Value, digest
from setpoint.policy.schema import Policy

MAX_CHUNKS = 16
"""Chunks per direction. Airflow maps one task over each; past this the scheduler costs more than it spreads."""


def make_plan(policy: Policy, run_id: str, decisions: Sequence[Decision], created_at: datetime, ttl: timedelta) -> Plan:
    """The plan that carries out one run's decisions: sorted by target, empty when nothing changes.

    The same decisions of the same run give the same ``plan_id``, ``hash`` and change ids, whatever their order.

    :param ttl: how long the plan may wait to be carried out.
    :raises ValueError: two decisions about one target, or a decision of another run or policy. All of them are named.
    """
    twice = [target for target, count in Counter(one.target for one in decisions).items() if count > 1]
    foreign = [one.target for one in decisions if (one.policy, one.run_id) != (policy.name, run_id)]
    problems = [
        *(f"{target}: decided more than once in one run" for target in sorted(twice)),
        *(f"{target}: decided in another run than {run_id} of {policy.name}" for target in sorted(foreign)),
    ]
    if problems:
        raise ValueError(f"no plan: {'; '.join(problems)}")
    changing = sorted((one for one in decisions if one.action.changes), key=lambda one: one.target)
    changes = tuple(PlannedChange.of(one, policy.targets.scope) for one in changing)
    identity = plan_hash(changes)
    return Plan(
        plan_id=digest(policy.name, run_id, identity),
        policy=policy.name,
        run_id=run_id,
        changes=changes,
        units_delta=sum(one.to_units - one.from_units for one in changes),
        created_at=created_at,
        expires_at=created_at + ttl,
        hash=identity,
    )


class Chunk(Value):
    """A portion of a plan, all in one direction: what one mapped task carries out."""

    plan_id: Name
    direction: Action
    index: int = Field(ge=0)
    """Counted from 0 within its direction."""
    of: int = Field(ge=1)
    """How many chunks the direction has."""
    changes: tuple[PlannedChange, ...] = Field(min_length=1)
    expires_at: UtcDatetime

    @property
    def label(self) -> str:
        """The chunk in a few words, for the task's name in the Airflow UI."""
        if len(self.changes) > 1:
            return f"{self.changes[0].target} and {len(self.changes) - 1} more"
        (one,) = self.changes
        return f"{one.target} {one.from_units} → {one.to_units}"


def chunks(plan: Plan, max_chunks: int = MAX_CHUNKS) -> tuple[Chunk, ...]:
    """Split a plan by direction, scale-outs first, and each direction into chunks.

    Up to ``max_chunks`` changes each have their own chunk, and so their own task to watch and retry. More are spread
    evenly over ``max_chunks``: sizes differ by one at most. Every change is in exactly one chunk, in the plan's order.
    """
    if max_chunks < 1:
        raise ValueError(f"max_chunks is at least 1; got {max_chunks}")
    return tuple(
        Chunk(
            plan_id=plan.plan_id,
            direction=way,
            index=index,
            of=min(len(changes), max_chunks),
            changes=portion,
            expires_at=plan.expires_at,
        )
        for way in (Action.SCALE_OUT, Action.SCALE_IN)
        for changes in [tuple(one for one in plan.changes if one.action is way)]
        for index, portion in enumerate(_evenly(changes, max_chunks))
    )


def _evenly(changes: tuple[PlannedChange, ...], at_most: int) -> list[tuple[PlannedChange, ...]]:
    parts = min(len(changes), at_most)
    edges = [len(changes) * part // parts for part in range(parts + 1)] if parts else []
    return [changes[start:end] for start, end in pairwise(edges)]
