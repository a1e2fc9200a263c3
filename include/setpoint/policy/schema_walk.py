"""Finding the part of the JSON schema that speaks about one place of a policy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]

_NOTHING: Schema = {}


def schema_at(root: Schema, path: Path, data: Any) -> Schema:
    """The schema of one place, references and choices resolved by the data that stands there; empty when it has none.

    :param root: the whole schema, with its ``$defs``.
    :param data: the whole policy as plain data.
    """
    here = resolve(root, root, data)
    for part in path:
        data = child(data, part)
        here = resolve(root, _step(here, part), data)
    return here


def resolve(root: Schema, schema: Schema, data: Any) -> Schema:
    """Follow references, and pick the branch of a choice that the data chose (or looks most like)."""
    while True:
        if "$ref" in schema:
            target = root["$defs"].get(str(schema["$ref"]).rpartition("/")[2], _NOTHING)
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**target, **rest}
        elif "discriminator" in schema:
            chosen = tags(schema).get(_text(child(data, schema["discriminator"]["propertyName"])))
            if chosen is None:
                return schema
            schema = {"$ref": chosen}
        elif "anyOf" in schema and (branch := _likely(schema["anyOf"], data)) is not None:
            rest = {key: value for key, value in schema.items() if key != "anyOf"}
            schema = {**branch, **rest}
        else:
            return schema


def tags(schema: Schema) -> Mapping[str, str]:
    """The names a choice is made by, each with the reference to what it chooses; empty when nothing is to choose."""
    mapping: Mapping[str, str] = schema.get("discriminator", {}).get("mapping", {})
    return mapping


def choice_at(root: Schema, schema: Schema) -> Schema:
    """The schema with references followed, but no choice made."""
    while "$ref" in schema:
        schema = root["$defs"].get(str(schema["$ref"]).rpartition("/")[2], _NOTHING)
    return schema


def keys_of(schema: Schema) -> tuple[str, ...]:
    """The keys a section may have, in the schema's order."""
    return tuple(schema.get("properties", {}))


def child(data: Any, part: str | int) -> Any:
    """What stands under a key or an index, or ``None``."""
    if isinstance(data, dict):
        return data.get(part)
    if isinstance(data, list) and isinstance(part, int) and -len(data) <= part < len(data):
        return data[part]
    return None


def step(root: Schema, schema: Schema, part: str | int) -> Schema:
    """The schema below one key or index, references followed, but no choice made."""
    return choice_at(root, _step(schema, part))


def describe(schema: Schema) -> str:
    """What a schema allows, in words."""
    if "description" in schema and ("pattern" in schema or not {"type", "enum", "const", "$ref"} & schema.keys()):
        # A form of its own, such as a duration's: its description says how it is written.
        return str(schema["description"])
    if "enum" in schema:
        return ", ".join(_text(one) for one in schema["enum"])
    if "const" in schema:
        return _text(schema["const"])
    if tags(schema):
        return ", ".join(sorted(tags(schema)))
    if _is_section(schema):
        return f"a section with {', '.join(keys_of(schema))}" if keys_of(schema) else "a section"
    return _describe_type(schema)


def _describe_type(schema: Schema) -> str:
    kinds = {"integer": "a whole number", "number": "a number", "string": "text", "boolean": "true or false"}
    if schema.get("type") == "array":
        parts = schema.get("prefixItems")
        return f"a list of {len(parts)} values" if parts else "a list"
    words = kinds.get(str(schema.get("type")), "")
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    bounds = [f"{word} {bound:g}" for word, bound in (("from", low), ("above", above)) if bound is not None]
    bounds += [f"{word} {bound:g}" for word, bound in (("to", high), ("below", below)) if bound is not None]
    if "maxLength" in schema:
        bounds.append(f"of at most {schema['maxLength']} characters")
    if "pattern" in schema:
        bounds.append(f"matching {schema['pattern']}")
    return " ".join([words, *bounds]).strip()


def _is_section(schema: Schema) -> bool:
    return schema.get("type") == "object"


def _step(schema: Schema, part: str | int) -> Schema:
    if isinstance(part, int):
        fixed = schema.get("prefixItems", ())
        return fixed[part] if 0 <= part < len(fixed) else schema.get("items") or _NOTHING
    if part in schema.get("properties", {}):
        found: Schema = schema["properties"][part]
        return found
    for pattern, sub in schema.get("patternProperties", {}).items():
        # A key that breaks the pattern is a mistake of its own; what stands under it is still looked at.
        if re.search(pattern, part) or len(schema["patternProperties"]) == 1:
            return sub if isinstance(sub, dict) else _NOTHING
    more = schema.get("additionalProperties")
    return more if isinstance(more, dict) else _NOTHING


def _likely(branches: list[Schema], data: Any) -> Schema | None:
    real = [branch for branch in branches if branch.get("type") != "null"]
    if len(real) == 1:
        return real[0]
    wanted = "array" if isinstance(data, list) else "object" if isinstance(data, dict) else None
    return next((branch for branch in real if branch.get("type") == wanted), None)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
