"""One Dag per policy file: ``setpoint.<policy>``.

Event -> MetricBatch -> QualityReport -> Signal -> Decision -> Plan -> Change -> Outcome
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG, TriggerRule, get_parsing_context, task_group

from setpoint.policy.loader import load_policies, policy_named
from setpoint.policy.problems import PolicyError
from setpoint.settings import load_settings
from setpoint_airflow.docs import policy_page
from setpoint_airflow.form import START, schedule_of, trigger_form
from setpoint_airflow.operators.change import ApplyChangesOperator, RollBackOperator
from setpoint_airflow.operators.decide import DecideOperator
from setpoint_airflow.operators.evaluate import AggregateOperator, PullMetricsOperator, ValidateBatchOperator
from setpoint_airflow.operators.feedback import InServiceSensor, RecordOutcomeOperator, WatchHealthOperator
from setpoint_airflow.operators.intake import TakeEventsOperator
from setpoint_airflow.operators.record import CloseRunOperator, HoldOperator, QuarantineOperator
from setpoint_airflow.remembered import remembered
from setpoint_airflow.watch import policy_assets

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy

DAG_PREFIX = "setpoint."
RETRY = {"retries": 2, "retry_delay": timedelta(seconds=5), "retry_exponential_backoff": 2.0}


@remembered
def policy_dag(policy: Policy) -> DAG:
    """The Dag of one policy."""
    pool = load_settings().change_pool
    with DAG(
        dag_id=DAG_PREFIX + policy.name,
        description=policy.description or f"Event-driven capacity of {policy.name}",
        doc_md=policy_page(policy),
        schedule=schedule_of(policy),
        start_date=START,
        catchup=False,
        # A run lasts as long as its observation window; meanwhile others may look. The ledger lets one change a target.
        max_active_runs=16,
        tags=["setpoint", f"owner:{policy.owner}"],
        default_args={"owner": policy.owner, "policy": policy.name, **RETRY},
    ) as dag:
        # What these return is in the ledger, where the tasks that follow read it; an XCom each would cost every event
        # a tenth of a second.
        event = TakeEventsOperator(task_id="take_events", inlets=policy_assets(policy), do_xcom_push=False)
        batch = PullMetricsOperator(task_id="pull_metrics", do_xcom_push=False)
        report = ValidateBatchOperator(task_id="validate", do_xcom_push=False)
        signal = AggregateOperator(task_id="aggregate", do_xcom_push=False)
        decision = DecideOperator(task_id="decide")

        hold = HoldOperator(task_id="hold")
        quarantine = QuarantineOperator(task_id="quarantine")
        scale_out = ApplyChangesOperator.partial(task_id="scale_out", direction="scale_out", pool=pool)
        scale_in = ApplyChangesOperator.partial(task_id="scale_in", direction="scale_in", pool=pool)
        changes = [scale_out.expand(chunk=decision.output), scale_in.expand(chunk=decision.output)]

        @task_group(group_id="feedback")
        def feedback(chunk: object) -> None:
            # Also when another chunk failed: what was changed is followed to the end.
            in_service = InServiceSensor(task_id="in_service", chunk=chunk, trigger_rule=TriggerRule.ALL_DONE)
            health = WatchHealthOperator(task_id="watch_health", chunk=chunk)
            outcome = RecordOutcomeOperator(task_id="record_outcome", chunk=chunk)
            in_service >> health >> outcome >> RollBackOperator(task_id="roll_back", chunk=chunk, pool=pool)

        outcomes = feedback.expand(chunk=decision.output)
        close = CloseRunOperator(task_id="close_run", trigger_rule=TriggerRule.ALL_DONE)

        event >> batch >> report >> signal >> decision >> [hold, quarantine, *changes]
        changes >> outcomes
        [hold, quarantine, outcomes] >> close
    # Last, because it is the run's form: each task made after it would copy, check and store one of its own.
    dag.params.update(trigger_form(policy))
    return dag


def wanted_policies() -> list[Policy]:
    """The policies to build: all of them when Airflow parses the file, the one whose task it is when a task runs."""
    folder, dag_id = load_settings().policies, get_parsing_context().dag_id
    if dag_id is None:
        return [one.policy for one in load_policies(folder).policies]
    if not dag_id.startswith(DAG_PREFIX):
        return []
    try:
        return [policy_named(dag_id.removeprefix(DAG_PREFIX), folder).policy]
    except PolicyError:
        return []  # setpoint_policy_problems.py tells what is wrong with it


for each in wanted_policies():
    globals()[f"setpoint_{each.name}"] = policy_dag(each)
