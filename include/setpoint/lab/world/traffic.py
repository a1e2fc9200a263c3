"""How many requests per second arrive: a day curve, flash sales, a programme on command, and seeded noise. Pure."""

import itertools
import math
import random
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from setpoint.lab.config import FlashSale, FleetConfig, LabConfig, LabModel, Name

NOISE_STEP_SECONDS = 5.0


class Keyframe(LabModel):
    """A point of a load programme: at that second, that much load."""

    at_seconds: float = Field(ge=0, le=86_400)
    """Counted from the moment the programme is given."""
    rps: float | None = Field(default=None, ge=0)
    """Requests per second of the whole fleet."""
    factor: float | None = Field(default=None, ge=0)
    """Or a multiple of the fleet's `base_rps`."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.rps is None) == (self.factor is None):
            raise ValueError("give exactly one of rps (requests per second) and factor (multiple of base_rps)")
        return self

    def target_rps(self, fleet: FleetConfig) -> float:
        """Return the load in requests per second for a fleet."""
        return self.rps if self.rps is not None else (self.factor or 0.0) * fleet.base_rps


class LoadProgramme(LabModel):
    """What the traffic shall do from now on, for one fleet or for all."""

    fleet: Name | None = None
    keyframes: tuple[Keyframe, ...] = Field(min_length=1, max_length=1000)
    shape: Literal["linear", "step"] = "linear"
    """Between two keyframes: a straight line, or the earlier value until the later one."""
    then: Literal["hold", "base"] = "hold"
    """After the last keyframe: its value for ever, or the ordinary traffic again."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        times = [frame.at_seconds for frame in self.keyframes]
        if any(later <= earlier for earlier, later in itertools.pairwise(times)):
            raise ValueError(f"keyframes must be in order of at_seconds, each later than the one before: {times}")
        return self


class Traffic:
    """The traffic of all fleets. Deterministic: the same seed, start and programmes give the same numbers."""

    def __init__(self, config: LabConfig, start: float) -> None:
        self._config = config
        self._start = start
        self._programmes: dict[str, tuple[LoadProgramme, float, float]] = {}

    def command(self, programme: LoadProgramme, now: float) -> None:
        """Follow a programme from now on; it starts from the load of this moment."""
        for fleet in self._config.fleets:
            if programme.fleet in (None, fleet.group):
                self._programmes[fleet.group] = (programme, now, self.planned_rps(fleet, now))

    def back_to_base(self, fleet: str | None = None) -> None:
        """Forget the programme of one fleet or of all."""
        for group in [group for group in self._programmes if fleet in (None, group)]:
            del self._programmes[group]

    def rps(self, fleet: FleetConfig, now: float) -> float:
        """Return the requests per second that arrive at a fleet, noise included."""
        return max(0.0, self.planned_rps(fleet, now) * (1.0 + self._noise(fleet.group, now)))

    def planned_rps(self, fleet: FleetConfig, now: float) -> float:
        """Return the requests per second without noise."""
        base = self._ordinary(fleet, now)
        if fleet.group not in self._programmes:
            return base
        programme, since, before = self._programmes[fleet.group]
        value = _follow(programme, fleet, now - since, before)
        return base if value is None else value

    def _ordinary(self, fleet: FleetConfig, now: float) -> float:
        elapsed = now - self._start
        phase = 2.0 * math.pi * elapsed / self._config.day_seconds
        day = 1.0 + self._config.day_amplitude_ratio * math.sin(phase)
        return fleet.base_rps * day * math.prod(_sale(sale, elapsed) for sale in self._config.flash_sales)

    def _noise(self, group: str, now: float) -> float:
        """Return smooth noise: Gaussian at every step, a straight line between."""
        step, share = divmod((now - self._start) / NOISE_STEP_SECONDS, 1.0)
        here, there = (self._gauss(group, int(step) + number) for number in (0, 1))
        return self._config.noise_ratio * (here + (there - here) * share)

    def _gauss(self, group: str, step: int) -> float:
        return max(-3.0, min(3.0, random.Random(f"{self._config.seed}/{group}/{step}").gauss(0.0, 1.0)))


def _sale(sale: FlashSale, elapsed: float) -> float:
    inside = elapsed - sale.at_seconds
    down = inside - sale.ramp_seconds - sale.hold_seconds
    share = min(1.0, max(0.0, inside / sale.ramp_seconds)) - min(1.0, max(0.0, down / sale.ramp_seconds))
    return 1.0 + (sale.factor - 1.0) * share


def _follow(programme: LoadProgramme, fleet: FleetConfig, elapsed: float, before: float) -> float | None:
    """Return the load at that second of a programme, None when the ordinary traffic is back."""
    points: Sequence[tuple[float, float]] = [
        (frame.at_seconds, frame.target_rps(fleet)) for frame in programme.keyframes
    ]
    if elapsed >= points[-1][0]:
        return points[-1][1] if programme.then == "hold" else None
    earlier = (0.0, before)
    for moment, value in points:
        if elapsed < moment:
            if programme.shape == "step":
                return earlier[1]
            share = (elapsed - earlier[0]) / (moment - earlier[0])
            return earlier[1] + (value - earlier[1]) * share
        earlier = (moment, value)
    return earlier[1]
