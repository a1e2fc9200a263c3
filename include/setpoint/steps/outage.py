"""Pull a batch, also when a source does not answer: what that means for the metrics that do, and for the fallback.

A metric that decides and cannot be read is a failed batch for every target, and counts as one. Unless something is to
be done all the same (a fallback that is due, a capacity that somebody asks for), the error is raised as it is: the run
fails where people see it, and its events wait for the next one. A metric that decides nothing is missing, and the gate
says so of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from setpoint.guards.fallback import applies
from setpoint.ledger import Ledger
from setpoint.model import MetricBatch
from setpoint.policy.schema import Policy
from setpoint.sources.batches import BatchStore
from setpoint.sources.contract import Source, SourceError
from setpoint.sources.origin import by_origin


@dataclass
class Silence:
    """Takes what sources could not answer, once there is no use in asking again."""

    last_try: bool
    errors: dict[str, SourceError] = field(default_factory=dict)
    """By origin."""

    def __call__(self, origin: str, error: SourceError) -> bool:
        """Whether to go on without an origin's answer; else its error is raised, and the task tried again."""
        if error.retryable and not self.last_try:
            return False
        self.errors[origin] = error
        return True

    def deciding(self, policy: Policy) -> list[str]:
        """The origins that gave no answer for a metric that decides."""
        decides = set(policy.deciding_metrics())
        return [
            origin for origin, metrics in by_origin(policy).items() if origin in self.errors and decides & {*metrics}
        ]


def pull_through_outage(
    policy: Policy,
    targets: Sequence[str],
    *,
    run_id: str,
    sources: Mapping[str, Source],
    store: BatchStore,
    ledger: Ledger,
    now: datetime,
    last_try: bool,
    asked: bool,
) -> MetricBatch:
    """Pull a batch; where a source does not answer for good, go on without it if there is something to go on to.

    :param last_try: whether the task will not be tried again.
    :param asked: whether the run is about a capacity that somebody asks for, which rests on no metrics.
    :raises SourceError: a source did not answer, and a metric that decides is its.
    """
    from setpoint.sources.pull import pull

    silence = Silence(last_try)
    batch = pull(policy, targets, now, sources, store, silence)
    lost = silence.deciding(policy)
    if not lost:
        return batch
    error = silence.errors[lost[0]]
    streaks = ledger.count_batch(policy.name, dict.fromkeys(batch.targets, True), batch.window.end)
    words = "; ".join(f"{origin} does not answer: {silence.errors[origin]}" for origin in lost)
    ledger.note_source(policy.name, run_id, batch.window.end, words)
    due = any(applies(policy.fallback, streak) for streak in streaks.values())
    if asked or (due and policy.fallback.then.units is not None):
        return batch
    raise error
