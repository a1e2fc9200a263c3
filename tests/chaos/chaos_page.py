"""The matrix as people read it: on the terminal, and in docs/reliability.md between two marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from chaos_matrix import AWS_ROWS, POINT_ROWS, VICTIMS
from chaos_rounds import Cell

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- matrix: written by make chaos -->", "<!-- matrix: end -->"


def matrix_text(cells: Sequence[Cell], restarts: Mapping[str, int], minutes: float) -> str:
    """The tables, as Markdown; what is not green is told below them."""
    by_place = {(cell.row, cell.victim): cell for cell in cells}
    victims = [victim for victim in VICTIMS if any(cell.victim == victim for cell in cells)]
    lines: list[str] = []
    if victims:
        lines += [f"| point | {' | '.join(victims)} |", "|---" * (len(victims) + 1) + "|"]
        for row in POINT_ROWS.values():
            found = [by_place.get((row.title, victim)) for victim in victims]
            if any(found):
                lines.append(f"| `{row.title}` | {' | '.join(map(_cell, found))} |")
        lines.append("")
    aws = [by_place[row.title, "AWS"] for row in AWS_ROWS if (row.title, "AWS") in by_place]
    if aws:
        lines += ["| AWS | changes / expected | recovered | next breach |", "|---|---|---|---|"]
        for cell in aws:
            lines.append(
                f"| {cell.row} | {cell.changes} / {cell.expected} | {_seconds(cell.recovered_seconds)} "
                f"| {_seconds(cell.next_seconds)} |"
            )
        lines.append("")
    green, changes = sum(cell.green for cell in cells), sum(cell.changes for cell in cells)
    expected = sum(cell.expected for cell in cells)
    again = ", ".join(f"{name} {count} times" for name, count in sorted(restarts.items())) or "nothing"
    lines.append(
        f"{green} of {len(cells)} cells green: {sum(cell.breaches for cell in cells)} breaches, {changes} effective "
        f"changes of {expected} expected. Started again: {again}. It took {minutes:.0f} minutes."
    )
    lines += [f"- **{cell.row}, {cell.victim}**: {'; '.join(cell.problems)}" for cell in cells if not cell.green]
    return "\n".join(lines)


def write_page(cells: Sequence[Cell], restarts: Mapping[str, int], minutes: float) -> None:
    """Put the matrix into the page, in the place of the last one."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{matrix_text(cells, restarts, minutes)}\n\n{END}{after}")


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    return f"{'' if cell.green else '**red** '}{cell.changes}/{cell.expected}, {_seconds(cell.recovered_seconds)}"


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f} s"
