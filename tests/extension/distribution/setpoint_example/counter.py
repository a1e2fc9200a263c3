"""A target whose capacity is a number in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar, Literal

from setpoint.model import ApplyResult, ChangeState, PlannedChange, Reason, TargetHealth, TargetState
from setpoint.targets.checks import refusal
from setpoint.targets.contract import Permit, TargetConfig

CAPACITY = {"counter": 3}


class CounterConfig(TargetConfig):
    """``kind: example.counter``."""

    kind: Literal["example.counter"]


class CounterReader:
    """Reads the number."""

    unit: ClassVar[str] = "tick"
    read_permissions: ClassVar[tuple[str, ...]] = ()

    def find(self, config: CounterConfig) -> tuple[str, ...]:
        return tuple(CAPACITY)

    def read(self, targets: Sequence[str]) -> Mapping[str, TargetState]:
        return {
            name: TargetState(
                target=name,
                desired_units=CAPACITY[name],
                in_service_units=CAPACITY[name],
                min_units=0,
                max_units=100,
                unit=self.unit,
                read_at=datetime.now(UTC),
            )
            for name in targets
        }

    def health(self, target: str, since: datetime) -> TargetHealth:
        return TargetHealth(target=target, in_service_units=CAPACITY[target], unhealthy_units=0)

    def settled(self, change: PlannedChange, state: TargetState) -> bool:
        return state.in_service_units == change.to_units


class CounterTarget(CounterReader):
    """Reads and writes the number."""

    Config: ClassVar[type[CounterConfig]] = CounterConfig
    Reader: ClassVar[type[CounterReader]] = CounterReader
    service: ClassVar[str | None] = None
    permissions: ClassVar[tuple[str, ...]] = ()

    def apply(self, change: PlannedChange, permit: Permit) -> ApplyResult:
        before = self.read((change.target,)).get(change.target)
        said_no = refusal(change, before)
        if said_no is not None:
            return said_no
        why_not = permit(before)
        if why_not is not None:
            return ApplyResult(state=ChangeState.REFUSED, reason=why_not, before=before)
        CAPACITY[change.target] = change.to_units
        return ApplyResult(
            state=ChangeState.APPLIED,
            reason=Reason(code="applied", text=f"{change.target} counts to {change.to_units}"),
            after_desired_units=change.to_units,
        )
