"""Kill every part of Setpoint at every point of its pipeline, and see that nothing is lost and nothing done twice.

    .venv/bin/python tests/chaos/chaos.py [--victims "task process" ...] [--points after_call ...] [--no-aws]

Prints the matrix; with everything run, and green or not, writes it into docs/reliability.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from chaos_matrix import AWS_ROWS, EARLY, LATE, POINT_ROWS, ROWS, VICTIMS
from chaos_page import matrix_text, write_page
from chaos_rounds import Cell, fault_round, kill_round
from chaos_system import running_system, until
from chaos_witness import Witness

JUDGED_SECONDS = 180.0


def say(line: str) -> None:
    """Print a line at once, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def main() -> int:
    """Run what was asked for; 0 when every cell is green."""
    asked = _arguments()
    began = time.monotonic()
    home = Path(tempfile.mkdtemp(prefix="setpoint-chaos-")) if asked.home is None else asked.home
    groups = [[POINT_ROWS[point] for point in group if point in asked.points] for group in (EARLY, LATE)]
    rows = [row for group in groups for row in group] + ([] if asked.no_aws else list(AWS_ROWS))
    cells: list[Cell] = []
    with running_system(home, rows, say) as system:
        for victim in asked.victims:
            for group in filter(None, groups):
                say(f"{victim}: {', '.join(row.title for row in group)}")
                cells += _shown(kill_round(system, group, victim, say))
        if not asked.no_aws:
            say("AWS misbehaves")
            cells += _shown(fault_round(system, AWS_ROWS, say))
        say("waiting until setpoint.reconcile has judged the last roll-back")
        until(Witness(system, []).rollbacks_are_judged, "an outcome of every roll-back", JUDGED_SECONDS)
        restarts = dict(system.keeper.restarts)
    minutes = (time.monotonic() - began) / 60
    print(matrix_text(cells, restarts, minutes))
    if len(rows) == len(ROWS) and len(asked.victims) == len(VICTIMS):
        write_page(cells, restarts, minutes)
    return 0 if all(cell.green for cell in cells) else 1


def _shown(cells: list[Cell]) -> list[Cell]:
    for cell in cells:
        if not cell.green:
            say(f"  RED {cell.row} x {cell.victim}: {cell.changes} of {cell.expected}; {'; '.join(cell.problems)}")
    return cells


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--victims", nargs="+", choices=list(VICTIMS), default=list(VICTIMS))
    parser.add_argument("--points", nargs="*", choices=list(POINT_ROWS), default=list(POINT_ROWS))
    parser.add_argument("--no-aws", action="store_true", help="leave out AWS's misbehaviour")
    parser.add_argument("--home", type=Path, help="an empty folder for data and logs; a temporary one by default")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
