"""``setpoint demo``: the whole loop, on a real Airflow, against the practice AWS."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from setpoint.demo.play import Stage
    from setpoint.demo.world import DemoWorld, Say

DEFAULT_AIRFLOW_PORT, DEFAULT_LAB_PORT = 8080, 5055
_LOG_COLUMNS = 160


def demo(
    exit_: Annotated[
        bool, typer.Option("--exit", help="End after the last act: status 0 only if every act really happened.")
    ] = False,
    port: Annotated[int, typer.Option(min=1024, max=65535, help="Port of the Airflow UI.")] = DEFAULT_AIRFLOW_PORT,
    lab_port: Annotated[int, typer.Option(min=1024, max=65535, help="Port of the practice AWS.")] = DEFAULT_LAB_PORT,
    home: Annotated[Path, typer.Option(help="Where the demo keeps everything; emptied at the start.")] = Path(
        ".setpoint/demo"
    ),
    picture: Annotated[Path, typer.Option(help="Where the PNG is written.")] = Path(".setpoint/demo.png"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON at the end.")] = False,
) -> None:
    """Watch a traffic spike arrive as an alarm, be checked, decided, acted on and judged.

    Starts the practice AWS and a real Airflow on this machine (about a minute), then plays four acts (about three):
    a flash sale, a quiet time, broken metrics, and a change that does harm.

    Examples:

        setpoint demo                 stays up for exploring until Ctrl-C

        setpoint demo --exit          ends by itself; the status tells whether every act happened

        setpoint demo --port 8090     when 8080 is taken
    """
    from setpoint.demo.world import ended_by_signals
    from setpoint.lab.process import LabStartError
    from setpoint.stack.errors import StackError

    console = _console(as_json)
    try:
        with ended_by_signals():
            complete = _run(console, exit_, port, lab_port, home.resolve(), picture, as_json)
    except (StackError, LabStartError) as error:
        console.print(str(error), style="bold red", markup=False, highlight=False)
        if "port" in str(error) and "taken" in str(error):
            console.print("Choose other ports: make demo ARGS='--port 8090 --lab-port 5066'", markup=False)
        raise typer.Exit(3) from error
    except KeyboardInterrupt:
        console.print("\nstopped; nothing is left running")
        raise typer.Exit(130) from None
    raise typer.Exit(0 if complete else 1)


def _console(as_json: bool) -> Console:
    """Standard output, or standard error when that is for JSON; wide enough for the tables where there is no window."""
    console = Console(stderr=as_json)
    return console if console.is_terminal else Console(stderr=as_json, width=_LOG_COLUMNS)


def _run(console: Console, exit_: bool, port: int, lab_port: int, home: Path, picture: Path, as_json: bool) -> bool:
    from setpoint.demo.acts import ACTS
    from setpoint.demo.picture import paint
    from setpoint.demo.play import Performance, Stage
    from setpoint.demo.report import changes_report, fleets_report, tables
    from setpoint.demo.world import demo_world
    from setpoint.settings import load_settings

    if home.exists() and not (home / ".setpoint-demo").exists() and any(home.iterdir()):
        console.print(f"{home} is not a demo's home and not empty; choose another with --home", style="bold red")
        raise typer.Exit(2)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / ".setpoint-demo").touch()
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - began:5.1f} s  {text}", markup=False, highlight=False, soft_wrap=True)

    with demo_world(home, load_settings().policies, airflow_port=port, lab_port=lab_port, say=say) as world:
        links = [
            ("Airflow", world.api_url),
            ("web's Dag", f"{world.api_url}/dags/setpoint.storefront-web"),
            ("practice AWS", f"{world.lab_url}/_lab/state"),
        ]
        stage = Stage([Performance(act) for act in ACTS], datetime.now(UTC))
        for name, url in links:
            say(f"{name}: {url}")
        _play_on(console, world, stage, links, say)
        changes, fleets = changes_report(world, stage), fleets_report(world)
        paint(stage, changes, picture)
        for table in tables(changes, fleets, stage):
            console.print(table)
        console.print(f"picture: {picture}", markup=False)
        pages = [("quarantined batch", one.page) for one in stage.performances if one.page]
        for name, url in pages:
            console.print(f"{name}: {url}", markup=False, soft_wrap=True)
        if as_json:
            acts = [
                {"act": one.act.title, "status": one.status.value, "evidence": one.evidence, "page": one.page or None}
                for one in stage.performances
            ]
            sys.stdout.write(json.dumps({"acts": acts, "changes": changes, "fleets": fleets}, indent=2) + "\n")
        if not exit_:
            _explore(console, [*links, *pages], home)
        return stage.complete


def _play_on(console: Console, world: DemoWorld, stage: Stage, links: Sequence[tuple[str, str]], say: Say) -> None:
    """Play with a live view on a terminal, and with plain lines elsewhere."""
    from rich.live import Live

    from setpoint.demo.play import play
    from setpoint.demo.view import View

    if console.is_terminal:
        view = View(stage, console, links)
        with Live(view, console=console, refresh_per_second=2, screen=False, vertical_overflow="crop") as live:
            play(world, stage, lambda: live.update(view))
        return
    shown = 0

    def show() -> None:
        nonlocal shown
        for _, line in stage.lines[shown:]:
            say(line)
        shown = len(stage.lines)

    play(world, stage, show)
    show()


def _explore(console: Console, links: Sequence[tuple[str, str]], home: Path) -> None:
    """Stay up until Ctrl-C."""
    console.print("\nEverything stays up for exploring; Ctrl-C ends it.")
    for name, url in links:
        console.print(f"  {name}: {url}", markup=False)
    console.print(f"  the ledger: SETPOINT_DATA={home / 'data'} .venv/bin/setpoint history", markup=False)
    while True:
        time.sleep(3600)
