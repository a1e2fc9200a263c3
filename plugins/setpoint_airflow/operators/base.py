"""The base of the operators that make up a policy's Dag."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from airflow.sdk import BaseOperator, Context

from setpoint.sources.contract import SourceError
from setpoint.targets.contract import TargetError
from setpoint_airflow.exceptions import PermanentError
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

    @contextmanager
    def runtime(self, context: Context) -> Iterator[Runtime]:
        """The policy and the ledger, for the length of the ``with`` block.

        :raises PermanentError: AWS refused something in the block for good: Airflow does not try the task again.
        """
        with runtime(self.policy, context["run_id"]) as run:
            try:
                yield run
            except (SourceError, TargetError) as error:
                if error.retryable:
                    raise
                raise PermanentError(str(error)) from error

    def defer_until_settled(self, context: Context, change_ids: Sequence[str], poll_seconds: float) -> None:
        """Defer until the changes are settled, and go on in ``execute_complete``; does not return."""
        self.defer(
            trigger=ChangesSettledTrigger(
                policy=self.policy, run_id=context["run_id"], change_ids=change_ids, poll_seconds=poll_seconds
            ),
            method_name="execute_complete",
        )
