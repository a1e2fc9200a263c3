"""The most telling cells of the chaos matrix; ``make chaos`` runs them all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from chaos_matrix import POINT_ROWS
from chaos_rounds import kill_round
from chaos_system import System, running_system

pytestmark = [pytest.mark.live, pytest.mark.postgres]

POINTS = ("after_commit", "after_intent", "after_call")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A real Airflow, PostgreSQL and practice AWS, with a policy for each of a few points."""
    with running_system(tmp_path_factory.mktemp("chaos"), [POINT_ROWS[point] for point in POINTS]) as running:
        yield running


@pytest.mark.timeout(400)
@pytest.mark.parametrize("victim", ["supervisor", "database"])
def test_whoever_dies_one_breach_makes_one_change(system: System, victim: Any) -> None:
    """Killed between commit and delete, intent and call, call and result: all comes to its end, once, by itself."""
    cells = kill_round(system, [POINT_ROWS[point] for point in POINTS], victim, print)

    assert {cell.row: cell.problems for cell in cells} == dict.fromkeys(POINTS, ())
    assert {cell.row: cell.changes for cell in cells} == dict.fromkeys(POINTS, 2)
    assert all(cell.recovered_seconds is not None and cell.next_seconds is not None for cell in cells)
