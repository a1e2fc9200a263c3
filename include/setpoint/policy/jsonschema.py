"""The JSON schema of a policy file, for editors and other programs."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from setpoint.policy.fields import format_duration
from setpoint.policy.schema import Policy

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_FILE = Path(__file__).resolve().parents[2] / "schema" / "policy.schema.json"
"""Where the schema is checked in, so that an editor finds it without running anything."""


class _PolicyJsonSchema(GenerateJsonSchema):
    """Says what pydantic's own generator leaves out or says in another form than the file does."""

    def encode_default(self, dft: Any) -> Any:
        # A default reads the way a file would have it: 2m, not ISO 8601's PT2M.
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        made = super().dict_schema(schema)
        if "patternProperties" in made:
            # pydantic checks every key against the pattern; the schema has to say that other keys are refused.
            made["additionalProperties"] = False
        return made

    def field_title_should_be_set(self, schema: Any) -> bool:
        # "Max Step" beside "max_step" tells an editor's user nothing.
        return False

    def generate(self, schema: CoreSchema, mode: Any = "validation") -> JsonSchemaValue:
        made = super().generate(schema, mode=mode)
        return {
            "$schema": DIALECT,
            "$id": "urn:setpoint:policy:1",
            "title": "Setpoint policy, version 1",
            "description": "What one fleet does, when, on which numbers, within which limits.",
            **{key: value for key, value in made.items() if key not in ("title", "description")},
        }


@cache
def policy_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a policy file, with everything registered in this environment.

    Cross-references (a metric that a section names but the policy does not have) and limits between keys are for the
    loader to check; a JSON schema cannot say them.
    """
    return Policy.model_json_schema(by_alias=True, schema_generator=_PolicyJsonSchema)


def schema_text() -> str:
    """The schema as it is checked in: indented JSON and a final line break."""
    return json.dumps(policy_schema(), indent=2, ensure_ascii=False) + "\n"
