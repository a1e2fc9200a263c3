"""`python -m setpoint.lab`: the practice AWS in the foreground."""

import argparse
import json
import logging
import sys
from pathlib import Path

from pydantic import ValidationError

from setpoint.lab.config import ACCESS_KEY, REGION, SECRET_KEY
from setpoint.lab.server import DEFAULT_PORT, PortTakenError, read_config, run_lab


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m setpoint.lab",
        description="An AWS to practise on: Auto Scaling, CloudWatch, SNS, SQS and more, with simulated traffic.",
        epilog=f"Clients: any credentials ({ACCESS_KEY}/{SECRET_KEY}), region {REGION}, endpoint URL as printed.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port, 0 for a free one (default %(default)s)")
    parser.add_argument("--config", type=Path, help="JSON file with a LabConfig (default: the storefront)")
    parser.add_argument("--provision", action="store_true", help="create groups, queues, topic and alarms at start")
    parser.add_argument("--print-config", action="store_true", help="print the config as JSON and stop")
    parser.add_argument("--end-with-parent", action="store_true", help="stop when the starting process is gone")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        config = read_config(options.config)
    except (OSError, ValidationError) as error:
        sys.stderr.write(f"the config {options.config} cannot be used: {error}\n")
        return 2
    if options.print_config:
        sys.stdout.write(json.dumps(config.model_dump(mode="json"), indent=2) + "\n")
        return 0
    try:
        run_lab(
            config, options.host, options.port, provision=options.provision, end_with_parent=options.end_with_parent
        )
    except PortTakenError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
