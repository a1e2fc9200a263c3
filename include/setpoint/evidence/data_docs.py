"""Great Expectations' Data Docs of one batch: its own renderers, over the suite and the result of the gate.

Importing this module imports Great Expectations, which takes seconds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from great_expectations.render.renderer import ExpectationSuitePageRenderer, ValidationResultsPageRenderer

MOST_UNEXPECTED = 20
"""Series named for each expectation that some break; the counts are of all."""


def validation_document(result: Any, *, asset: str, run_name: str, run_time: datetime) -> dict[str, Any]:
    """The Data Docs page of a validation result, as data; see :mod:`setpoint.evidence.view`.

    :param result: an ``ExpectationSuiteValidationResult``; it is not changed.
    :param asset: what the page calls the data.
    :param run_name: the run it was validated in.
    """
    again = type(result)(
        success=result.success,
        results=[_bounded(one) for one in result.results],
        suite_name=result.suite_name,
        statistics=result.statistics,
        meta={
            **result.meta,
            "batch_kwargs": {"data_asset_name": asset, "datasource": "setpoint"},
            "run_id": {"run_name": run_name, "run_time": run_time.isoformat()},
        },
    )
    document: dict[str, Any] = ValidationResultsPageRenderer(run_info_at_end=True).render(again).to_json_dict()
    return document


def suite_document(suite: Any) -> dict[str, Any]:
    """The Data Docs page of an expectation suite, as data."""
    document: dict[str, Any] = ExpectationSuitePageRenderer().render(suite).to_json_dict()
    return document


def _bounded(one: Any) -> Any:
    """One expectation's result with so many of its rows that a page can hold them."""
    told = {
        key: value[:MOST_UNEXPECTED] if isinstance(value, list) else value for key, value in (one.result or {}).items()
    }
    return type(one)(
        success=one.success,
        expectation_config=one.expectation_config,
        result=told,
        meta=one.meta,
        exception_info=one.exception_info,
    )
