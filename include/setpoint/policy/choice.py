"""Policy sections whose shape depends on a registered name.

``source:``, ``strategy:``, ``kind:`` pick an implementation, and the implementation's own ``Config`` model says what
else may stand there. The union is built from the registry when the policy model is, so a newly registered name is
validated, and stands in the JSON schema, without another line.
"""

from __future__ import annotations

from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from setpoint.registry import Registry


class OneOf:
    """Annotation: one of a registry's ``Config`` models, chosen by the value of a key.

    :param registry: the registry; each implementation has a ``Config`` model.
    :param key: the key that names the implementation.
    """

    def __init__(self, registry: Registry, key: str) -> None:
        self._registry = registry
        self._key = key

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        choices = {name: handler.generate_schema(self._registry.load(name).Config) for name in self._registry}
        return core_schema.tagged_union_schema(choices, discriminator=self._key)
