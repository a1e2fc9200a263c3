"""What traffic does to a fleet: CPU, latency, errors. Pure."""

import math
import random

from setpoint.lab.config import FleetConfig, LabModel

KNEE = 0.97
"""Utilisation beyond which the queue grows as long as the overload lasts."""
OVERLOAD_MS = 4000.0
MAX_LATENCY_MS = 30_000.0
BASE_ERROR_PERCENT = 0.1


class Reading(LabModel):
    """How a fleet does at one moment."""

    rps: float
    in_service: int
    rps_per_instance: float
    utilization: float
    """Demand over capacity; above 1 the fleet cannot serve everything."""
    cpu_percent: float | None
    """None when no instance is there to have a CPU."""
    latency_p95_ms: float | None
    """None when no instance is there to answer."""
    error_percent: float


def read(fleet: FleetConfig, rps: float, in_service: int, extra_latency_ms: float = 0.0) -> Reading:
    """Return what that traffic does to that many instances.

    CPU grows with the requests per instance and saturates at 100 %. p95 latency follows an open queue,
    `base * (1 + u^2 / (2 * (1 - u)))` with utilisation `u` (Kleinrock, Queueing Systems I, M/M/1 shape), and beyond
    97 % a steep line, because the queue grows as long as the overload lasts. What does not fit is an error.

    :param extra_latency_ms: latency from elsewhere, for example a shared database that suffers.
    """
    if in_service == 0:
        return Reading(
            rps=rps,
            in_service=0,
            rps_per_instance=0.0,
            utilization=math.inf if rps > 0 else 0.0,
            cpu_percent=None,
            latency_p95_ms=None,
            error_percent=100.0 if rps > 0 else 0.0,
        )
    per_instance = rps / in_service
    utilization = per_instance / fleet.capacity_rps_per_instance
    queue = min(utilization, KNEE)
    latency = fleet.base_latency_ms * (1.0 + queue**2 / (2.0 * (1.0 - queue)))
    latency += max(0.0, utilization - KNEE) * OVERLOAD_MS + extra_latency_ms
    refused = 100.0 * max(0.0, 1.0 - 1.0 / utilization) if utilization > 0 else 0.0
    return Reading(
        rps=rps,
        in_service=in_service,
        rps_per_instance=per_instance,
        utilization=utilization,
        cpu_percent=min(100.0, 100.0 * utilization),
        latency_p95_ms=min(MAX_LATENCY_MS, latency),
        error_percent=min(100.0, BASE_ERROR_PERCENT + refused),
    )


def instance_cpus(reading: Reading, dice: random.Random) -> list[float]:
    """Return the CPU of each instance: the fleet's, with the small differences instances have."""
    if reading.cpu_percent is None:
        return []
    return [
        round(min(100.0, max(0.0, reading.cpu_percent * (1.0 + dice.gauss(0.0, 0.01)))), 3)
        for _ in range(reading.in_service)
    ]


def response_times_seconds(reading: Reading, dice: random.Random, count: int = 40) -> list[float]:
    """Return sampled response times whose 95th percentile is, up to sampling, the fleet's p95 latency.

    They are log-normal: a median of half the p95, and a spread that puts p95 where it belongs.
    """
    if reading.latency_p95_ms is None:
        return []
    sigma = math.log(2.0) / 1.6448536269514722  # p95 = median * exp(1.645 sigma)
    median = reading.latency_p95_ms / 2.0 / 1000.0
    return [round(median * math.exp(dice.gauss(0.0, sigma)), 6) for _ in range(count)]
