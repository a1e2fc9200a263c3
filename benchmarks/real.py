"""A real Airflow with policies, against the practice AWS: what the benchmarks of the whole system run on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from setpoint.lab.config import FleetConfig, LabConfig
from setpoint.lab.process import LabProcess
from setpoint.lab.provision import airflow_connection, provision
from setpoint.stack.client import StackClient
from setpoint.stack.local import LocalStack
from setpoint.stack.postgres import TemporaryPostgres
from setpoint.stack.settings import REPOSITORY, prepare_home

DAGS_SECONDS = 180.0


@dataclass(frozen=True)
class Real:
    """Everything that runs, and where it is."""

    lab: LabProcess
    airflow: LocalStack
    api: StackClient
    queue_url: str
    ledger_url: str


Prepare = Callable[[LabProcess, str], None]
"""Called with the practice AWS and its queue's URL, before Airflow starts."""


@contextmanager
def real_airflow(
    home: Path,
    database: str,
    policies: Mapping[str, Mapping[str, Any]],
    fleets: Sequence[FleetConfig],
    *,
    publish_seconds: float = 1.0,
    prepare: Prepare = lambda lab, queue_url: None,
    **tuning: Any,
) -> Iterator[Real]:
    """Start the practice AWS and an Airflow, and wait until it has a Dag for every policy.

    :param home: an empty folder; ``home/dags`` is a copy of the project's Dag files, which ``prepare`` may edit.
    :param database: ``sqlite`` or ``postgresql``, for Airflow's metadata and for the ledger, each in one of its own.
    :param policies: the policies by name, as in their files.
    :param tuning: further arguments of :func:`setpoint.stack.settings.prepare_home`.
    """
    with ExitStack() as stack:
        metadata, ledger = None, f"sqlite:///{home / 'data' / 'ledger.db'}"
        if database == "postgresql":
            server = stack.enter_context(TemporaryPostgres())
            metadata, ledger = server.create_database("airflow"), server.create_database("ledger")
        for folder in ("policies", "data", "dags"):
            (home / folder).mkdir(parents=True)
        for name, policy in policies.items():
            (home / "policies" / f"{name}.yaml").write_text(yaml.safe_dump(dict(policy)))
        for file in (REPOSITORY / "dags").glob("*.py"):
            (home / "dags" / file.name).write_text(file.read_text())
        lab = stack.enter_context(LabProcess(LabConfig(fleets=tuple(fleets), publish_seconds=publish_seconds)))
        queue_url = provision(lab.url, fleets).queue_url
        prepare(lab, queue_url)
        settings = prepare_home(
            home / "airflow",
            dags_folder=home / "dags",
            database_url=metadata,
            all_admins=True,
            connections={"aws_default": airflow_connection(lab.url)},
            variables={
                "SETPOINT_POLICIES": str(home / "policies"),
                "SETPOINT_DATA": str(home / "data"),
                "SETPOINT_LEDGER_URL": ledger,
            },
            **tuning,
        )
        airflow = stack.enter_context(LocalStack(settings))
        api = stack.enter_context(airflow.client())
        api.wait_for_dags([f"setpoint.{name}" for name in policies], deadline_seconds=DAGS_SECONDS)
        yield Real(lab, airflow, api, queue_url, ledger)
