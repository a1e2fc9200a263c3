"""A fleet in memory that behaves as a provider does, metrics a test decides, a clock it moves, and a real ledger."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from setpoint.ledger import Ledger, migrate
from setpoint.model import (
    Action,
    Activity,
    ApplyResult,
    Change,
    ChangeState,
    Completeness,
    Operation,
    PlannedChange,
    Reason,
    SeriesStatus,
    TargetHealth,
    TargetState,
)
from setpoint.policy.schema import Policy
from setpoint.sources.batches import BatchStore
from setpoint.sources.contract import Fetched
from setpoint.sources.frame import long_frame
from setpoint.steps.patience import Patience
from setpoint.targets.checks import refusal
from setpoint.targets.contract import Permit, TargetError
from setpoint.testing.ledgers import begin_change, finish_change
from setpoint.testing.values import NOW, a_planned_change, a_policy, a_state

sys.path.insert(0, str(Path(__file__).parent))  # the helper module beside the tests


class Moment:
    """A clock that stands still until it is moved; it can be made to kill the process that asks."""

    def __init__(self) -> None:
        self.now = NOW
        self.dies: Exception | None = None

    def __call__(self) -> datetime:
        if self.dies is not None:
            death, self.dies = self.dies, None
            raise death
        return self.now

    def pass_(self, **duration: float) -> None:
        """Let time pass."""
        self.now += timedelta(**duration)


@dataclass
class MemoryReader:
    """Reads the fleet; there is no way to change it from here."""

    clock: Moment
    desired: dict[str, int] = field(default_factory=dict)
    in_service: dict[str, int] = field(default_factory=dict)
    """Where it is not what is desired."""
    pending: dict[str, int] = field(default_factory=dict)
    operations: tuple[Operation, ...] = ()
    activities: tuple[Activity, ...] = ()
    unreadable: TargetError | None = None
    unit = "instance"

    def find(self, config: Any) -> tuple[str, ...]:
        self._fail()
        missing = sorted(set(config.names()) - self.desired.keys())
        if missing:
            raise TargetError(f"no group named {missing}", code="target_missing", retryable=False)
        return tuple(sorted(config.names()))

    def read(self, targets: Sequence[str], *, operations: bool = True) -> Mapping[str, TargetState]:
        self._fail()
        return {name: self._state(name) for name in targets if name in self.desired}

    def health(self, target: str, since: datetime) -> TargetHealth:
        self._fail()
        if target not in self.desired:
            raise TargetError(f"{target} does not exist (any more)", code="target_missing", retryable=False)
        units = self._state(target).in_service_units
        return TargetHealth(target=target, in_service_units=units, unhealthy_units=0, activities=self.activities)

    def settled(self, change: PlannedChange, state: TargetState) -> bool:
        if change.action is Action.SCALE_IN:
            return state.in_service_units <= change.to_units
        return state.in_service_units >= change.to_units

    def _state(self, name: str) -> TargetState:
        return a_state(
            name,
            self.desired[name],
            in_service_units=self.in_service.get(name, self.desired[name]),
            pending_units=self.pending.get(name, 0),
            operations=self.operations,
            read_at=self.clock.now,
        )

    def _fail(self) -> None:
        if self.unreadable is not None:
            raise self.unreadable


@dataclass
class MemoryTarget(MemoryReader):
    """Reads and changes the fleet. ``at_call`` happens before the call has an effect, ``after_call`` behind it."""

    effective_calls: list[PlannedChange] = field(default_factory=list)
    at_call: list[Callable[[PlannedChange], None]] = field(default_factory=list)
    after_call: list[Callable[[PlannedChange], None]] = field(default_factory=list)

    def apply(self, change: PlannedChange, permit: Permit) -> ApplyResult:
        before = self.read([change.target]).get(change.target)
        said_no = refusal(change, before)
        if said_no is not None:
            return said_no
        assert before is not None
        why_not = permit(before)
        if why_not is not None:
            return ApplyResult(state=ChangeState.REFUSED, reason=why_not, before=before)
        if self.at_call:
            self.at_call.pop(0)(change)
        self.desired[change.target] = change.to_units
        self.effective_calls.append(change)
        if self.after_call:
            self.after_call.pop(0)(change)
        reason = Reason.of("applied", f"{change.target} now wants {change.to_units}")
        return ApplyResult(state=ChangeState.APPLIED, reason=reason, before=before, after_desired_units=change.to_units)


@dataclass
class Numbers:
    """A metric source: every series is what ``value`` says of each moment."""

    value: Callable[[datetime], float] = lambda at: 50.0
    silent: bool = False
    error: Exception | None = None

    def fetch(self, metrics: Mapping[str, Any], targets: Sequence[str], now: datetime) -> Fetched:
        if self.error is not None:
            raise self.error
        pairs = [(target, name, config) for name, config in metrics.items() for target in targets]
        points = [[] if self.silent else _moments(config, now) for _, _, config in pairs]
        flat = [at for series in points for at in series]
        return Fetched(
            frame=long_frame(
                microseconds=np.array([round(at.timestamp() * 1e6) for at in flat], dtype=np.int64),
                targets=[target for target, _, _ in pairs],
                metrics=[name for _, name, _ in pairs],
                counts=[len(series) for series in points],
                values=np.array([self.value(at) for at in flat], dtype=np.float64),
            ),
            series=tuple(
                SeriesStatus(
                    target=target,
                    metric=name,
                    status=Completeness.COMPLETE,
                    points=len(series),
                    expected_points=config.expected_points,
                    period_seconds=config.period_seconds,
                )
                for (target, name, config), series in zip(pairs, points, strict=True)
            ),
            units={name: config.unit for name, config in metrics.items()},
        )


def _moments(config: Any, now: datetime) -> list[datetime]:
    window = config.window_at(now)
    return [window.start + number * config.period for number in range(config.expected_points)]


@pytest.fixture
def clock() -> Moment:
    """The present."""
    return Moment()


@pytest.fixture
def patience(clock: Moment) -> Patience:
    """Waits by the test's clock, each time as long as it may."""
    return Patience(pause=lambda seconds: clock.pass_(seconds=seconds), draw=lambda: 1.0)


@pytest.fixture
def target(clock: Moment) -> MemoryTarget:
    """Two groups of four."""
    return MemoryTarget(clock, {"web-1": 4, "web-2": 4})


@pytest.fixture
def numbers() -> Numbers:
    """All is well: 50 % CPU."""
    return Numbers()


@pytest.fixture
def store(tmp_path: Path) -> BatchStore:
    """Where batches lie."""
    return BatchStore(tmp_path / "batches")


@pytest.fixture
def policy() -> Policy:
    """A policy of both groups: 2 to 10 units, judged five minutes after a change."""
    return a_policy()


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A migrated SQLite ledger."""
    path = tmp_path_factory.mktemp("ledger") / "template.db"
    migrate(f"sqlite:///{path}")
    return path.read_bytes()


@pytest.fixture
def ledger(empty_ledger: bytes, tmp_path: Path, clock: Moment) -> Iterator[Ledger]:
    """An open, empty ledger by the test's clock."""
    (tmp_path / "ledger.db").write_bytes(empty_ledger)
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: clock.now) as opened:
        yield opened


@pytest.fixture
def done(ledger: Ledger, target: MemoryTarget, clock: Moment) -> Callable[..., Change]:
    """Makes a change that took effect: ``done("web-1", 4, 6, minutes_ago=60)``; settled unless told otherwise."""

    def make(
        name: str = "web-1",
        before: int = 4,
        after: int = 6,
        *,
        minutes_ago: float = 60,
        settled: bool = True,
        **fields: Any,
    ) -> Change:
        at = clock.now - timedelta(minutes=minutes_ago)
        planned = a_planned_change(name, before, after, **fields)
        begin_change(ledger, planned, at)
        accepted = ApplyResult(state=ChangeState.APPLIED, reason=Reason.of("applied", "accepted"))
        change = finish_change(ledger, planned.change_id, accepted, at)
        target.desired[name] = after
        if settled:
            change = ledger.settle_change(planned.change_id, Reason.of("in_service", "all in service"), at)
        return change

    return make
