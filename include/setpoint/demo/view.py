"""The live terminal view: acts, load against capacity, the story as it unfolds, links into the UI."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from setpoint.demo.acts import API, WEB
from setpoint.demo.play import Performance, Stage, Status
from setpoint.lab.world.state import FleetState

_MARKS = {Status.WAITING: "·", Status.PLAYING: "▶", Status.HAPPENED: "✔", Status.MISSED: "✘"}
_STYLES = {Status.WAITING: "dim", Status.PLAYING: "bold yellow", Status.HAPPENED: "green", Status.MISSED: "bold red"}
_SHOWN_SECONDS = 240


class View:
    """Draws a stage. Everything that came from events or metrics is shown as plain text, never as markup."""

    def __init__(self, stage: Stage, console: Console, links: Sequence[tuple[str, str]]) -> None:
        self._stage, self._console, self._links = stage, console, links

    def __rich__(self) -> RenderableType:
        width = self._console.width
        plots = Table.grid(expand=True)
        half = max(40, (width - 4) // 2)
        plots.add_column(width=half)
        plots.add_column(width=half)
        plots.add_row(*(self._plot(fleet, half) for fleet in (WEB, API)))
        room = max(4, self._console.height - 30)
        return Group(
            Panel(self._acts(), title="Setpoint: capacity follows events, safely", title_align="left"),
            plots,
            Panel(self._story(room), title="what happened", title_align="left"),
            Text("  ".join(f"{name}: {url}" for name, url in self._links), style="dim", overflow="ellipsis"),
        )

    def _acts(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for one in self._stage.performances:
            table.add_row(
                Text(_MARKS[one.status], style=_STYLES[one.status]),
                Text(one.act.title, style=_STYLES[one.status]),
                Text(one.evidence or one.act.tells, style="" if one.evidence else "dim"),
                Text(_lasted(one), style="dim"),
            )
        if self._stage.preparing:
            table.add_row("", Text(self._stage.preparing, style="yellow"))
        return table

    def _story(self, room: int) -> Text:
        story = Text(overflow="ellipsis", no_wrap=True)
        for when, line in self._stage.lines[-room:]:
            story.append(f"{when.astimezone():%H:%M:%S} ", style="dim")
            story.append(line + "\n", style="bold" if line.startswith("[") else "")
        return story

    def _plot(self, fleet: str, width: int) -> RenderableType:
        states = self._stage.history.get(fleet, [])
        drawn = draw(states, width - 2, 11) if len(states) > 2 else "waiting for the first numbers"
        return Panel(Text.from_ansi(drawn), title=f"{fleet}: load and capacity", title_align="left", padding=0)


def draw(states: Sequence[FleetState], width: int, height: int) -> str:
    """Load (requests/s) and what the instances in service can take, over time, as terminal text with colours.

    :param states: one fleet's recorded ticks, oldest first.
    :param width: columns; ``height``: rows.
    """
    import plotext

    newest = states[-1].time
    shown = [one for one in states if newest - one.time <= _SHOWN_SECONDS]
    times = [one.time - newest for one in shown]
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(width, height)
    plotext.plot(times, [one.rps for one in shown], label="requests/s", color="cyan", marker="braille")
    plotext.plot(times, [one.capacity.in_service for one in shown], label="in service", color="green", yside="right")
    return str(plotext.build())


def _lasted(one: Performance) -> str:
    if one.began_at is None or one.ended_at is None:
        return ""
    return f"{(one.ended_at - one.began_at).total_seconds():.0f} s"
