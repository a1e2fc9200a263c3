"""The base of the operators that make up a policy's Dag."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from airflow.sdk import BaseOperator, Context

from setpoint_airflow.runtime import Runtime, runtime
from setpoint_airflow.triggers.settled import ChangesSettledTrigger


class PolicyOperator(BaseOperator):
    """One step of a policy's run.

    :param policy: the policy's name; its file is read when the task runs, so a stricter limit counts at once.
    """

    template_fields: Sequence[str] = ()
    ui_fgcolor = "#12263a"

    def __init__(self, *, policy: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.policy = policy

    def runtime(self, context: Context) -> AbstractContextManager[Runtime]:
        """The policy and the ledger, for the length of the ``with`` block."""
        return runtime(self.policy, context["run_id"])

    def defer_until_settled(self, context: Context, change_ids: Sequence[str], poll_seconds: float) -> None:
        """Defer until the changes are settled, and go on in ``execute_complete``; does not return."""
        self.defer(
            trigger=ChangesSettledTrigger(
                policy=self.policy, run_id=context["run_id"], change_ids=change_ids, poll_seconds=poll_seconds
            ),
            method_name="execute_complete",
        )
