"""CloudWatch as AWS behaves: an indexed store, percentiles, paging, and alarms that are evaluated."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any, ClassVar

from moto.cloudwatch.models import Alarm, CloudWatchBackend
from moto.cloudwatch.urls import url_bases
from moto.core.exceptions import ServiceException
from moto.sns import sns_backends

from setpoint.lab.aws import notifications
from setpoint.lab.aws.alarm_input import check_alarm
from setpoint.lab.aws.alarm_rules import EXTRA_PERIODS, Rule, judge
from setpoint.lab.aws.environment import Environment
from setpoint.lab.aws.errors import InvalidParameterCombination, ValidationError
from setpoint.lab.aws.expressions import answers, has_math
from setpoint.lab.aws.metric_input import checked_samples
from setpoint.lab.aws.queries import (
    MAX_DATAPOINTS,
    Pager,
    QueryResult,
    StatQuery,
    answer,
    parse_queries,
)
from setpoint.lab.aws.statistics import aggregate, is_statistic
from setpoint.lab.aws.store import MetricKey, MetricStore, Sample
from setpoint.lab.clock import at, epoch

MAX_STATISTICS_POINTS = 1440
METRICS_PER_PAGE = 500
KEPT_BY_UPDATE = (
    "state_value",
    "state_reason",
    "state_reason_data",
    "state_updated_timestamp",
    "state_transitioned_timestamp",
    "history",
)


class LabCloudWatchBackend(CloudWatchBackend):
    """moto's backend with a store that answers, and alarms that ring."""

    environment: ClassVar[Environment]
    handler: ClassVar[Any]

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.store = MetricStore()
        self.pager = Pager()

    @property
    def _url_module(self) -> Any:
        return SimpleNamespace(url_bases=url_bases, url_paths={"{0}/$": self.handler})

    # Metrics ---------------------------------------------------------------------------------------------------

    def put_metric_data(self, namespace: str, metric_data: Sequence[Mapping[str, Any]]) -> None:
        """Store what PutMetricData was given, all of it or nothing."""
        checked = checked_samples(namespace, metric_data, self.environment.clock.now())
        for key, samples, resolution in checked:
            self.store.put(key, samples, resolution)

    def publish(self, key: MetricKey, samples: Iterable[Sample]) -> None:
        """Store high-resolution samples of the world's own metrics (those in `AWS/` included)."""
        self.store.put(key, samples, resolution=1)

    def query_metric_data(
        self,
        raw: Sequence[Mapping[str, Any]],
        start_time: datetime,
        end_time: datetime,
        *,
        descending: bool,
        max_datapoints: int | None,
        next_token: str | None,
    ) -> tuple[list[QueryResult], str | None]:
        """Carry out GetMetricData; returns one page and the token of the next."""
        if max_datapoints is not None and not 1 <= max_datapoints <= MAX_DATAPOINTS:
            raise ValidationError(
                f"The value {max_datapoints} for parameter MaxDatapoints must be between 1 and {MAX_DATAPOINTS}."
            )
        start, end = epoch(start_time), epoch(end_time)
        if start > end:
            raise ValidationError("The parameter EndTime must be greater than StartTime.")
        if start == end:
            raise ValidationError("The parameter StartTime must not equal parameter EndTime.")
        queries = parse_queries(raw)
        if next_token is not None:
            results = self.pager.resume(next_token)
        else:
            results = answers(
                queries,
                self.store,
                self.environment,
                start,
                end,
                account_id=self.account_id,
                descending=descending,
            )
        page, token = self.pager.page(results, max_datapoints or MAX_DATAPOINTS)
        return page, None if has_math(queries) else token

    def metric_statistics(
        self,
        key: MetricKey,
        start_time: datetime,
        end_time: datetime,
        period_seconds: int,
        statistics: Sequence[str],
        extended: Sequence[str],
        unit: str | None,
    ) -> list[dict[str, Any]]:
        """Carry out GetMetricStatistics: one record per period, in no promised order."""
        start, end = epoch(start_time), epoch(end_time)
        if start >= end:
            raise ValidationError("The parameter StartTime must be less than the parameter EndTime.")
        asked = int((end - start) // period_seconds)
        if asked > MAX_STATISTICS_POINTS:
            raise InvalidParameterCombination(
                f"You have requested up to {asked:,} datapoints, which exceeds the limit of 1,440. You may reduce "
                "the datapoints requested by increasing Period, or decreasing the time range."
            )
        records: dict[float, dict[str, Any]] = {}
        for statistic in (*statistics, *extended):
            if not is_statistic(statistic):
                raise ValidationError(f"The value {statistic} for parameter Statistics is not supported.")
            query = StatQuery("m", "", key, statistic, period_seconds, unit)
            result = answer(query, self.store, self.environment, start, end)
            for moment, value in zip(result.times, result.values, strict=True):
                record = records.setdefault(moment, {"Timestamp": at(moment), "Unit": unit or "None"})
                if statistic in extended:
                    record.setdefault("ExtendedStatistics", {})[statistic] = value
                else:
                    record[statistic] = value
        return list(records.values())

    def find_metrics(
        self, namespace: str | None, name: str | None, dimensions: Sequence[Mapping[str, Any]], offset: int
    ) -> tuple[list[MetricKey], int | None]:
        """Carry out ListMetrics; returns one page and the offset of the next."""
        wanted = [(pair["Name"], pair.get("Value")) for pair in dimensions]
        found = [
            key
            for key in self.store.metrics()
            if (namespace is None or key.namespace == namespace)
            and (name is None or key.name == name)
            and all(
                any(own == asked and value in (None, own_value) for own, own_value in key.dimensions)
                for asked, value in wanted
            )
        ]
        page = found[offset : offset + METRICS_PER_PAGE]
        return page, offset + METRICS_PER_PAGE if len(found) > offset + METRICS_PER_PAGE else None

    # Alarms ----------------------------------------------------------------------------------------------------

    def put_metric_alarm(self, *, name: str, **kwargs: Any) -> Alarm:
        """Create or update an alarm; a new one starts without data, an old one keeps its state."""
        if kwargs.get("rule") is None:
            check_alarm(kwargs)
        before = self.alarms.get(name)
        alarm = super().put_metric_alarm(name=name, **kwargs)
        now = at(self.environment.clock.now())
        alarm.configuration_updated_timestamp = now
        if before is None:
            alarm.state_value = "INSUFFICIENT_DATA"
            alarm.state_updated_timestamp = alarm.state_transitioned_timestamp = now
            return alarm
        for attribute in KEPT_BY_UPDATE:
            setattr(alarm, attribute, getattr(before, attribute))
        return alarm

    def set_alarm_state(self, alarm_name: str, reason: str, reason_data: str | None, state_value: str) -> None:
        """Change a state by hand; it notifies like a change of its own, and the next evaluation may undo it."""
        known = self.alarms.get(alarm_name)
        old = None if known is None else (known.state_value, known.state_reason)
        super().set_alarm_state(alarm_name, reason, reason_data, state_value)
        if known is not None and old is not None:
            known.state_updated_timestamp = at(self.environment.clock.now())
            if old[0] != state_value:
                known.state_transitioned_timestamp = known.state_updated_timestamp
                self._notify(known, *old)

    def evaluate_alarms(self) -> list[str]:
        """Evaluate every alarm on a metric; returns the names of those that changed their state."""
        return [alarm.name for alarm in list(self.alarms.values()) if alarm.metric_name and self._evaluate(alarm)]

    def _evaluate(self, alarm: Alarm) -> bool:
        now = self.environment.clock.now()
        period = int(alarm.period)
        rule = Rule(
            comparison=alarm.comparison_operator,
            threshold=float(alarm.threshold),
            evaluation_periods=int(alarm.evaluation_periods),
            datapoints_to_alarm=int(alarm.datapoints_to_alarm or alarm.evaluation_periods),
            treat_missing_data=alarm.treat_missing_data or "missing",
        )
        newest = now // period * period - period  # the newest period that is over
        periods = [newest - number * period for number in range(rule.evaluation_periods + EXTRA_PERIODS)]
        key = MetricKey.of(alarm.namespace, alarm.metric_name, ((pair.name, pair.value) for pair in alarm.dimensions))
        columns = self.store.read(key, periods[-1], newest + period)
        points = aggregate(columns, alarm.statistic or alarm.extended_statistic, period)
        by_time = dict(zip(points.times.tolist(), points.values.tolist(), strict=True))
        verdict = judge(rule, [by_time.get(moment) for moment in periods], alarm.state_value)
        if verdict.state == alarm.state_value:
            return False
        times = [at(moment) for moment in periods if moment in by_time][: len(verdict.evaluated)]
        old_state, old_reason = alarm.state_value, alarm.state_reason
        alarm.update_state(
            notifications.state_reason(alarm, verdict, times),
            notifications.state_reason_data(alarm, verdict, times, at(now)),
            verdict.state,
        )
        alarm.state_updated_timestamp = alarm.state_transitioned_timestamp = at(now)
        self._notify(alarm, old_state, old_reason)
        return True

    def _notify(self, alarm: Alarm, old_state: str, old_reason: str) -> None:
        self._send_event(alarm, old_state, old_reason)
        if not alarm.actions_enabled:
            return
        actions = {
            "ALARM": alarm.alarm_actions,
            "OK": alarm.ok_actions,
            "INSUFFICIENT_DATA": alarm.insufficient_data_actions,
        }[alarm.state_value]
        for arn in actions:
            if ":sns:" not in arn:
                continue
            region = arn.split(":")[3]
            topics = sns_backends[self.account_id][region].topics
            if arn in topics:  # AWS, too, only notes in the alarm's history that a topic does not exist
                topics[arn].publish(
                    notifications.sns_message(alarm, old_state, self.account_id),
                    subject=notifications.sns_subject(alarm, alarm.state_value),
                )
            else:
                alarm.history.append(("Action", f"Failed to execute action {arn}: topic does not exist"))

    def _send_event(self, alarm: Alarm, old_state: str, old_reason: str) -> None:
        from moto.events.models import events_backends  # slow to import, and only needed when an alarm changes

        event = {
            "Source": "aws.cloudwatch",
            "DetailType": "CloudWatch Alarm State Change",
            "Resources": [alarm.alarm_arn],
            "Time": alarm.state_updated_timestamp.timestamp(),
            "Detail": json.dumps(notifications.eventbridge_detail(alarm, old_state, old_reason)),
        }
        try:
            events_backends[self.account_id][self.region_name].put_events([event])
        except ServiceException as error:
            alarm.history.append(("Action", f"Failed to publish to EventBridge: {error}"))
