"""The policy's sections on what follows from data: guards between metrics, and the fallback."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, FiniteFloat, PlainSerializer, WithJsonSchema, model_validator

from setpoint.model.base import Units, Value
from setpoint.policy.fields import Aggregate, NOfM, OfPoints, Tolerance, refuse

MetricName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Condition(Value):
    """Something one metric says: N of its newest M points are above a threshold, or below it."""

    metric: MetricName = Field(description="one of the policy's metrics")
    above: FiniteFloat | None = Field(default=None, description="its points are above this")
    below: FiniteFloat | None = Field(default=None, description="its points are below this")
    for_: NOfM = Field(
        default=OfPoints(n=1, m=1),
        alias="for",
        description="how many of the newest points must be beyond it",
        json_schema_extra={"default": "1 of 1"},
    )

    @property
    def side(self) -> Literal["above", "below"]:
        return "below" if self.above is None else "above"

    @property
    def threshold(self) -> float:
        """The one of ``above`` and ``below`` that was given."""
        given = self.below if self.above is None else self.above
        assert given is not None
        return given

    @model_validator(mode="after")
    def _one_threshold(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise refuse("a condition has one threshold: give above or below")
        return self


class Agreement(Value):
    """What a second metric has to say before capacity is taken away: about the same as another one, or its own say."""

    metric: MetricName = Field(description="the metric that is asked as well")
    agrees_with: MetricName | None = Field(
        default=None, description="another metric that measures the same, best from another source"
    )
    within: Tolerance | None = Field(
        default=None, description="how far the two may lie apart: 10% of the larger one, or 5 in their unit"
    )
    aggregate: Aggregate = Field(default="mean", description="what is compared of the two, over their windows")
    above: FiniteFloat | None = Field(default=None, description="instead: its own points are above this")
    below: FiniteFloat | None = Field(default=None, description="instead: its own points are below this")
    for_: NOfM | None = Field(
        default=None, alias="for", description="how many of its newest points must be beyond that"
    )

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        compared = self.agrees_with is not None or self.within is not None
        own = self.above is not None or self.below is not None or self.for_ is not None
        if compared == own:
            raise refuse("say what the metric has to do: agrees_with and within, or above or below (and for)")
        if compared and (self.agrees_with is None or self.within is None):
            raise refuse("agrees_with and within go together: which metric, and how far apart the two may lie")
        if self.agrees_with == self.metric:
            raise refuse("a metric always agrees with itself; name another one, best from another source")
        if own:
            self.condition  # noqa: B018 - its own rules speak
        return self

    @property
    def condition(self) -> Condition | None:
        """The metric's own threshold; ``None`` when it is compared with another metric."""
        if self.agrees_with is not None:
            return None
        if (self.above is None) == (self.below is None):
            raise refuse("a metric's own say has one threshold: give above or below")
        points = {} if self.for_ is None else {"for": self.for_}
        return Condition.model_validate({"metric": self.metric, "above": self.above, "below": self.below, **points})


class Guards(Value):
    """Guards between metrics. They bind what the metrics propose, not what a person asks for."""

    scale_in_needs: tuple[Agreement, ...] = Field(
        default=(), max_length=10, description="capacity is only taken away when all of these agree"
    )
    no_scale_in_while: tuple[Condition, ...] = Field(
        default=(),
        max_length=10,
        description="no capacity is taken away while any of these holds, or while that is not known",
    )

    def signals_wanted(self) -> tuple[tuple[str, Aggregate], ...]:
        """The (metric, aggregate) pairs these guards read."""
        agreements = [
            (metric, one.aggregate)
            for one in self.scale_in_needs
            for metric in (one.metric, one.agrees_with)
            if metric is not None
        ]
        conditions = [(one.metric, "mean") for one in self.no_scale_in_while]
        return tuple(dict.fromkeys((*agreements, *conditions)))


class FallbackThen(Value):
    """What applies while the data stays untrusted: nothing, a capacity, or at least a capacity."""

    capacity: Units | None = None
    keep_if_higher: Units | None = None

    @property
    def units(self) -> int | None:
        """The capacity it names; ``None`` for hold."""
        return self.keep_if_higher if self.capacity is None else self.capacity

    def wanted(self, current_units: int) -> int:
        """The capacity wanted of a target that has so many units."""
        if self.capacity is not None:
            return self.capacity
        return current_units if self.keep_if_higher is None else max(current_units, self.keep_if_higher)

    def __str__(self) -> str:
        if self.capacity is not None:
            return f"capacity: {self.capacity}"
        return "hold" if self.keep_if_higher is None else f"keep_if_higher: {self.keep_if_higher}"


_THEN = "write hold, {capacity: N}, or {keep_if_higher: N}, with N a whole number of units from 0"


def parse_then(value: Any) -> Any:
    """Read ``hold``, ``{capacity: 4}`` or ``{keep_if_higher: 4}``.

    :raises PydanticCustomError: none of these.
    """
    if isinstance(value, FallbackThen):
        return value
    if value == "hold":
        return FallbackThen()
    if isinstance(value, dict) and len(value) == 1:
        (word, units) = next(iter(value.items()))
        if word in FallbackThen.model_fields and isinstance(units, int) and not isinstance(units, bool) and units >= 0:
            return FallbackThen.model_validate({word: units})
    raise refuse(_THEN)


def _write_then(then: FallbackThen) -> str | dict[str, int]:
    return then.model_dump(exclude_none=True) or "hold"


def _units_schema(word: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {word: {"type": "integer", "minimum": 0}},
        "required": [word],
        "additionalProperties": False,
    }


Then = Annotated[
    FallbackThen,
    BeforeValidator(parse_then),
    PlainSerializer(_write_then),
    WithJsonSchema(
        {
            "oneOf": [{"const": "hold"}, _units_schema("capacity"), _units_schema("keep_if_higher")],
            "description": "hold, {capacity: N}, or {keep_if_higher: N}",
        }
    ),
]


class Fallback(Value):
    """What applies when a target's batches keep failing the gate."""

    after: int = Field(
        default=3, ge=1, le=1000, description="failed batches in a row; batches over the same window count once"
    )
    then: Then = Field(
        default=FallbackThen(),
        description="what applies from then on: hold; capacity N, which may also take capacity away; "
        "or N unless there is more already",
        json_schema_extra={"default": "hold"},
    )
