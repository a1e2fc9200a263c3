"""The policy file: what one fleet does, when, on which numbers, within which limits.

Field names are the field's own words (desired capacity, cooldown, settle, observation). Everything that depends
on a registered name (``source``, ``strategy``, ``kind``) brings its own section; see :mod:`setpoint.policy.choice`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from setpoint.events import EVENTS
from setpoint.events.contract import EventConfig
from setpoint.model.base import Units, Value
from setpoint.policy.assets import AssetTrigger
from setpoint.policy.choice import OneOf
from setpoint.policy.fields import Aggregate, Duration, Ratio, Step, StepPart, StepSize, refuse
from setpoint.policy.guarding import Fallback, Guards
from setpoint.policy.quality import FleetConfig, OnDegraded, QualityConfig
from setpoint.sources import SOURCES
from setpoint.sources.contract import MetricConfig
from setpoint.strategies import STRATEGIES
from setpoint.strategies.contract import StrategyConfig
from setpoint.targets import TARGETS
from setpoint.targets.contract import TargetConfig

PolicyName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="lower-case letters, digits and dashes, at most 63: it becomes part of the Dag's id",
    ),
]
MetricName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]

_DEFAULT_QUALITY = QualityConfig()

__all__ = ["FleetConfig", "OnDegraded", "Policy", "QualityConfig"]


class Triggers(Value):
    """What starts a run: events, data of other Dags, a schedule. A person and the REST API always can."""

    events: tuple[Annotated[EventConfig, OneOf(EVENTS, "kind")], ...] = Field(
        default=(), description="the events that wake this policy"
    )
    assets: tuple[AssetTrigger, ...] = Field(
        default=(), max_length=20, description="assets of other Dags that wake this policy when they are updated"
    )
    every: Duration | None = Field(default=None, description="run on a fixed interval")
    cron: str | None = Field(default=None, max_length=100, description="run on a cron expression, in UTC")
    debounce: Duration = Field(
        default=timedelta(seconds=10),
        description="the first event acts at once; those that come until so much later, after its metrics were pulled, "
        "cause one more run together. A person's request never waits",
    )
    max_event_age: Duration = Field(
        default=timedelta(minutes=15),
        description="an event that occurred longer ago wakes nobody; it is in the ledger as too old",
    )

    @model_validator(mode="after")
    def _one_clock(self) -> Self:
        if self.every is not None and self.cron is not None:
            raise refuse("every and cron are two ways to say the same; keep one")
        if self.every is not None and self.every < timedelta(seconds=10):
            raise refuse("every is at least 10s: a run itself takes a few seconds")
        if self.cron is not None and not re.fullmatch(r"\S+(\s+\S+){4}", self.cron.strip()):
            raise refuse("cron has five fields: minute hour day-of-month month day-of-week")
        if self.max_event_age < timedelta(minutes=1):
            raise refuse("max_event_age is at least 1m: an event takes a while to arrive, and clocks differ")
        if self.debounce > timedelta(hours=1) or self.debounce >= self.max_event_age:
            raise refuse(
                "debounce is at most 1h, and shorter than max_event_age: what waits for its end would be too old"
            )
        return self


class StepLimit(Value):
    """The largest change in one step, by direction."""

    out: Step | None = Field(default=None, description="adding, in units or percent")
    in_: Step | None = Field(default=None, alias="in", description="taking away, in units or percent")


class Cooldown(Value):
    """How long a target rests after a change before it may move again, by the direction it would move."""

    out: Duration = Field(default=timedelta(minutes=2), description="before capacity is added")
    in_: Duration = Field(default=timedelta(minutes=10), alias="in", description="before capacity is taken away")


class Limits(Value):
    """What no decision may cross."""

    min: Units = Field(description="the least capacity, in units of the target (instances)")
    max: Units = Field(description="the most capacity, in units of the target (instances)")
    max_step: StepLimit = Field(
        default=StepLimit(), description="the largest change in one step; no limit when it is left out"
    )
    degraded_step: StepPart = Field(
        default=StepSize(percent=50),
        description="on degraded data, how much of the step that clean data would take is added at most; at least 1",
        json_schema_extra={"default": "50%"},
    )
    cooldown: Cooldown = Field(
        default=Cooldown(), description="the rest after a change, in whichever direction that was"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise refuse(f"limits.min ({self.min}) is at most limits.max ({self.max})")
        return self


class HealthLimit(Value):
    """What healthy means for one metric after a change."""

    aggregate: Aggregate = Field(
        default="mean", description="how the points before, and those after, become one value: mean, max, p90, ..."
    )
    max: FiniteFloat | None = Field(default=None, description="healthy is at most this")
    min: FiniteFloat | None = Field(default=None, description="healthy is at least this")
    no_worse_than: Ratio | None = Field(default=None, description="at most this many times the value before the change")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.max is None and self.min is None and self.no_worse_than is None:
            raise refuse("a health limit needs max, min or no_worse_than")
        if self.max is not None and self.min is not None and self.min > self.max:
            raise refuse(f"min ({self.min:g}) is at most max ({self.max:g})")
        return self


class OnHarm(StrEnum):
    """What follows when health got worse after a change."""

    KEEP = "keep"
    ROLL_BACK = "roll_back"


class UntilJudged(StrEnum):
    """What may still change a target whose last change has no verdict yet.

    A change that another one follows before its verdict cannot be judged any more, so harm it did is not taken back.
    """

    HOLD = "hold"
    """Nothing changes, in either direction: every change is judged."""
    HOLD_SCALE_IN = "hold_scale_in"
    """Scaling out may go on under its cooldown, because a growing wave must not wait; scaling in waits."""


class FeedbackConfig(Value):
    """How a change is watched, and what follows when it hurts."""

    after: Duration = Field(
        description="the observation window: how long health is watched once capacity is in service"
    )
    in_service_timeout: Duration = Field(
        default=timedelta(minutes=10), description="how long new capacity may take to be in service"
    )
    healthy: dict[MetricName, HealthLimit] = Field(
        min_length=1, description="the health metrics, and the limits that mean healthy"
    )
    min_samples: int = Field(default=3, ge=1, description="points before and after below which nothing is concluded")
    on_degraded: OnHarm = Field(
        default=OnHarm.ROLL_BACK, description="when health got worse: keep the change, or take it back"
    )
    until_judged: UntilJudged = Field(
        default=UntilJudged.HOLD_SCALE_IN,
        description="until the last change of a target is judged: change nothing, or let capacity be added",
    )


class Reconcile(StrEnum):
    """What the reconcile Dag does about drift."""

    REPORT = "report"
    REPAIR = "repair"
    """Bring a target that stands outside the policy's bounds back to the nearest bound. Nothing else is repaired."""


class Policy(Value):
    """One fleet's policy: one file, one Dag, many targets."""

    version: Literal[1] = Field(description="the version of this file's format")
    name: PolicyName
    owner: str = Field(min_length=1, max_length=100, description="the team to ask")
    description: str = Field(default="", max_length=500, description="one line for people; the Dag shows it")
    dry_run: bool = Field(default=False, description="decide and record, change nothing")
    targets: Annotated[TargetConfig, OneOf(TARGETS, "kind")] = Field(
        description="the fleet: which targets, reached how"
    )
    triggers: Triggers = Field(
        default=Triggers(), description="what starts a run; nothing but a person when it is left out"
    )
    metrics: dict[MetricName, Annotated[MetricConfig, OneOf(SOURCES, "source")]] = Field(
        min_length=1, description="the numbers, each under a name of its own"
    )
    quality: dict[MetricName, QualityConfig] = Field(
        default_factory=dict,
        description="when a metric's numbers can be trusted; the defaults for a metric that is left out",
    )
    fleet: FleetConfig = Field(
        default=FleetConfig(), description="when so many targets fail at once that it is the source that is broken"
    )
    scale: Annotated[StrategyConfig, OneOf(STRATEGIES, "strategy")] = Field(description="what is decided")
    limits: Limits = Field(description="what no decision may cross")
    guards: Guards = Field(default=Guards(), description="what other metrics must say before capacity is taken away")
    fallback: Fallback = Field(default=Fallback(), description="what applies when the data keeps failing the gate")
    feedback: FeedbackConfig = Field(description="how a change is watched, and what follows when it hurts")
    reconcile: Reconcile = Field(
        default=Reconcile.REPORT,
        description="what reconciliation does about a target outside the bounds: report it, or bring it back",
    )

    def quality_of(self, metric: str) -> QualityConfig:
        """A metric's quality section, or the defaults when the policy has none for it."""
        return self.quality.get(metric, _DEFAULT_QUALITY)

    def max_age_of(self, metric: str) -> timedelta:
        """How old a metric's newest point may be: the policy's word, or 3 periods plus the settle offset."""
        declared = self.quality_of(metric).max_age
        config = self.metrics[metric]
        return declared if declared is not None else 3 * config.period + config.settle

    def max_gap_of(self, metric: str) -> timedelta:
        """How long a metric may be without a point between two points: the policy's word, or ``max_age``."""
        declared = self.quality_of(metric).max_gap
        return declared if declared is not None else self.max_age_of(metric)

    def deciding_metrics(self) -> tuple[str, ...]:
        """The metrics the strategy reads; their quality is what gates a change."""
        return tuple(dict.fromkeys(metric for metric, _ in self.scale.signals_wanted()))
