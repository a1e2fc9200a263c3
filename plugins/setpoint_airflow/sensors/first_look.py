"""The look a deferrable sensor takes before it defers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, BaseSensorOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


def first_look(sensor: BaseSensorOperator, context: Context) -> Any:
    """Poke once, with ``soft_fail`` and ``never_fail`` meaning what they mean when the sensor pokes in the worker."""
    try:
        return sensor.poke(context)
    except AirflowFailException as error:
        if sensor.soft_fail or sensor.never_fail:
            raise AirflowSkipException(f"Skipping instead of failing: {error}") from error
        raise
