"""The picture of the demo: load, capacity, decisions and health over time, as a PNG."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from setpoint.demo.acts import API, BATCH, WEB
from setpoint.demo.play import Stage

_FLEETS = (WEB, BATCH, API)
_COLOURS = {"scale_out": "#15803d", "scale_in": "#1d4ed8", "quarantine": "#b45309", "roll_back": "#b91c1c"}


def paint(stage: Stage, changes: list[dict[str, Any]], path: Path) -> None:
    """Write the picture. A column for each fleet; three rows: load and capacity, CPU, latency with its limit.

    :param changes: rows of :func:`setpoint.demo.report.changes_report`, drawn as labelled lines.
    :param path: the PNG to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(20, 9), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(3, len(_FLEETS), sharex=True)
    for column, fleet in enumerate(_FLEETS):
        states = stage.history.get(fleet, [])
        times = [datetime.fromtimestamp(one.time, UTC) for one in states]
        load, cpu, latency = (axes[row][column] for row in range(3))
        load.set_title(fleet, loc="left", fontweight="bold")
        load.plot(times, [one.rps for one in states], color="#0891b2", label="requests/s")
        load.set_ylabel("requests/s")
        units = load.twinx()
        units.step(times, [one.capacity.desired for one in states], where="post", color="#94a3b8", label="desired")
        units.step(
            times, [one.capacity.in_service for one in states], where="post", color="#15803d", label="in service"
        )
        units.set_ylabel("instances")
        units.set_ylim(0)
        load.legend(
            *[a + b for a, b in zip(load.get_legend_handles_labels(), units.get_legend_handles_labels(), strict=True)],
            loc="upper left",
            fontsize=8,
        )
        cpu.plot(times, [one.cpu_percent for one in states], color="#7c3aed")
        cpu.set_ylabel("CPU, %")
        cpu.set_ylim(0, 105)
        latency.plot(times, [one.latency_p95_ms for one in states], color="#be185d")
        latency.set_ylabel("p95 latency, ms")
        latency.set_ylim(0)
        for row in changes:
            if row["target"] != fleet:
                continue
            at, colour = datetime.fromisoformat(row["at"]), _COLOURS.get(row["action"], "#475569")
            for axis in (load, cpu, latency):
                axis.axvline(at, color=colour, linestyle="--", linewidth=1)
            label = row["action"].replace("_", " ")
            if row["to"] is not None:
                label += f" {row['from']}→{row['to']}"
            if row["health"]:
                label += f"\n{row['health']}"
            cpu.annotate(label, (at, 100), fontsize=8, color=colour, rotation=90, va="top", ha="right")
        for axis in (load, cpu, latency):
            axis.grid(alpha=0.25)
    for axis in axes[2]:
        axis.tick_params(axis="x", rotation=30)
    figure.suptitle("Setpoint demo: load, capacity, decisions and health", fontweight="bold")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
