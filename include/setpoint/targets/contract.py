"""The contract of a target: the thing whose capacity changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Protocol

from pydantic import Field

from setpoint.model import ApplyResult, PlannedChange, Reason, TargetHealth, TargetState
from setpoint.model.base import Name, Value

Permit = Callable[[TargetState], Reason | None]
"""Asked right before the call that changes a target, with its state as read just now: why not, or ``None``.

What it raises (the right to change the target was lost to somebody else) is to be let through, and nothing is called.
"""


class TargetConfig(Value):
    """What every policy says of its targets. A target kind's ``Config`` adds how they are selected."""

    kind: str
    connection: str = Field(default="aws_default", min_length=1, description="the Airflow connection to use")
    region: str | None = Field(default=None, min_length=1, description="the region; the connection's own when left out")

    @property
    def scope(self) -> str:
        """What makes a target's name unique: its kind, and where it is. The ledger keeps targets by scope and name.

        Two policies that share a target must name its connection and region alike.
        """
        return f"{self.kind}@{self.connection}/{self.region or ''}"

    def names(self) -> tuple[Name, ...]:
        """The targets that the policy names itself; empty when they are found by their tags or the like."""
        return ()


class TargetError(Exception):
    """The provider could not be asked, or answered with an error.

    :param code: the provider's error code, such as ``AccessDenied``.
    :param retryable: whether the same call may succeed later.
    """

    def __init__(self, message: str, *, code: str, retryable: bool) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable

    def __reduce__(self) -> tuple[Any, ...]:
        return (_target_error, (str(self), self.code, self.retryable))


def _target_error(message: str, code: str, retryable: bool) -> TargetError:
    return TargetError(message, code=code, retryable=retryable)


class TargetReader(Protocol):
    """Reads targets. It holds a client without a mutating method, so a dry run cannot mutate: there is nothing to call.

    ``unit`` names one unit of capacity; ``read_permissions`` are the least privileges reading needs. ``service`` is the
    AWS service whose client it is built with (``AutoScalingGroupReader(client)``); with ``None`` it takes nothing.
    """

    service: ClassVar[str | None]
    unit: ClassVar[str]
    read_permissions: ClassVar[tuple[str, ...]]

    def find(self, config: Any) -> tuple[str, ...]:
        """The names of the targets a policy's section selects, sorted. A named one that is not there is an error.

        :raises TargetError: the provider could not be asked, or a named target does not exist.
        """
        ...

    def read(self, targets: Sequence[str], *, operations: bool = True) -> Mapping[str, TargetState]:
        """How targets stand, other operations in progress included. A target that does not exist is left out.

        :param operations: false leaves out operations that cost a call for each target to find out (an instance
            refresh), for a first look at a large fleet; what one call tells for many targets is always included.
        :raises TargetError: the provider could not be asked.
        """
        ...

    def health(self, target: str, since: datetime) -> TargetHealth:
        """What the provider says about a target since a moment: instance health, and what it did or failed to do."""
        ...

    def settled(self, change: PlannedChange, state: TargetState) -> bool:
        """Whether the capacity a change asked for is in service (or, scaling in, gone)."""
        ...


class Target(TargetReader, Protocol):
    """A reader that can also change. ``apply`` reads before it writes, so that a retry is a ``no_op``."""

    Config: ClassVar[type[TargetConfig]]
    Reader: ClassVar[type[Any]]
    """The reader a dry run gets instead of this class."""
    permissions: ClassVar[tuple[str, ...]]
    """The least privileges that reading and changing need."""

    def apply(self, change: PlannedChange, permit: Permit) -> ApplyResult:
        """Carry a change out: ``applied``, ``no_op``, ``refused`` or ``failed``; never raises for a provider's refusal.

        The live capacity is read first. At ``to_units`` already: ``no_op``. Neither there nor at ``from_units``:
        ``refused``, because somebody else moved it. Another operation in progress, or out of the provider's own bounds:
        ``refused``. After all that, and right before the call, ``permit`` is asked: a reason is a ``refused`` with that
        reason and the state as ``before``. The call is sent once; the caller retries, reading again.

        :param permit: asked exactly once for each call, with nothing slow between its answer and the call.
        :raises TargetError: with ``retryable`` true, when it is unknown whether the call arrived, or the error passes.
        """
        ...
