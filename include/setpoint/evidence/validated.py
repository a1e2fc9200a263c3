"""The gate's suite, run once more over a stored batch, with all that Great Expectations says of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from setpoint.model import MetricBatch, QualityReport, SeriesHistory
from setpoint.quality.judge import judge, validate_all

if TYPE_CHECKING:
    import pandas as pd

    from setpoint.policy.schema import Policy


def validated(
    frame: pd.DataFrame, batch: MetricBatch, policy: Policy, now: datetime, history: Sequence[SeriesHistory] = ()
) -> tuple[Any, Any, QualityReport]:
    """The suite, its validation result, and the report that the gate makes of it.

    :returns: ``None`` for suite and result when something is wrong with the batch as a whole.
    :raises GateError: Great Expectations could not evaluate an expectation.
    """
    report = judge(frame, batch, policy, now, history)
    if report.frame_problems:
        return None, None, report
    return *validate_all(frame, batch, policy, history), report
