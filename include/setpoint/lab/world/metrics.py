"""The metrics a fleet publishes, and what faults make of them. Pure."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from setpoint.lab.faults import Fault, FaultKind
from setpoint.lab.world.physics import Reading, instance_cpus, response_times_seconds

DIMENSION = "AutoScalingGroupName"
STOREFRONT = "Storefront"
EC2 = "AWS/EC2"


@dataclass(frozen=True)
class Datum:
    """Values of one metric at one time."""

    namespace: str
    name: str
    values: tuple[float, ...]
    unit: str
    epoch_seconds: float


def honest(reading: Reading, now: float, publish_seconds: float, dice: random.Random) -> list[Datum]:
    """Return what a healthy fleet publishes; a fleet without instances has no CPU and no latency to report.

    `AWS/EC2 CPUUtilization` holds one value per instance, as the real metric does under its group's dimension;
    `RequestCountPerTarget` the requests of the interval (Sum), `LatencyP95` milliseconds, `TargetResponseTime`
    sampled seconds from which any percentile can be asked, `ErrorRate` percent, `RequestRate` per second.
    """
    data = [
        Datum(EC2, "CPUUtilization", tuple(instance_cpus(reading, dice)), "Percent", now),
        Datum(STOREFRONT, "TargetResponseTime", tuple(response_times_seconds(reading, dice)), "Seconds", now),
        Datum(STOREFRONT, "ErrorRate", (round(reading.error_percent, 4),), "Percent", now),
        Datum(STOREFRONT, "RequestRate", (round(reading.rps, 3),), "Count/Second", now),
    ]
    if reading.latency_p95_ms is not None:
        requests = round(reading.rps_per_instance * publish_seconds, 3)
        data.append(Datum(STOREFRONT, "LatencyP95", (round(reading.latency_p95_ms, 3),), "Milliseconds", now))
        data.append(Datum(STOREFRONT, "RequestCountPerTarget", (requests,), "Count", now))
    return [datum for datum in data if datum.values]


def with_faults(
    data: Sequence[Datum],
    faults: Mapping[FaultKind, Fault],
    before: Sequence[Datum],
    dice: random.Random,
) -> list[Datum]:
    """Return what is published while metric faults are active.

    :param before: what was published last; `stale` publishes it again, with its old times.
    """
    if FaultKind.METRIC_OUTAGE in faults:
        return []
    if FaultKind.STALE in faults:
        return list(before)
    published = list(data)
    if FaultKind.ZEROS in faults:
        published = [replace(datum, values=(0.0,) * len(datum.values)) for datum in published]
    if (fault := faults.get(FaultKind.OUT_OF_RANGE)) is not None:
        published = [_times(datum, fault.request.multiplier) for datum in published]
    if (fault := faults.get(FaultKind.SPIKE)) is not None and dice.random() < fault.request.share:
        published = [_times(datum, fault.request.multiplier) for datum in published]
    return published


def _times(datum: Datum, factor: float) -> Datum:
    return replace(datum, values=tuple(value * factor for value in datum.values))
