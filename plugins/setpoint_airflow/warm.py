"""Doing everything once before the tasks are forked, so that none of them pays for a first time.

Measured on two cores: the first validation of a process takes 215 ms and the next 60, because Great Expectations builds
its registries on first use; a Dag file's first parse takes 144 ms and the next 54. A task is a fresh fork each time, so
all of its times are first ones, unless the process it is forked from has been through it.
"""

from __future__ import annotations

import logging
from pathlib import Path

from setpoint.ledger import Ledger, LedgerError
from setpoint.settings import load_settings

log = logging.getLogger("setpoint.preload")


def warm_up() -> None:
    """Go once through what tasks do. What fails is said and left: tasks work without, and take longer."""
    for step in (_mappers, _plugins, _clients, _evaluation, _ledger, _dag_files):
        try:
            step()
        except Exception:
            # The boundary of the scheduler's process, which must start all the same.
            log.warning("warming up %s failed; tasks work, and take longer", step.__name__, exc_info=True)


def meet_ledger() -> None:
    """Connect to the ledger's server, in a process that has no task yet: 30 ms that its task need not wait.

    The connection is found by the task that opens the ledger, for both use the engine of the rehearsal. Whoever names
    the ledger by an Airflow connection has none to ask for it without a task; and a file is open in a millisecond.
    """
    settings = load_settings()
    if settings.ledger_connection is not None or settings.ledger_url.startswith("sqlite"):
        return
    try:
        Ledger.open(settings.ledger_url).meet()
    except LedgerError as error:
        # The task that needs it will say so, where somebody looks.
        log.debug("The ledger is not met ahead of the task: %s", error)


def _mappers() -> None:
    """An SQLAlchemy query configures every mapper in the process, and Airflow imports all its models then (0.6 s)."""
    from airflow.models import import_all_models
    from sqlalchemy.orm import configure_mappers

    import_all_models()
    configure_mappers()


def _plugins() -> None:
    """Each task looks for plugins first."""
    from airflow.plugins_manager import ensure_plugins_loaded

    ensure_plugins_loaded()


def _clients() -> None:
    """Reads botocore's descriptions of the services. No credentials are looked for, and nothing is sent."""
    from setpoint_airflow.connections.aws import warm_up as build_clients

    build_clients()


def _evaluation() -> None:
    """Rehearse a run, for Great Expectations and pandas."""
    from setpoint.steps.rehearse import rehearse

    rehearse(None)


def _ledger() -> None:
    """Rehearse it once more with a ledger: SQLAlchemy writes each statement of the way when it is first executed."""
    from setpoint.ledger.rehearsal import rehearsal
    from setpoint.steps.rehearse import rehearse
    from setpoint_airflow.ledger import ledger_url

    with rehearsal(ledger_url()) as ledger:
        rehearse(ledger)
        if ledger is not None:
            ledger.meet()


def _dag_files() -> None:
    """Parse the policies' Dag file for one policy, and read the others: an unchanged file is not read again."""
    from airflow.configuration import conf
    from airflow.dag_processing.dagbag import BundleDagBag
    from airflow.sdk.execution_time.task_runner import _airflow_parsing_context_manager

    from setpoint.policy.loader import load_policies
    from setpoint_airflow.remembered import MOST

    file = Path(conf.get("core", "dags_folder")) / "setpoint_policies.py"
    if not file.exists():
        return
    for one in load_policies(load_settings().policies).policies[:MOST]:
        with _airflow_parsing_context_manager(dag_id=f"setpoint.{one.policy.name}", task_id="take_events"):
            BundleDagBag(
                dag_folder=str(file),
                safe_mode=False,
                load_op_links=False,
                bundle_path=file.parent,
                bundle_name="warm-up",
            )
