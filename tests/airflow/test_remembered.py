"""Dags that are built once for each policy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import setpoint_airflow.remembered as module
from setpoint_airflow.remembered import remembered


def a_policy(name: str, limits: int = 0) -> Any:
    """As much of a policy as is looked at."""
    return SimpleNamespace(name=name, limits=limits)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The policies that a Dag was built for."""
    monkeypatch.setattr(module, "_built", {})
    return []


def test_an_unchanged_policys_dag_is_built_once(built: list[Any]) -> None:
    """The Dag file is executed again in each task; its Dag is the one that was there."""

    @remembered
    def build(policy: Any) -> Any:
        built.append(policy)
        return object()

    first = build(a_policy(name="web", limits=3))

    assert build(a_policy(name="web", limits=3)) is first
    assert len(built) == 1


def test_a_changed_policys_dag_is_built_anew(built: list[Any]) -> None:
    """A stricter limit counts at once, also in a worker that was forked before."""

    @remembered
    def build(policy: Any) -> Any:
        built.append(policy)
        return object()

    first = build(a_policy(name="web", limits=3))

    assert build(a_policy(name="web", limits=2)) is not first
    assert [one.limits for one in built] == [3, 2]


def test_the_memory_is_bounded(built: list[Any]) -> None:
    """A thousand policies do not sit in the memory of every process."""

    @remembered
    def build(policy: Any) -> Any:
        built.append(policy)
        return object()

    for number in range(module.MOST + 5):
        build(a_policy(name=f"policy-{number}"))

    assert len(module._built) == module.MOST
