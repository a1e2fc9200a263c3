"""``triggers.assets``: the data of somebody else's Dag, as a reason to look, or to have capacity ready."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from setpoint.model.base import Value
from setpoint.policy.fields import refuse

OWN_PREFIX = "setpoint-"
"""What the names of the policies' own assets begin with."""


class AssetTrigger(Value):
    """An asset that another Dag updates: its name or its URI, as that Dag has it."""

    name: str | None = Field(default=None, min_length=1, max_length=1500, description="the asset's name")
    uri: str | None = Field(default=None, min_length=1, max_length=1500, description="or its URI")
    at_least: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="have this much capacity ready when it is updated, in units of the target; "
        "left out, an update is a reason to look, and the metrics decide",
    )

    @model_validator(mode="after")
    def _one_way_to_name_it(self) -> Self:
        if (self.name is None) == (self.uri is None):
            raise refuse("an asset has a name or a URI here; give one of name and uri")
        if self.name is not None and self.name.startswith(OWN_PREFIX):
            raise refuse(f"assets whose names begin with {OWN_PREFIX} are Setpoint's own: they carry no data")
        return self

    def __str__(self) -> str:
        return self.name or self.uri or ""
