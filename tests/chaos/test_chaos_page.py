"""What the harness tells people: the matrix, what is red in it, and a page that says what it tries."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path

import chaos_page
import pytest
from chaos_matrix import AWS_ROWS, EARLY, LATE, POINT_ROWS, ROWS, VICTIMS, policy_document
from chaos_page import PAGE, matrix_text, write_page
from chaos_rounds import Cell
from chaos_system import OPTIONS, Gate

from setpoint.failpoints import POINTS
from setpoint.lab.faults import FaultRequest
from setpoint.lab.server import serving
from setpoint.policy.schema import Policy


def cell(row: str = "after_call", victim: str = "scheduler", **changes: object) -> Cell:
    """A green cell, changed as asked."""
    fields = {
        "breaches": 2,
        "changes": 2,
        "expected": 2,
        "recovered_seconds": 21.4,
        "next_seconds": 9.0,
        "problems": (),
    }
    return Cell(row=row, victim=victim, **{**fields, **changes})  # type: ignore[arg-type]


def test_every_point_is_tried_once() -> None:
    """The two groups are all points, in the pipeline's order, and each row has a fleet of its own."""
    assert (*EARLY, *LATE) == tuple(POINTS)
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_can_be_run(row: object) -> None:
    """Its policy is valid, and so is the fault it asks of the practice AWS."""
    Policy.model_validate(policy_document(row))  # type: ignore[arg-type]
    if row.fault:  # type: ignore[attr-defined]
        FaultRequest.model_validate({**row.fault, "fleet": row.name})  # type: ignore[attr-defined]


def test_a_green_matrix_counts() -> None:
    """Changes over expected, seconds, and the sums below."""
    text = matrix_text([cell(), cell(victim="database"), cell(AWS_ROWS[0].title, "AWS")], {"scheduler": 2}, 31.0)

    assert "| point | scheduler | database |" in text
    assert "| `after_call` | 2/2, 21 s | 2/2, 21 s |" in text
    assert f"| {AWS_ROWS[0].title} | 2 / 2 | 21 s | 9 s |" in text
    assert "3 of 3 cells green: 6 breaches, 6 effective changes of 6 expected." in text
    assert "scheduler 2 times" in text


def test_what_is_red_is_told() -> None:
    """One change too many is seen in its cell, in the sums, and in words."""
    text = matrix_text([cell(changes=3, problems=("3 changes for 2 breaches, 2 expected",))], {}, 1.0)

    assert "**red** 3/2, 21 s" in text
    assert "0 of 1 cells green: 2 breaches, 3 effective changes of 2 expected" in text
    assert "- **after_call, scheduler**: 3 changes for 2 breaches, 2 expected" in text


def test_the_page_keeps_what_people_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new matrix takes the place of the last one, and nothing else changes."""
    page = tmp_path / "reliability.md"
    page.write_text(PAGE.read_text())
    monkeypatch.setattr(chaos_page, "PAGE", page)

    write_page([cell()], {}, 1.0)
    write_page([cell(victim="database")], {}, 2.0)

    def around(text: str) -> tuple[str, str]:
        return text.split(chaos_page.BEGIN)[0], text.split(chaos_page.END)[1]

    assert around(page.read_text()) == around(PAGE.read_text())
    assert page.read_text().count("cells green") == 1
    assert "It took 2 minutes." in page.read_text()


def test_the_page_says_what_is_tried() -> None:
    """Each point, victim and option of the harness is on the page, with its value."""
    text = PAGE.read_text()
    assert [point for point, meaning in POINTS.items() if f"| `{point}` | {meaning} |" not in text] == []
    assert [victim for victim in VICTIMS if f"| {victim} | " not in text] == []
    assert [name for name, value in OPTIONS.items() if f"| `{name}` | {value} s |" not in text] == []


def test_a_closed_gate_refuses_connections() -> None:
    """Open, it leads to the practice AWS; closed, nobody listens; open again, it leads there again."""
    from setpoint.lab.config import default_config

    with serving(default_config()) as lab:
        gate = Gate(lab.port)
        try:
            for _ in range(2):
                gate.open()
                with urllib.request.urlopen(f"{gate.url}/_lab/health", timeout=10) as answer:
                    assert answer.status == 200
                gate.close()
                with socket.socket() as probe:
                    assert probe.connect_ex(("127.0.0.1", gate.port)) != 0
        finally:
            gate.stop()


def test_each_point_has_a_row() -> None:
    """The matrix's rows are the points."""
    assert list(POINT_ROWS) == list(POINTS)
