"""``setpoint.reconcile``: desired against actual, unfinished changes, unrecorded outcomes; and old batches."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from setpoint_airflow.form import START
from setpoint_airflow.operators.reconcile import ListPoliciesOperator, ReconcileOperator
from setpoint_airflow.operators.retention import PruneBatchesOperator

with DAG(
    dag_id="setpoint.reconcile",
    description="Desired against actual: finish what a crash left, record what was never judged, report drift",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("*/5 * * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["setpoint"],
    default_args={"owner": "setpoint", "retries": 1, "retry_delay": timedelta(seconds=10)},
):
    policies = ListPoliciesOperator(task_id="list_policies")
    ReconcileOperator.partial(task_id="reconcile").expand(policies=policies.output)
    PruneBatchesOperator(task_id="prune_batches")
