"""What each source tells people to look at when a series has no points, and that ``setpoint doctor`` says it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from worlds.every import WORLDS

from setpoint.cli.checks.aws import check_origin
from setpoint.sources import SOURCES

NAMES = [name for name in SOURCES if SOURCES.load(name).__module__.startswith("setpoint.")]


@pytest.mark.parametrize("name", NAMES)
def test_every_source_says_what_to_look_at(name: str) -> None:
    """In words of its own, some of which are keys of its own section of a policy."""
    source = SOURCES.load(name)
    hint = source.when_empty
    keys = {key for key in source.Config.model_fields if re.search(rf"\b{key}\b", hint)}
    assert len(hint) > 40
    assert len(keys) >= 2, keys
    assert [other for other in NAMES if other != name and SOURCES.load(other).when_empty == hint] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_doctor_says_it_of_a_series_without_points(name: str) -> None:
    """A warning for the silent target, with the metric's key and this source's hint; none for the one with points."""
    with WORLDS[name]() as world:
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        world.put({"web": [(now - timedelta(minutes=minute), 50.0) for minute in range(9, 0, -1)]})
        metrics = {"load": world.metric()}
        spoken, silent = check_origin("policy p", name, world.source(), metrics, ["web", "silent"])
    assert (spoken.status, spoken.todo) == ("ok", "")
    assert (silent.status, silent.check) == ("warn", "policy p: metrics")
    assert silent.text.startswith("load of silent: 0 of 10 points")
    assert silent.todo == f"metrics.load: {SOURCES.load(name).when_empty}"
