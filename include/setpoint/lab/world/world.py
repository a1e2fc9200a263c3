"""The world tick: instances come and go, traffic arrives, metrics are published, alarms are evaluated."""

import random
from collections import deque
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from setpoint.lab.aws.environment import Environment
from setpoint.lab.aws.store import MetricKey, Sample
from setpoint.lab.config import FleetConfig
from setpoint.lab.faults import METRIC_FAULTS, Fault, FaultKind, FaultRequest
from setpoint.lab.world.metrics import DIMENSION, Datum, honest, with_faults
from setpoint.lab.world.physics import Reading, read
from setpoint.lab.world.state import FleetCapacity, FleetState
from setpoint.lab.world.traffic import LoadProgramme, Traffic


class Cloud(Protocol):
    """What the world needs of the practice AWS."""

    def progress(self) -> None:
        """Let time have its effect on all groups."""
        ...

    def capacity(self, group: str) -> FleetCapacity:
        """Return the instances and bounds of a group; `exists` is False when there is none of that name."""
        ...

    def publish(self, key: MetricKey, samples: Iterable[Sample]) -> None:
        """Store samples of a metric."""
        ...

    def evaluate_alarms(self) -> list[str]:
        """Evaluate all alarms; returns the names of those that changed their state."""
        ...

    def misreporting(self, group: str | None, units: int) -> AbstractContextManager[None]:
        """Have a group (or all) tell a desired capacity that is off by ``units``, while the block runs."""
        ...

    def reset(self) -> None:
        """Forget every resource."""
        ...


class World:
    """All that is simulated, behind the environment's lock."""

    def __init__(self, environment: Environment, cloud: Cloud) -> None:
        self.environment = environment
        self._config = environment.config
        self.cloud = cloud
        self._begin()

    def _begin(self) -> None:
        self._started_at = self.environment.clock.now()
        self._traffic = Traffic(self._config, self._started_at)
        self._published_slot = float("-inf")
        self._published: dict[str, list[Datum]] = {}
        self._series: deque[FleetState] = deque(maxlen=self._config.history_points * max(1, len(self._config.fleets)))
        self._dice = random.Random(self._config.seed)
        self.ticks = 0

    def tick(self) -> list[FleetState]:
        """Take one step at the clock's time; returns the new state of every fleet."""
        with self.environment.lock:
            now = self.environment.clock.now()
            self.cloud.progress()
            states = [self._tick_fleet(fleet, now) for fleet in self._config.fleets]
            self._series.extend(states)
            self._published_slot = self._slot(now)
            self.cloud.evaluate_alarms()
            self.ticks += 1
            return states

    def state(self) -> list[FleetState]:
        """Return every fleet as it is at this moment, without a tick."""
        with self.environment.lock:
            now = self.environment.clock.now()
            return [self._state(fleet, self._reading(fleet, now), now) for fleet in self._config.fleets]

    def series(self, fleet: str | None = None, since: float = 0.0) -> list[FleetState]:
        """Return the recorded ticks after `since` (epoch seconds), of one fleet or of all, oldest first."""
        with self.environment.lock:
            return [state for state in self._series if state.time > since and fleet in (None, state.fleet)]

    def command_load(self, programme: LoadProgramme) -> None:
        """Make the traffic follow a programme.

        :raises UnknownFleetError: when it names a fleet that is not here.
        """
        self._check(programme.fleet)
        with self.environment.lock:
            self._traffic.command(programme, self.environment.clock.now())

    def back_to_base(self, fleet: str | None = None) -> None:
        """Let the traffic be ordinary again, for one fleet or for all."""
        self._check(fleet)
        with self.environment.lock:
            self._traffic.back_to_base(fleet)

    def add_fault(self, request: FaultRequest) -> Fault:
        """Let something go wrong.

        :raises UnknownFleetError: when it names a fleet that is not here.
        """
        self._check(request.fleet)
        with self.environment.lock:
            baseline = {fleet.group: self.cloud.capacity(fleet.group).desired for fleet in self._config.fleets}
            return self.environment.faults.add(request, baseline)

    def remove_faults(self, kind: FaultKind | None = None, fleet: str | None = None) -> tuple[Fault, ...]:
        """Let it be well again; returns the faults that ended."""
        self._check(fleet)
        with self.environment.lock:
            return self.environment.faults.remove(kind, fleet)

    def faults(self) -> tuple[Fault, ...]:
        """Return what is going wrong now."""
        with self.environment.lock:
            return self.environment.faults.active()

    def reset(self) -> None:
        """Begin again: no resources, no metrics, no faults, no history."""
        with self.environment.lock:
            self.environment.faults.remove()
            self.cloud.reset()
            self._begin()

    def _slot(self, now: float) -> float:
        """Return the publish interval a time belongs to, by its start.

        Points carry that time: on the grid they fill every period, whatever the moment of the tick.
        """
        return now // self._config.publish_seconds * self._config.publish_seconds

    def _tick_fleet(self, fleet: FleetConfig, now: float) -> FleetState:
        reading = self._reading(fleet, now)
        state = self._state(fleet, reading, now)
        slot = self._slot(now)
        if slot > self._published_slot and state.capacity.exists:
            self._publish(fleet, reading, slot)
        return state

    def _reading(self, fleet: FleetConfig, now: float) -> Reading:
        capacity = self.cloud.capacity(fleet.group)
        extra = self._suffering_ms(fleet.group, capacity)
        return read(fleet, self._traffic.rps(fleet, now), capacity.in_service, extra)

    def _suffering_ms(self, group: str, capacity: FleetCapacity) -> float:
        fault = self.environment.faults.find(FaultKind.BAD_CHANGE, group)
        if fault is None:
            return 0.0
        added = capacity.in_service - fault.baseline_units.get(group, 0)
        return max(0, added) * fault.request.latency_ms

    def _publish(self, fleet: FleetConfig, reading: Reading, slot: float) -> None:
        data = honest(reading, slot, self._config.publish_seconds, self._dice)
        active = {
            fault.kind: fault
            for fault in self.environment.faults.active()
            if fault.kind in METRIC_FAULTS and fault.concerns(fleet.group)
        }
        published = with_faults(data, active, self._published.get(fleet.group, []), self._dice)
        for datum in published:
            key = MetricKey(datum.namespace, datum.name, ((DIMENSION, fleet.group),))
            samples = (Sample.of_value(datum.epoch_seconds, value, unit=datum.unit) for value in datum.values)
            self.cloud.publish(key, samples)
        if published:
            self._published[fleet.group] = published

    def _state(self, fleet: FleetConfig, reading: Reading, now: float) -> FleetState:
        return FleetState(
            fleet=fleet.group,
            time=now,
            rps=reading.rps,
            capacity=self.cloud.capacity(fleet.group),
            cpu_percent=reading.cpu_percent,
            latency_p95_ms=reading.latency_p95_ms,
            error_percent=reading.error_percent,
            faults=tuple(fault.kind for fault in self.environment.faults.active() if fault.concerns(fleet.group)),
        )

    def _check(self, fleet: str | None) -> None:
        known = [one.group for one in self._config.fleets]
        if fleet is not None and fleet not in known:
            raise UnknownFleetError(fleet, known)


class UnknownFleetError(ValueError):
    """A fleet was named that the laboratory does not have."""

    def __init__(self, fleet: str, known: list[str]) -> None:
        super().__init__(f"unknown fleet {fleet!r}, allowed: {', '.join(known)}")
