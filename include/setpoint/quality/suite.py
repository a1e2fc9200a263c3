"""A policy's checks as Great Expectations suites: named, versioned, every expectation with its reason and its origin.

Importing this module imports Great Expectations, which takes seconds.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

# Before the import; a deployment that wants its analytics can still say so.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import great_expectations as gx
import great_expectations.expectations as gxe
from great_expectations.expectations.row_conditions import Column

from setpoint.model import FRAME_COLUMNS, Verdict
from setpoint.policy.schema import Policy
from setpoint.quality.rules import RULES, Rule, bounds_of

SUITE_VERSION = "v2"
"""Moves when the rules do: results of different versions are not compared."""
FRAME_SUITE = f"setpoint.frame.{SUITE_VERSION}"
GLANCE_SUITE = f"setpoint.glance.{SUITE_VERSION}"
FRAME_TYPES = dict(zip(FRAME_COLUMNS, ("Timestamp", "str", "str", "float64"), strict=True))
"""The columns of the long form, and their types as Great Expectations calls them."""


def suite_name(policy: str) -> str:
    """The name of a policy's suite."""
    return f"setpoint.{policy}.{SUITE_VERSION}"


def series_suite(policy: Policy, rules: tuple[Rule, ...] | None = None) -> Any:
    """The expectations on the summary: one for each metric and each rule that is on for it.

    Each says what it asks for (``description``), how bad breaking it is (``severity``) and where it comes from
    (``meta``): the ``policy``, the ``metric``, the ``check``, its ``limit``, the ``keys`` that set it, and whether they
    were left at their ``default``.
    """
    rules = RULES if rules is None else rules
    bounds = bounds_of(policy, tuple(policy.metrics))
    return gx.ExpectationSuite(
        name=suite_name(policy.name),
        expectations=[
            expectation(rule, policy, metric, bounds[rule.name][metric])
            for metric in policy.metrics
            for rule in rules
            if metric in bounds[rule.name]
        ],
        meta={"policy": policy.name, "version": SUITE_VERSION},
    )


def expectation(rule: Rule, policy: Policy, metric: str, limit: float) -> Any:
    """One rule for one metric."""
    declared = policy.quality[metric].model_fields_set if metric in policy.quality else frozenset()
    kept: dict[str, Any] = {
        "description": f"{metric}: {rule.means.format(limit=f'{limit:g}')}",
        "meta": {
            "policy": policy.name,
            "metric": metric,
            "check": rule.name,
            "limit": rule.limit or limit,
            "keys": list(rule.keys),
            "default": declared.isdisjoint(rule.keys),
        },
        "severity": "warning" if rule.mildest is Verdict.DEGRADED else "critical",
        "row_condition": Column("metric") == metric,
    }
    if rule.limit is not None:
        return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A=rule.limit, column_B=rule.column, or_equal=True, **kept
        )
    side = {"max_value": limit} if rule.side == "most" else {"min_value": limit}
    return gxe.ExpectColumnValuesToBeBetween(column=rule.column, **side, **kept)


@cache
def frame_suite() -> Any:
    """The expectations on the raw frame: the columns of the long form, in order, and their types."""
    types = [
        gxe.ExpectColumnValuesToBeOfType(column=column, type_=kind, description=f"{column} is {kind}")
        for column, kind in FRAME_TYPES.items()
    ]
    columns = gxe.ExpectTableColumnsToMatchOrderedList(
        column_list=list(FRAME_COLUMNS), description="A batch is in long form."
    )
    return gx.ExpectationSuite(name=FRAME_SUITE, expectations=[columns, *types])


@cache
def glance_suite() -> Any:
    """One expectation that holds exactly when every expectation of every suite does: nothing is broken anywhere."""
    nothing = gxe.ExpectMulticolumnSumToEqual(
        column_list=[rule.name for rule in RULES],
        sum_total=0,
        description="No series breaks a rule.",
    )
    return gx.ExpectationSuite(name=GLANCE_SUITE, expectations=[nothing])
