"""Whether a Logs Insights query finds enough: the one predicate behind :class:`LogsInsightsSensor` and its trigger."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, FiniteFloat, ValidationError, model_validator

from setpoint.events.texts import one_line, problems
from setpoint.model.base import Value
from setpoint.policy.fields import Duration, refuse
from setpoint.targets.aws import provider_errors
from setpoint.targets.contract import TargetError
from setpoint_airflow.hooks.logs_insights import MAX_LOG_GROUPS, MAX_QUERY_CHARACTERS, MAX_ROWS, LogsInsightsHook

_SHOWN_ROWS = 10
_SHOWN_FIELDS = 20
_SHOWN_CHARACTERS = 200
_MAX_WINDOW = timedelta(days=31)

log = logging.getLogger(__name__)


class LogsWatchError(ValueError):
    """A sensor's parameters do not make a watch, or AWS refuses the query. Waiting does not help."""


class LogsLookError(Exception):
    """One look came to nothing; the next may do better."""


class LogsRule(Value):
    """What a query's answer must be like."""

    rows: Annotated[int, Field(ge=1, le=MAX_ROWS)] = 1
    """How many rows at least; of those that pass ``above`` or ``below``, when there is one."""
    field: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The field that ``above`` or ``below`` looks at, as the query names it."""
    above: FiniteFloat | None = None
    below: FiniteFloat | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.field is None) != (self.above is None and self.below is None):
            raise refuse("field goes with above or below: the field, and the number its value must cross")
        if self.above is not None and self.below is not None and self.above >= self.below:
            raise refuse(f"above ({self.above:g}) and below ({self.below:g}) leave no number")
        return self

    def counts(self, row: Mapping[str, str]) -> bool:
        """Whether a row counts. A field that is not there, or is no finite number, makes it not count."""
        if self.field is None:
            return True
        try:
            value = float(row[self.field])
        except (KeyError, ValueError):
            return False
        return (
            math.isfinite(value)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )


@dataclass(frozen=True)
class LogsLook:
    """What one run of the query said."""

    met: bool
    rows: tuple[Mapping[str, str], ...]
    """The rows that count."""
    of: int
    """Rows there were."""

    def to_json(self) -> dict[str, Any]:
        """Plain data for an XCom: how many rows count, of how many, and the first of them, shortened."""
        first = [
            {
                one_line(key, _SHOWN_CHARACTERS): one_line(value, _SHOWN_CHARACTERS)
                for key, value in list(row.items())[:_SHOWN_FIELDS]
            }
            for row in self.rows[:_SHOWN_ROWS]
        ]
        return {"rows": len(self.rows), "of": self.of, "first": first}


class LogsWatch(Value):
    """A query that is run again and again, and what its answer must be like."""

    log_groups: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=2048)], ...],
        BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
        Field(min_length=1, max_length=MAX_LOG_GROUPS),
    ]
    query: str = Field(min_length=1, max_length=MAX_QUERY_CHARACTERS)
    window: Duration
    rule: LogsRule
    limit: int = Field(ge=1, le=MAX_ROWS)
    query_timeout: float = Field(gt=0, le=3600)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not timedelta(seconds=1) <= self.window <= _MAX_WINDOW:
            raise refuse("window is 1s to 31d")
        if self.rule.rows > self.limit:
            raise refuse(f"rule.rows ({self.rule.rows}) is at most limit ({self.limit}): no more rows are fetched")
        return self

    @classmethod
    def of(cls, **parameters: Any) -> Self:
        """A watch from a sensor's parameters.

        :raises LogsWatchError: something in them is wrong; every problem is listed.
        """
        try:
            return cls.model_validate(parameters)
        except ValidationError as error:
            raise LogsWatchError(f"the sensor's parameters are wrong: {problems(error)}") from error

    def judge(self, rows: Sequence[Mapping[str, str]]) -> LogsLook:
        """Whether these rows are enough."""
        counting = tuple(row for row in rows if self.rule.counts(row))
        return LogsLook(met=len(counting) >= self.rule.rows, rows=counting, of=len(rows))


def hook_for(
    *,
    aws_conn_id: str | None,
    region_name: str | None,
    verify: bool | str | None,
    botocore_config: dict[str, Any] | None,
) -> LogsInsightsHook:
    """A hook whose client is built: the connection is looked up here, and not in the middle of a wait.

    :raises LogsWatchError: the connection does not exist, or says no region.
    """
    from airflow.providers.common.compat.sdk import AirflowNotFoundException
    from botocore.config import Config
    from botocore.exceptions import NoRegionError

    config = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})
    hook = LogsInsightsHook(
        aws_conn_id=aws_conn_id,
        region_name=region_name,
        verify=verify,
        config=config.merge(Config(**botocore_config)) if botocore_config else config,
    )
    try:
        if aws_conn_id:
            hook.get_connection(aws_conn_id)
        hook.conn  # noqa: B018  # built when first asked for
    except AirflowNotFoundException as error:
        raise LogsWatchError(
            f"the Airflow connection {aws_conn_id!r} does not exist; create it, of type aws"
        ) from error
    except NoRegionError as error:
        raise LogsWatchError("no region is set: set region_name, or region_name in the connection's extra") from error
    return hook


class LogsQuery:
    """One run of a watch's query: start it, poll it until there is a look, stop it when it is no longer wanted.

    :param hook: made for the connection; its calls block.
    """

    def __init__(self, watch: LogsWatch, hook: LogsInsightsHook) -> None:
        self._watch = watch
        self._hook = hook
        self._id: str | None = None
        self._until = 0.0

    def start(self, now: datetime) -> None:
        """Start the query over the window that ends now.

        :raises LogsLookError: it could not be started this time.
        :raises LogsWatchError: it never can be.
        """
        self._until = time.monotonic() + self._watch.query_timeout
        with _told("starting the Logs Insights query", "logs:StartQuery"):
            self._id = self._hook.start_query(
                self._watch.log_groups, self._watch.query, now - self._watch.window, now, self._watch.limit
            )

    def poll(self) -> LogsLook | None:
        """What the query found; ``None`` while it runs.

        :raises LogsLookError: it failed, was stopped, took longer than ``query_timeout``, or could not be asked for.
        :raises LogsWatchError: it may not be asked for.
        """
        if self._id is None:
            raise LogsLookError("the query was stopped")
        with _told("reading the Logs Insights query", "logs:GetQueryResults"):
            status, rows = self._hook.get_query_results(self._id)
        if status in self._hook.SUCCESS_STATES:
            self._id = None
            return self._watch.judge(rows)
        if status in self._hook.FAILURE_STATES:
            self._id = None
            raise LogsLookError(f"the query ended as {status}")
        if time.monotonic() > self._until:
            raise LogsLookError(
                f"the query is still {status} after {self._watch.query_timeout:g} s; "
                "make the window shorter or the query simpler, or raise query_timeout"
            )
        return None

    def stop(self) -> None:
        """Stop the query if it runs; nothing is raised, because a query that goes on ends by itself."""
        query_id, self._id = self._id, None
        if query_id is None:
            return
        try:
            if self._hook.stop_query(query_id):
                log.info("Stopped the Logs Insights query %s", query_id)
        except Exception as error:  # noqa: BLE001  # whatever ends the wait must not be hidden by this
            log.warning("The Logs Insights query %s could not be stopped and may go on: %s", query_id, error)


@contextmanager
def _told(doing: str, permission: str) -> Iterator[None]:
    """Say of an AWS error whether another look may do better."""
    try:
        with provider_errors(doing, permission):
            yield
    except TargetError as error:
        raise (LogsLookError if error.retryable else LogsWatchError)(str(error)) from error
