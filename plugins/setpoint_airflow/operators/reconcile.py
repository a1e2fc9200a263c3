"""The steps of ``setpoint.reconcile``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator, Context

from setpoint.policy.loader import load_policies
from setpoint.policy.problems import PolicyError
from setpoint.settings import load_settings
from setpoint.sources.contract import SourceError
from setpoint.steps.reconcile import reconcile
from setpoint.steps.reconciled import Reconciled, summary
from setpoint.targets.contract import TargetError
from setpoint_airflow.exceptions import RunFailedError
from setpoint_airflow.runtime import runtime, utc_now

GROUPS = 8
"""Mapped tasks at most; a thousand policies are 8 tasks, not a thousand."""


class ListPoliciesOperator(BaseOperator):
    """List the valid policies, in groups."""

    def execute(self, context: Context) -> list[list[str]]:
        loaded = load_policies(load_settings().policies)
        names = [one.policy.name for one in loaded.policies]
        for path, problems in loaded.broken.items():
            self.log.warning("%s is left out, it has %d problems", path.name, len(problems))
        return [group for group in (names[start::GROUPS] for start in range(GROUPS)) if group]


class ReconcileOperator(BaseOperator):
    """Reconcile some policies, each on its own: one that cannot be read does not keep the others from it.

    :param policies: the policies' names.
    """

    template_fields: Sequence[str] = ("policies",)

    def __init__(self, *, policies: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.policies = policies

    def execute(self, context: Context) -> list[str]:
        told: list[Reconciled] = []
        for name in self.policies:
            try:
                told.append(self._one(name, context["run_id"]))
            except (PolicyError, TargetError, SourceError) as error:
                told.append(Reconciled(name, problems=[str(error)]))
        lines = summary(told).splitlines()
        for line in lines:
            self.log.info(line)
        broken = [f"{one.policy}: {problem}" for one in told for problem in one.problems]
        if broken:
            raise RunFailedError("Could not be reconciled: " + "; ".join(broken))
        return lines

    def _one(self, name: str, airflow_run_id: str) -> Reconciled:
        grace = load_settings().reconcile_grace
        with runtime(name, airflow_run_id) as run:
            return reconcile(
                run.policy,
                run_id=run.run_id,
                reader=lambda: run.reader,
                target=lambda: run.target,
                sources=lambda: run.sources,
                store=run.store,
                ledger=run.ledger,
                clock=utc_now,
                grace=grace,
                # A run decides within minutes; one that has to be started again takes the grace, and its minutes anew.
                stranded_after=1.5 * grace,
            )
