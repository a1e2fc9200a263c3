"""``setpoint lab``: an AWS to practise on."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from setpoint.cli.output import CommandError, ExitCode, Json, console, errors_reported, print_json, text


def lab(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 5055,
    host: Annotated[str, typer.Option(help="Address to listen on; leave it on loopback.")] = "127.0.0.1",
    config: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="JSON file with the fleets; three storefront fleets by default."
        ),
    ] = None,
    provision: Annotated[bool, typer.Option(help="Also create the fleets' groups, queue, topic and alarms.")] = True,
    as_json: Json = False,
) -> None:
    """Run the practice AWS in the foreground until Ctrl-C.

    It has fleets with traffic, metrics, alarms and a queue, and faults on
    demand. Any credentials do; nothing of it is real, or reaches a real AWS.

    Examples:

        setpoint lab

        setpoint lab --port 5066 --config fleets.json

        curl -s http://127.0.0.1:5055/_lab/state

    POST to /_lab/faults what shall go wrong, for one fleet or for all: for
    the metrics metric_outage, zeros, stale, out_of_range, spike, partial_data,
    internal_error or forbidden; for the API throttling, api_down, cut_off,
    slow, lost_answer or wrong_capacity (for some actions or times only);
    for the fleet launch_failure or bad_change. DELETE ends it.
    """
    from pydantic import ValidationError

    from setpoint.lab.config import default_config, load_config
    from setpoint.lab.server import run_lab

    with errors_reported(as_json):
        try:
            fleets = load_config(config) if config else default_config()
        except (ValidationError, OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{config}: {error}", ExitCode.NO) from error
        names = [fleet.group for fleet in fleets.fleets]
        if not as_json:
            console().print(text(f"fleets: {', '.join(names)}; Ctrl-C ends it"))

        def answers(url: str) -> None:
            """Port 0 is only known once it is taken, and a program that reads this wants to ask there at once."""
            if as_json:
                print_json({"url": url, "host": host, "port": urlsplit(url).port, "fleets": names})

        # On standard error, with the address.
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        run_lab(fleets, host, port, provision=provision, on_serving=answers)
