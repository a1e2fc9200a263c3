"""Great Expectations as the judge, kept quiet and quick: one context a process, nothing sent home, no progress bars.

Importing this module imports Great Expectations, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import great_expectations as gx
import numpy as np
import pandas as pd

from setpoint.model import FRAME_COLUMNS
from setpoint.policy.schema import Policy
from setpoint.quality.errors import GateError
from setpoint.quality.rules import RULES, Rule, bounds_of
from setpoint.quality.suite import FRAME_TYPES, expectation, frame_suite, glance_suite, series_suite, suite_name
from setpoint.signals.locate import Booleans

_KEY = ["target", "metric"]
_BY_NAME = {"result_format": "COMPLETE", "unexpected_index_column_names": _KEY}
Broken = dict[str, frozenset[tuple[str, str]]]
"""By rule: the series that break it, by target and metric."""


def frame_problems(frame: pd.DataFrame) -> tuple[str, ...]:
    """What is wrong with a frame's columns and types, in words; empty when nothing is."""
    if tuple(frame.columns) == FRAME_COLUMNS and _looks_right(frame):
        return ()
    # Types belong to the columns, so no row is needed to judge them.
    columns, *types = _validate(frame.head(0), frame_suite(), "COMPLETE").results
    if not columns.success:
        found = ", ".join(map(str, frame.columns)) or "none"
        return (f"the columns are {found}; they must be {', '.join(FRAME_COLUMNS)}, in this order",)
    return tuple(
        f"column {column} has type {frame[column].dtype}; it must be {_words(column)}"
        for column, one in zip(FRAME_TYPES, map(_sound, types), strict=True)
        if not one.success
    )


def broken_rules(summary: pd.DataFrame, policy: Policy) -> Broken:
    """The series that break each rule. A rule that all series keep is there too, with none.

    A clean batch, the common case, is found clean by one expectation; only when that fails are those of the policy's
    suite run that something breaks, with the failing series by name.

    :param summary: what :func:`setpoint.quality.summary.summarise` gives.
    :raises GateError: Great Expectations could not evaluate an expectation, or finds nothing where something is.
    """
    broken: Broken = {rule.name: frozenset() for rule in RULES}
    excess = excesses(summary, policy)
    if summary.empty or _holds(_validate(pd.DataFrame(excess), glance_suite(), "BOOLEAN_ONLY")):
        return broken
    metrics = summary["metric"].to_numpy()
    suspects = [(rule, metric) for rule in RULES for metric in dict.fromkeys(metrics[excess[rule.name] != 0].tolist())]
    bounds = bounds_of(policy, tuple(policy.metrics))
    suite = gx.ExpectationSuite(
        name=suite_name(policy.name),
        expectations=[expectation(rule, policy, metric, bounds[rule.name][metric]) for rule, metric in suspects],
    )
    for one in map(_sound, _validate(_judged(summary, [rule for rule, _ in suspects]), suite, _BY_NAME).results):
        broken[one.expectation_config.meta["check"]] |= frozenset(_keys(one))
    if not any(broken.values()):
        names = ", ".join(dict.fromkeys(rule.name for rule, _ in suspects))
        raise GateError(f"Great Expectations finds no series that breaks {names}, and yet something does")
    return broken


def validation(summary: pd.DataFrame, policy: Policy) -> tuple[Any, Any]:
    """The policy's whole suite, and all that Great Expectations says of a summary by it: what a page is made from.

    Slower than :func:`broken_rules` by the number of expectations, and of the same verdict.
    """
    suite = series_suite(policy)
    return suite, _validate(_judged(summary, RULES), suite, _BY_NAME)


def excesses(summary: pd.DataFrame, policy: Policy) -> dict[str, Any]:
    """By rule, one whole number a series: how much breaks it; 0 exactly where it holds."""
    metrics = tuple(dict.fromkeys(summary["metric"].tolist()))
    codes = {metric: code for code, metric in enumerate(metrics)}
    of_series = np.array([codes[metric] for metric in summary["metric"]], dtype=np.int64)
    bounds = bounds_of(policy, metrics)
    return {rule.name: _excess(rule, summary, bounds[rule.name], metrics, of_series) for rule in RULES}


def _excess(
    rule: Rule, summary: pd.DataFrame, bounds: Mapping[str, float], metrics: tuple[str, ...], of_series: Any
) -> Any:
    values = summary[rule.column].to_numpy()
    on = np.array([metric in bounds for metric in metrics], dtype=np.bool_)[of_series]
    if rule.limit is not None:
        limits = summary[rule.limit].to_numpy()
    else:
        limits = np.array([bounds.get(metric, 0.0) for metric in metrics], dtype=np.float64)[of_series]
    # Not the other way round: what cannot be compared holds nothing.
    holds: Booleans = values <= limits if rule.side == "most" else values >= limits
    return (on & ~holds).astype(np.int64)


def _judged(summary: pd.DataFrame, rules: Any) -> pd.DataFrame:
    columns = [name for rule in rules for name in (rule.column, rule.limit) if name is not None]
    return summary[list(dict.fromkeys(_KEY + columns))]


def _looks_right(frame: pd.DataFrame) -> bool:
    time, target, metric, value = frame.dtypes
    names = all(isinstance(one, pd.StringDtype) and str(one) == "str" for one in (target, metric))
    return isinstance(time, pd.DatetimeTZDtype) and names and value == np.float64


@cache
def _batches() -> Any:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("setpoint").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole")


def _validate(frame: pd.DataFrame, suite: Any, result_format: Any) -> Any:
    return _batches().get_batch({"dataframe": frame}).validate(suite, result_format=result_format)


def _holds(validation: Any) -> bool:
    return all(_sound(one).success for one in validation.results)


def _sound(result: Any) -> Any:
    """The result, unless it is only there because the expectation could not be evaluated."""
    raised = result.exception_info
    # Several failed metrics come as one entry each, without this key on top: only a plain "no" is a no.
    if raised.get("raised_exception") is not False:
        raise GateError(f"Great Expectations could not evaluate {result.expectation_config.type}: {raised}")
    return result


def _keys(result: Any) -> Iterator[tuple[str, str]]:
    if not result.success:
        for row in result.result["unexpected_index_list"]:
            yield row["target"], row["metric"]


def _words(column: str) -> str:
    return {"timestamp": "datetime64 with a time zone", "value": "float64"}.get(column, "str")
