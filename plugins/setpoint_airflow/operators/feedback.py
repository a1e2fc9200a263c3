"""Outcome: wait for the capacity, watch health, record what the change did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from setpoint.failpoints import reached
from setpoint.model import Change, ChangeState, Outcome
from setpoint.quality.errors import GateError
from setpoint.sources.batches import BatchError
from setpoint.sources.contract import SourceError
from setpoint.steps.observe import observation_ends, observe, record_unjudged, why_unjudged
from setpoint.steps.settle import settle
from setpoint.targets.contract import TargetError
from setpoint_airflow.operators.base import PolicyOperator
from setpoint_airflow.runtime import Runtime, plan_chunk, utc_now


class FeedbackOperator(PolicyOperator):
    """The base of the steps that follow a change, for one chunk of the plan.

    :param chunk: one chunk, as ``DecideOperator`` returns it.
    """

    template_fields: Sequence[str] = ("chunk",)
    ui_color = "#ccfbf1"

    def __init__(self, *, chunk: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.chunk = chunk

    def effective(self, run: Runtime) -> tuple[Change, ...]:
        """The chunk's changes that changed something.

        :raises AirflowSkipException: there is none, so there is nothing to wait for or to judge.
        """
        changes = tuple(one for one in run.changes(plan_chunk(self.chunk)[1]) if one.state.effective)
        if not changes:
            raise AirflowSkipException("No change of this chunk took effect: nothing to follow")
        return changes


class InServiceSensor(FeedbackOperator):
    """Wait, deferred, until the chunk's capacity is in service, its launch failed, or its time is up.

    :param poll_seconds: seconds between two looks.
    """

    def __init__(self, *, poll_seconds: float = 5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.poll_seconds = poll_seconds

    def execute(self, context: Context) -> list[str]:
        with self.runtime(context) as run:
            try:
                changes = self._look(run)
            except TargetError as error:
                if not error.retryable:
                    raise
                self.log.warning("The targets cannot be read just now; the triggerer goes on looking: %s", error)
                changes = self.effective(run)
        if any(one.state is ChangeState.APPLIED for one in changes):
            reached("while_waiting", self.policy)
            self.defer_until_settled(context, [one.change_id for one in changes], self.poll_seconds)
        return [f"{one.plan.target}: {one.reason.text}" for one in changes]

    def execute_complete(self, context: Context, event: dict[str, Any]) -> list[str]:
        """Look again; the trigger settled nothing, it only said that it is time."""
        return self.execute(context)

    def _look(self, run: Runtime) -> tuple[Change, ...]:
        return settle(self.effective(run), policy=run.policy, target=run.reader, ledger=run.ledger, now=utc_now())


class WatchHealthOperator(FeedbackOperator):
    """Let the policy's observation window pass, deferred."""

    def execute(self, context: Context) -> str:
        with self.runtime(context) as run:
            until = max(observation_ends(one, run.policy) for one in self.effective(run))
        if utc_now() < until:
            reached("during_observation", self.policy)
            self.defer(trigger=DateTimeTrigger(moment=until), method_name="execute_complete")
        return until.isoformat()

    def execute_complete(self, context: Context, event: Any = None) -> str:
        """The observation window is over."""
        return self.execute(context)


class RecordOutcomeOperator(FeedbackOperator):
    """Measure health before and after, judge it, and record the outcome of each change.

    Each change stands for itself: where health cannot be read the task is tried again, and the others have their
    outcomes by then. What cannot be read for good, or on the last try, is recorded as inconclusive.
    """

    def execute(self, context: Context) -> list[dict[str, Any]]:
        ti = context["ti"]
        last_try = ti.try_number > ti.max_tries
        outcomes, unread = [], []
        with self.runtime(context) as run:
            for change in self.effective(run):
                try:
                    outcomes.append(_observe(run, change))
                except (SourceError, TargetError, BatchError, GateError) as error:
                    self.log.warning("%s: health could not be read: %s", change.plan.target, error)
                    if getattr(error, "retryable", True) and not last_try:
                        unread.append(f"{change.plan.target}: {error}")
                    else:
                        why = why_unjudged(change, error)
                        outcomes.append(
                            record_unjudged(change, why, policy=run.policy, ledger=run.ledger, now=utc_now())
                        )
        for one in outcomes:
            self.log.info("%s: %s, %s", one.target, one.verdict.value, "; ".join(why.text for why in one.reasons))
        if unread:
            raise SourceError("health could not be read, and is tried again: " + "; ".join(unread), retryable=True)
        return [
            {
                "target": one.target,
                "verdict": one.verdict.value,
                "followed": one.followed.value,
                "reasons": [why.text for why in one.reasons],
            }
            for one in outcomes
        ]


def _observe(run: Runtime, change: Change) -> Outcome:
    return observe(
        change,
        policy=run.policy,
        sources=run.sources,
        reader=run.reader,
        store=run.store,
        ledger=run.ledger,
        now=utc_now(),
    )
