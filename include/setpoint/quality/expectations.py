"""Great Expectations, kept quiet and quick: one context a process, nothing sent home, no progress bars.

Importing this module imports Great Expectations, which takes seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from typing import Any

# Before the import; a deployment that wants its analytics can still say so.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd

from setpoint.model import FRAME_COLUMNS, Verdict
from setpoint.quality.errors import GateError
from setpoint.quality.rules import RULES, Rule

SUITE_VERSION = "v1"
FRAME_SUITE = f"setpoint.frame.{SUITE_VERSION}"
_FRAME_TYPES = dict(zip(FRAME_COLUMNS, ("Timestamp", "str", "str", "float64"), strict=True))
_KEY = ["target", "metric"]


def suite_name(policy: str) -> str:
    """The name of a policy's suite; the version moves when the rules do."""
    return f"setpoint.{policy}.{SUITE_VERSION}"


def series_suite(name: str, rules: tuple[Rule, ...] = RULES) -> Any:
    """The expectations on the summary, one for each rule; each carries its rule's name in ``meta["check"]``."""
    return gx.ExpectationSuite(name=name, expectations=[_expectation(rule) for rule in rules])


def frame_suite() -> Any:
    """The expectations on the raw frame: the columns of the long form, in order, and their types."""
    types = [gxe.ExpectColumnValuesToBeOfType(column=column, type_=kind) for column, kind in _FRAME_TYPES.items()]
    columns = gxe.ExpectTableColumnsToMatchOrderedList(column_list=list(FRAME_COLUMNS))
    return gx.ExpectationSuite(name=FRAME_SUITE, expectations=[columns, *types])


def frame_problems(frame: pd.DataFrame) -> tuple[str, ...]:
    """What is wrong with a frame's columns and types, in words; empty when nothing is."""
    # Types belong to the columns, so no row is needed to judge them.
    result = _validate(frame.head(0), _cached_frame_suite(), "COMPLETE")
    columns, *types = result.results
    if not columns.success:
        found = ", ".join(map(str, frame.columns)) or "none"
        return (f"the columns are {found}; they must be {', '.join(FRAME_COLUMNS)}, in this order",)
    return tuple(
        f"column {column} has type {frame[column].dtype}; it must be {_words(column)}"
        for column, one in zip(_FRAME_TYPES, map(_sound, types), strict=True)
        if not one.success
    )


def broken_rules(summary: pd.DataFrame, suite: str) -> dict[str, frozenset[tuple[str, str]]]:
    """The series that break each rule, by target and metric. A rule that all series keep is there too, with none.

    A clean batch, the common case, is found clean by three expectations; only when one of them fails is the policy's
    whole suite run, with the failing series by name.

    :param summary: what :func:`setpoint.quality.summary.summarise` gives.
    :param suite: the name of the suite.
    :raises GateError: Great Expectations could not evaluate an expectation.
    """
    columns = [name for rule in RULES for name in (rule.column, rule.limit) if name is not None]
    judged = summary[list(dict.fromkeys(_KEY + columns))]
    broken: dict[str, frozenset[tuple[str, str]]] = {rule.name: frozenset() for rule in RULES}
    if judged.empty or _holds(_validate(judged, _cached_glance_suite(), "BOOLEAN_ONLY")):
        return broken
    by_name = {"result_format": "COMPLETE", "unexpected_index_column_names": _KEY}
    named = _validate(judged, _cached_series_suite(suite), by_name)
    broken.update({_check_of(one): frozenset(_keys(one)) for one in map(_sound, named.results)})
    return broken


def glance_suite() -> Any:
    """Three expectations that hold exactly when every expectation of a series suite does.

    Most rules count something that must not be there. Counts are never negative, so all of them are zero exactly when
    their sum is.
    """
    counted = [rule.column for rule in RULES if rule.limit is None]
    nothing_counted = gxe.ExpectMulticolumnSumToEqual(column_list=counted, sum_total=0)
    compared = [_expectation(rule) for rule in RULES if rule.limit is not None]
    return gx.ExpectationSuite(name=f"setpoint.glance.{SUITE_VERSION}", expectations=[nothing_counted, *compared])


def _expectation(rule: Rule) -> Any:
    kept: dict[str, Any] = {
        "meta": {"check": rule.name},
        "severity": "warning" if rule.mildest is Verdict.DEGRADED else "critical",
    }
    if rule.limit is None:
        return gxe.ExpectColumnValuesToBeBetween(column=rule.column, min_value=0, max_value=0, **kept)
    return gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A=rule.limit, column_B=rule.column, or_equal=True, **kept)


@cache
def _batches() -> Any:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("setpoint").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole")


@cache
def _cached_series_suite(name: str) -> Any:
    return series_suite(name)


@cache
def _cached_glance_suite() -> Any:
    return glance_suite()


@cache
def _cached_frame_suite() -> Any:
    return frame_suite()


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


def _check_of(result: Any) -> str:
    return str(result.expectation_config.meta["check"])


def _keys(result: Any) -> Iterator[tuple[str, str]]:
    if not result.success:
        for row in result.result["unexpected_index_list"]:
            yield row["target"], row["metric"]


def _words(column: str) -> str:
    return {"timestamp": "datetime64 with a time zone", "value": "float64"}.get(column, "str")
