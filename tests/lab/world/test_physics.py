"""What traffic does to a fleet."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.lab.config import FleetConfig, default_config
from setpoint.lab.world.physics import instance_cpus, read, response_times_seconds

FLEET = FleetConfig(group="shop", capacity_rps_per_instance=100.0, base_latency_ms=80.0)


@pytest.mark.parametrize("fleet", default_config().fleets, ids=lambda fleet: fleet.group)
def test_the_storefront_suits_a_threshold_policy(fleet: FleetConfig) -> None:
    """At base load CPU is about 50 %; a flash sale passes 70, a quiet time falls below 30, and max copes with 3x."""
    assert read(fleet, fleet.base_rps, fleet.desired_capacity).cpu_percent == pytest.approx(50, abs=2)
    assert read(fleet, fleet.base_rps * 2, fleet.desired_capacity).cpu_percent > 70
    assert read(fleet, fleet.base_rps * 0.2, fleet.desired_capacity).cpu_percent < 30
    assert read(fleet, fleet.base_rps * 2.5, fleet.max_size).cpu_percent < 70


@given(st.floats(0, 2000), st.floats(0, 2000), st.integers(1, 12))
def test_more_traffic_is_never_better(rps: float, more: float, instances: int) -> None:
    """CPU, latency and errors never fall when traffic rises, and stay in their ranges."""
    calm, busy = read(FLEET, rps, instances), read(FLEET, rps + more, instances)
    assert 0 <= calm.cpu_percent <= busy.cpu_percent <= 100
    assert 80 <= calm.latency_p95_ms <= busy.latency_p95_ms <= 30_000
    assert 0 < calm.error_percent <= busy.error_percent <= 100


@given(st.floats(1, 2000), st.integers(1, 11))
def test_another_instance_never_makes_it_worse(rps: float, instances: int) -> None:
    """One more instance in service lowers CPU and latency, or leaves them."""
    before, after = read(FLEET, rps, instances), read(FLEET, rps, instances + 1)
    assert after.cpu_percent <= before.cpu_percent
    assert after.latency_p95_ms <= before.latency_p95_ms


def test_latency_rises_steeply_near_saturation() -> None:
    """From 50 to 70 % CPU latency hardly moves, from 90 to 97 % it multiplies, beyond it overloads."""
    half, seventy, ninety, full, over = (
        read(FLEET, rps, 1).latency_p95_ms or 0 for rps in (50.0, 70.0, 90.0, 97.0, 120.0)
    )
    assert seventy < 1.6 * half
    assert full > 2.5 * ninety
    assert over > full + 500


def test_without_instances_there_is_nothing_to_measure() -> None:
    """A fleet with no instance has neither CPU nor latency, and every request fails."""
    reading = read(FLEET, 10.0, 0)
    assert (reading.cpu_percent, reading.latency_p95_ms, reading.error_percent) == (None, None, 100.0)
    assert instance_cpus(reading, random.Random(1)) == []
    assert response_times_seconds(reading, random.Random(1)) == []


def test_sampled_response_times_have_the_p95_of_the_reading() -> None:
    """The 95th percentile of many sampled response times is the fleet's p95 latency."""
    reading = read(FLEET, 60.0, 1)
    samples = response_times_seconds(reading, random.Random(3), count=20_000)
    assert np.percentile(samples, 95) * 1000 == pytest.approx(reading.latency_p95_ms, rel=0.05)


def test_every_instance_has_its_cpu() -> None:
    """There is one CPU value per instance, near the fleet's."""
    cpus = instance_cpus(read(FLEET, 100.0, 4), random.Random(3))
    assert len(cpus) == 4
    assert np.mean(cpus) == pytest.approx(25, abs=2)
