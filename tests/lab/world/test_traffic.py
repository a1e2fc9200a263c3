"""The traffic model: seeded, continuous, obedient."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from setpoint.lab.config import FlashSale, FleetConfig, LabConfig
from setpoint.lab.world.traffic import Keyframe, LoadProgramme, Traffic

SHOP = FleetConfig(group="shop", base_rps=100.0)
OFFICE = FleetConfig(group="office", base_rps=40.0)


def _traffic(**changes: object) -> Traffic:
    plain: dict[str, object] = {"noise_ratio": 0.0, "day_amplitude_ratio": 0.0}
    return Traffic(LabConfig.model_validate({"fleets": (SHOP, OFFICE), **plain, **changes}), start=1000.0)


@given(st.integers(0, 1000), st.floats(0, 10_000))
def test_the_same_seed_gives_the_same_traffic(seed: int, elapsed: float) -> None:
    """Two models with one seed agree at every moment, in whatever order they are asked, and are never negative."""
    one, other = (_traffic(seed=seed, noise_ratio=0.2) for _ in range(2))
    other.rps(SHOP, 1000.0 + elapsed / 2)
    assert one.rps(SHOP, 1000.0 + elapsed) == other.rps(SHOP, 1000.0 + elapsed)
    assert one.rps(SHOP, 1000.0 + elapsed) >= 0


def test_another_seed_or_fleet_has_other_noise() -> None:
    """Noise differs between seeds and between fleets."""
    moment = 1012.3
    one, other = _traffic(seed=1, noise_ratio=0.1), _traffic(seed=2, noise_ratio=0.1)
    assert one.rps(SHOP, moment) != other.rps(SHOP, moment)
    assert one.rps(SHOP, moment) / SHOP.base_rps != one.rps(OFFICE, moment) / OFFICE.base_rps


def test_the_day_has_a_curve() -> None:
    """The day curve rises to its amplitude in a quarter of the day and is back at the base after half of it."""
    traffic = _traffic(day_amplitude_ratio=0.5, day_seconds=400.0)
    loads = [traffic.rps(SHOP, 1000.0 + seconds) for seconds in (0, 100, 200, 300)]
    assert loads == pytest.approx([100, 150, 100, 50])


def test_a_planned_sale_rises_stays_and_falls() -> None:
    """A flash sale of the config multiplies the traffic between its start and its end."""
    sale = FlashSale(at_seconds=10, ramp_seconds=10, hold_seconds=20, factor=3.0)
    traffic = _traffic(flash_sales=(sale,))
    loads = [traffic.rps(SHOP, 1000.0 + seconds) for seconds in (0, 15, 20, 40, 45, 60)]
    assert loads == pytest.approx([100, 200, 300, 300, 200, 100])


def test_a_programme_is_followed_from_the_load_of_the_moment() -> None:
    """A linear programme goes straight from where the traffic is to each keyframe, and holds the last."""
    traffic = _traffic()
    frames = (Keyframe(at_seconds=10, rps=300), Keyframe(at_seconds=20, factor=0.5))
    traffic.command(LoadProgramme(fleet="shop", keyframes=frames), now=2000.0)
    loads = [traffic.rps(SHOP, 2000.0 + seconds) for seconds in (0, 5, 10, 15, 20, 500)]
    assert loads == pytest.approx([100, 200, 300, 175, 50, 50])
    assert traffic.rps(OFFICE, 2010.0) == 40.0
    traffic.command(LoadProgramme(fleet="shop", keyframes=(Keyframe(at_seconds=10, rps=100),)), now=2500.0)
    assert traffic.rps(SHOP, 2505.0) == pytest.approx(75)


def test_a_step_programme_jumps_and_returns_to_base() -> None:
    """A step programme keeps each value until the next, and `then: base` ends it."""
    traffic = _traffic()
    frames = (Keyframe(at_seconds=0, rps=10), Keyframe(at_seconds=5, rps=500), Keyframe(at_seconds=9, rps=0))
    traffic.command(LoadProgramme(keyframes=frames, shape="step", then="base"), now=2000.0)
    assert [traffic.rps(SHOP, 2000.0 + seconds) for seconds in (0, 4, 5, 8.9, 9)] == [10, 10, 500, 500, 100]


def test_the_traffic_goes_back_when_told() -> None:
    """Back to base for one fleet leaves the other's programme alone."""
    traffic = _traffic()
    traffic.command(LoadProgramme(keyframes=(Keyframe(at_seconds=0, rps=7),)), now=2000.0)
    traffic.back_to_base("shop")
    assert (traffic.rps(SHOP, 2001.0), traffic.rps(OFFICE, 2001.0)) == (100.0, 7.0)


@pytest.mark.parametrize(
    ("programme", "message"),
    [
        ({"keyframes": []}, "at least 1 item"),
        ({"keyframes": [{"at_seconds": 1}]}, "exactly one of rps"),
        ({"keyframes": [{"at_seconds": 1, "rps": 1, "factor": 2}]}, "exactly one of rps"),
        ({"keyframes": [{"at_seconds": 5, "rps": 1}, {"at_seconds": 5, "rps": 2}]}, "in order of at_seconds"),
        ({"keyframes": [{"at_seconds": 1, "rps": -1}]}, "greater than or equal to 0"),
        ({"keyframes": [{"at_seconds": 1, "rps": 1}], "speed": 2}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_programme_is_refused(programme: dict[str, object], message: str) -> None:
    """A programme that makes no sense is refused with what is allowed."""
    with pytest.raises(ValidationError, match=message):
        LoadProgramme.model_validate(programme)
