"""What a source calls a target, where that is not the target's own name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, field_validator

from setpoint.model.base import Value
from setpoint.policy.fields import refuse

MARK = "{target}"
_Name = Annotated[str, Field(min_length=1, max_length=1024)]


class TargetNames(Value):
    """Keys of a metric's section that say what its source calls each target."""

    target_name: _Name = Field(
        default=MARK,
        description="what the source calls a target: {target} is the target's own name, as in prod/{target}; without "
        "it, all targets share one series",
    )
    target_names: dict[_Name, _Name] = Field(
        default_factory=dict,
        max_length=10_000,
        description="what it calls those targets for which target_name is not right: target → name",
    )

    @field_validator("target_name")
    @classmethod
    def _only_the_mark(cls, name: str) -> str:
        if any(brace in name.replace(MARK, "") for brace in "{}"):
            raise refuse("of what stands in braces only {target} is known")
        return name

    def name_of(self, target: str) -> str:
        """What the source calls a target."""
        return self.target_names.get(target) or self.target_name.replace(MARK, target)

    def codes_of(self, targets: Sequence[str]) -> dict[str, list[int]]:
        """The targets' places in ``targets``, by what the source calls them."""
        codes: dict[str, list[int]] = {}
        for code, target in enumerate(targets):
            codes.setdefault(self.name_of(target), []).append(code)
        return codes
