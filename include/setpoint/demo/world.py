"""Everything the demo runs on: the practice AWS and a real Airflow, started and stopped as one."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from setpoint.lab.client import LabClient
from setpoint.lab.config import default_config
from setpoint.lab.process import LabProcess
from setpoint.lab.provision import airflow_connection, client, provision
from setpoint.ledger import Ledger
from setpoint.stack.client import StackClient
from setpoint.stack.local import LocalStack
from setpoint.stack.ports import require_free
from setpoint.stack.settings import prepare_home

Say = Callable[[str], None]

DAGS_DEADLINE_SECONDS = 120


@dataclass(frozen=True)
class DemoWorld:
    """The running parts of the demo."""

    lab: LabClient
    airflow: StackClient
    ledger: Ledger
    autoscaling: Any
    """A client of the practice AWS's Auto Scaling."""
    data: Path
    api_url: str
    lab_url: str
    require_running: Callable[[], None]


@contextmanager
def demo_world(home: Path, policies: Path, *, airflow_port: int, lab_port: int, say: Say) -> Iterator[DemoWorld]:
    """Start the practice AWS and Airflow with the example policies, and wait until their Dags are there.

    :param say: told each step, in words.
    :raises StackError: a port is taken, a component died, or the Dags did not appear; the message has the way out.
    """
    require_free(lab_port, "practice AWS")
    with ExitStack() as stack:
        home.mkdir(parents=True, exist_ok=True)
        config = default_config()
        say("starting the practice AWS")
        lab = stack.enter_context(LabProcess(config, lab_port, log_path=home / "lab.log"))
        provision(lab.url, config.fleets)
        data = home / "data"
        ledger_url = f"sqlite:///{data / 'ledger.db'}"
        data.mkdir(exist_ok=True)
        ledger = stack.enter_context(Ledger.open(ledger_url))
        settings = prepare_home(
            home / "airflow",
            api_port=airflow_port,
            all_admins=True,
            connections={"aws_default": airflow_connection(lab.url)},
            variables={
                "SETPOINT_POLICIES": str(policies),
                "SETPOINT_DATA": str(data),
                "SETPOINT_LEDGER_URL": ledger_url,
            },
        )
        say("starting Airflow: database, API server, scheduler, Dag processor, triggerer")
        airflow = stack.enter_context(
            LocalStack(settings, on_progress=lambda step: say(f"{step.part.replace('-', ' ')} {step.state}"))
        )
        api = stack.enter_context(airflow.client())
        say("waiting for the policies' Dags")
        wanted = [f"setpoint.{path.stem}" for path in policies.glob("*.yaml")]
        api.wait_for_dags(wanted, deadline_seconds=DAGS_DEADLINE_SECONDS)
        yield DemoWorld(
            lab=lab.client,
            airflow=api,
            ledger=ledger,
            autoscaling=client("autoscaling", lab.url),
            data=data,
            api_url=settings.api_url,
            lab_url=lab.url,
            require_running=airflow.require_running,
        )


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into the same orderly end as Ctrl-C."""

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    earlier = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
