"""Wait until a metric crosses a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseSensorOperator, PokeReturnValue, conf

from setpoint.sources.contract import SourceError
from setpoint_airflow.metric_watch import MetricWatch, WatchError
from setpoint_airflow.providers import sources_for
from setpoint_airflow.sensors.first_look import first_look
from setpoint_airflow.triggers.metric_threshold import MetricThresholdTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from setpoint.sources.contract import Source


class MetricThresholdSensor(BaseSensorOperator):
    """
    Wait until N of the newest M points of a metric are above, or below, a threshold.

    The parameters are written as a Setpoint policy writes them, and looked at by the same code: the same pull, the same
    quality gate, the same count. A missing point never counts, and points that fail the gate count for nothing.

    .. code-block:: python

        MetricThresholdSensor(
            task_id="web_is_hot",
            targets="web-asg",
            metric={
                "source": "aws.cloudwatch",
                "namespace": "AWS/EC2",
                "name": "CPUUtilization",
                "statistic": "Average",
                "period": "60s",
                "window": "5m",
            },
            rule={"above": 70, "for": "3 of 5"},
            quality={"between": [0, 100]},
            deferrable=True,
        )

    :param targets: The targets to look at: values of the metric's dimension. (templated)
    :param metric: The metric, as in a policy's ``metrics``. (templated)
    :param rule: ``{"above": 70, "for": "3 of 5"}``, or ``below`` instead of ``above``. (templated)
    :param quality: What points must be like, as in a policy's ``quality``; the defaults when left out. (templated)
    :param require: ``all`` targets must have crossed, or ``any`` of them.
    :param gate: Whether the quality gate judges the points first.
    :param aws_conn_id: The Airflow connection of the metric's source. (templated)
    :param region_name: The region; the connection's own when left out. (templated)
    :param deferrable: If True, the sensor waits in the triggerer.
    :return: What was seen, by target.
    """

    template_fields: Sequence[str] = ("aws_conn_id", "metric", "quality", "region_name", "rule", "targets")
    ui_color = "#fddac3"

    def __init__(
        self,
        *,
        targets: str | Sequence[str],
        metric: Mapping[str, Any],
        rule: Mapping[str, Any],
        quality: Mapping[str, Any] | None = None,
        require: str = "all",
        gate: bool = True,
        aws_conn_id: str = "aws_default",
        region_name: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.targets = targets
        self.metric = metric
        self.rule = rule
        self.quality = quality
        self.require = require
        self.gate = gate
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.deferrable = deferrable

    @property
    def _parameters(self) -> dict[str, Any]:
        return {
            "targets": self.targets,
            "metric": self.metric,
            "rule": self.rule,
            "quality": self.quality,
            "require": self.require,
            "gate": self.gate,
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
        }

    @cached_property
    def _watch(self) -> MetricWatch:
        return MetricWatch.of(**self._parameters)

    @cached_property
    def _sources(self) -> dict[str, Source]:
        return sources_for(self._watch.policy)

    def poke(self, context: Context) -> PokeReturnValue:
        try:
            look = self._watch.look(self._sources, datetime.now(UTC))
        except SourceError as error:
            if not error.retryable:
                raise AirflowFailException(str(error)) from error
            self.log.warning("The metric could not be read, looking again: %s", error)
            return PokeReturnValue(is_done=False)
        except WatchError as error:
            raise AirflowFailException(str(error)) from error
        self.log.info("Looked: %s", look.to_json())
        return PokeReturnValue(is_done=look.met, xcom_value=look.to_json())

    def execute(self, context: Context) -> Any:
        if not self.deferrable:
            return super().execute(context)
        found = first_look(self, context)
        if found:
            return found.xcom_value
        return self.defer(
            timeout=timedelta(seconds=self.timeout),
            trigger=MetricThresholdTrigger(**self._parameters, poke_interval=self.poke_interval),
            method_name="execute_complete",
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        if event["status"] != "success":
            raise AirflowFailException(event["message"])
        return event["value"]
