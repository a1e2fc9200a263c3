"""Whether a batch is the one a policy asked for: its reference, and the rows that came with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from setpoint.model import MetricBatch

if TYPE_CHECKING:
    import pandas as pd

    from setpoint.policy.schema import Policy
    from setpoint.signals.locate import SeriesRows

_EXAMPLES = 3


def reference_problems(batch: MetricBatch, policy: Policy) -> tuple[str, ...]:
    """Where a batch's reference does not fit the policy it is judged for."""
    problems = []
    if batch.policy != policy.name:
        problems.append(f"the batch was pulled for policy {batch.policy}; this is policy {policy.name}")
    seen = {one.metric: one for one in batch.series}
    for metric, status in seen.items():
        config = policy.metrics.get(metric)
        if config is None:
            problems.append(f"the batch was asked for {metric}, which is no metric of policy {policy.name}")
        elif (status.period_seconds, status.expected_points) != (config.period_seconds, config.expected_points):
            problems.append(
                f"{metric} was asked for {status.expected_points} points of {status.period_seconds} s; "
                f"the policy now says {config.expected_points} of {config.period_seconds} s"
            )
        elif batch.units.get(metric, "") != config.unit:
            problems.append(f"{metric} came in unit {batch.units.get(metric, '')!r}; the policy says {config.unit!r}")
    return tuple(problems)


def row_problems(frame: pd.DataFrame, batch: MetricBatch, rows: SeriesRows) -> tuple[str, ...]:
    """Rows that are missing, and rows of series nobody asked for."""
    problems = []
    if len(frame) != batch.rows:
        problems.append(f"the frame has {len(frame)} rows; the batch was written with {batch.rows}")
    if len(rows.strangers):
        names = frame.iloc[rows.strangers][["target", "metric"]].drop_duplicates().head(_EXAMPLES)
        examples = ", ".join(f"{metric} of {target!r}" for target, metric in names.itertuples(index=False))
        problems.append(f"{len(rows.strangers)} rows are of series nobody asked for, such as {examples}")
    return tuple(problems)
