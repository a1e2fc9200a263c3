"""Doing everything once before the tasks are forked, so that none of them pays for a first time.

Measured on two cores: the first validation of a process takes 215 ms and the next 60, because Great Expectations builds
its registries on first use; a Dag file's first parse takes 144 ms and the next 54. A task is a fresh fork each time, so
all of its times are first ones, unless the process it is forked from has been through it.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

log = logging.getLogger("setpoint.preload")

_POLICY = {
    "version": 1,
    "name": "warm-up",
    "owner": "setpoint",
    "targets": {"kind": "aws.autoscaling_group", "region": "eu-west-1", "names": ["warm-up"]},
    "metrics": {
        "cpu": {
            "source": "aws.cloudwatch",
            "namespace": "AWS/EC2",
            "name": "CPUUtilization",
            "statistic": "Average",
            "period": "60s",
            "window": "10m",
        }
    },
    "scale": {
        "strategy": "threshold",
        "signal": {"metric": "cpu", "aggregate": "p90"},
        "out": {"above": 70, "for": "3 of 5", "add": 1},
    },
    "limits": {"min": 1, "max": 2},
    "feedback": {"after": "1m", "healthy": {"cpu": {"max": 90}}},
}


def warm_up() -> None:
    """Go once through what tasks do. What fails is said and left: tasks work without, and take longer."""
    for step in (_mappers, _plugins, _clients, _evaluation, _dag_files):
        try:
            step()
        except Exception:
            # The boundary of the scheduler's process, which must start all the same.
            log.warning("warming up %s failed; tasks work, and take longer", step.__name__, exc_info=True)


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
    """Write, read, judge and aggregate a batch of ten points."""
    import numpy as np

    from setpoint.model import Completeness, SeriesStatus, Window
    from setpoint.policy.schema import Policy
    from setpoint.sources.batches import BatchStore
    from setpoint.sources.frame import long_frame
    from setpoint.steps.evaluate import aggregate_batch, judge_batch

    policy = Policy.model_validate(_POLICY)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    start = now - timedelta(minutes=10)
    seconds = np.arange(10, dtype=np.int64) * 60 + int(start.timestamp())
    frame = long_frame(
        microseconds=seconds * 1_000_000, targets=["warm-up"], metrics=["cpu"], counts=[10], values=np.full(10, 42.0)
    )
    status = SeriesStatus(
        target="warm-up",
        metric="cpu",
        status=Completeness.COMPLETE,
        points=10,
        expected_points=10,
        period_seconds=60,
        messages=(),
    )
    with TemporaryDirectory(prefix="setpoint-warm-up-") as folder:
        store = BatchStore(Path(folder))
        batch = store.write(
            frame,
            policy=policy.name,
            window=Window(start=start, end=now),
            series=[status],
            units={"cpu": ""},
            pulled_at=now,
        )
        judge_batch(policy, batch, store=store, now=now)
        aggregate_batch(policy, batch, store=store)


def _dag_files() -> None:
    """Parse the policies' Dag file for one policy, and read the others: an unchanged file is not read again."""
    from airflow.configuration import conf
    from airflow.dag_processing.dagbag import BundleDagBag
    from airflow.sdk.execution_time.task_runner import _airflow_parsing_context_manager

    from setpoint.policy.loader import load_policies
    from setpoint.settings import load_settings
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
