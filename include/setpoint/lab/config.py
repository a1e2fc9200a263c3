"""What the practice AWS is made of: fleets, seeds and rhythms."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

REGION = "eu-west-1"
ACCOUNT_ID = "123456789012"
ACCESS_KEY = "lab"
SECRET_KEY = "lab"  # noqa: S105 - the practice AWS accepts any word, this is the documented one

Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9][A-Za-z0-9_./-]*$")]


class LabModel(BaseModel):
    """Base of the laboratory's values: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FleetConfig(LabModel):
    """One Auto Scaling group and the traffic it serves."""

    group: Name
    """Name of the Auto Scaling group, and of the fleet in the control API."""
    min_size: int = Field(default=2, ge=0, le=1000)
    max_size: int = Field(default=12, ge=0, le=1000)
    desired_capacity: int = Field(default=3, ge=0, le=1000)
    instance_type: str = Field(default="m5.large", pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$")
    boot_seconds: float = Field(default=8.0, ge=0, le=3600)
    """Time from launch (`Pending`) until an instance serves (`InService`)."""
    capacity_rps_per_instance: float = Field(default=100.0, gt=0)
    """Requests per second that take one instance to 100 % CPU."""
    base_rps: float = Field(default=150.0, ge=0)
    """Requests per second of the whole fleet on an ordinary moment of the day."""
    base_latency_ms: float = Field(default=80.0, gt=0)
    """p95 latency of an idle fleet."""
    default_cooldown_seconds: int = Field(default=0, ge=0, le=86400)
    tags: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _bounds_hold(self) -> Self:
        if not self.min_size <= self.desired_capacity <= self.max_size:
            raise ValueError(
                f"fleet {self.group}: desired_capacity={self.desired_capacity} must lie between "
                f"min_size={self.min_size} and max_size={self.max_size}"
            )
        return self


class FlashSale(LabModel):
    """A sale planned at start: traffic rises to a multiple, stays, and falls back."""

    at_seconds: float = Field(ge=0)
    """Start, counted from the start of the laboratory."""
    ramp_seconds: float = Field(default=10.0, gt=0)
    hold_seconds: float = Field(default=60.0, ge=0)
    factor: float = Field(default=2.5, gt=0)
    """Multiple of the ordinary traffic at the top."""


class LabConfig(LabModel):
    """The whole laboratory. Two with the same config and clock give the same traffic."""

    fleets: tuple[FleetConfig, ...]
    seed: int = 7
    tick_seconds: float = Field(default=1.0, gt=0, le=60)
    publish_seconds: float = Field(default=5.0, gt=0, le=300)
    noise_ratio: float = Field(default=0.03, ge=0, le=0.5)
    """Standard deviation of the traffic noise, as a share of the traffic."""
    day_amplitude_ratio: float = Field(default=0.05, ge=0, lt=1)
    """Height of the day curve: 0.05 swings between 95 % and 105 % of the base."""
    day_seconds: float = Field(default=86_400.0, gt=0)
    flash_sales: tuple[FlashSale, ...] = ()
    terminate_seconds: float = Field(default=2.0, ge=0, le=3600)
    """How long an instance stays `Terminating` before it is gone."""
    launch_retry_seconds: float = Field(default=10.0, gt=0, le=3600)
    """Pause before a failed launch is tried again (minutes on AWS)."""
    default_boot_seconds: float = Field(default=2.0, ge=0, le=3600)
    """Boot time of groups that are no fleet of this config."""
    history_points: int = Field(default=7200, ge=10, le=1_000_000)
    """Ticks kept for `/_lab/series`."""
    calls_kept: int = Field(default=5000, ge=10, le=1_000_000)
    """Mutating calls kept for `/_lab/calls`."""

    @model_validator(mode="after")
    def _groups_differ(self) -> Self:
        names = [fleet.group for fleet in self.fleets]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"fleets must have different groups; named more than once: {', '.join(twice)}")
        return self

    def fleet(self, group: str) -> FleetConfig | None:
        """Return the fleet of that group, or None when the group is not part of this config."""
        return next((fleet for fleet in self.fleets if fleet.group == group), None)


def default_config() -> LabConfig:
    """Return the storefront: three fleets at about 50 % CPU, which suits a policy of out above 70, in below 30."""
    return LabConfig(
        fleets=(
            _storefront("web", base_rps=150.0),
            _storefront("api", base_rps=180.0, capacity_rps_per_instance=120.0, base_latency_ms=45.0),
            _storefront("batch", base_rps=24.0, capacity_rps_per_instance=16.0, max_size=8, base_latency_ms=250.0),
        )
    )


def load_config(path: Path) -> LabConfig:
    """Read a config from a JSON file.

    :raises pydantic.ValidationError: listing every problem.
    """
    return LabConfig.model_validate_json(path.read_bytes())


def _storefront(
    tier: str,
    *,
    base_rps: float,
    capacity_rps_per_instance: float = 100.0,
    max_size: int = 12,
    base_latency_ms: float = 80.0,
) -> FleetConfig:
    return FleetConfig(
        group=f"storefront-{tier}",
        min_size=2,
        max_size=max_size,
        desired_capacity=3,
        base_rps=base_rps,
        capacity_rps_per_instance=capacity_rps_per_instance,
        base_latency_ms=base_latency_ms,
        tags={"tier": tier, "setpoint:policy": f"{tier}-tier"},
    )
