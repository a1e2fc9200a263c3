"""policy.md: every field of a policy file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from reference_pages.text import FIELD_HEAD, markdown, page, table

MEANINGS: Mapping[str, str] = {
    "targets": "[the fleet](#targets-with-kind-awsautoscaling_group): which targets, reached how",
    "triggers": "[what starts a run](#triggers); nothing but a person when it is left out",
    "metrics": "[the numbers](#metricsname-with-source-awscloudwatch), each under a name of its own",
    "quality": "[when a metric's numbers can be trusted](#qualityname); the defaults for a metric that is left out",
    "scale": "[what is decided](#scale-with-strategy-threshold)",
    "limits": "[what no decision may cross](#limits)",
    "feedback": "[how a change is watched](#feedback), and what follows when it hurts",
    "targets.kind": "which implementation",
    "triggers.events.kind": "which implementation",
    "metrics.<name>.source": "which implementation",
    "scale.strategy": "which implementation",
}
"""By their place in the file: sections, said with a link, and the keys that choose, which no schema describes.

Everything else says itself what it means, in the schema, where an editor shows it too.
"""


def policy_page() -> str:
    """Every field of a policy file."""
    from pydantic import TypeAdapter

    from setpoint.events.where import Wanted
    from setpoint.policy.fields import Aggregate, Duration, NOfM, Ratio, Step
    from setpoint.policy.jsonschema import policy_schema

    kinds: Mapping[str, Any] = {
        "duration": Duration,
        "N of M": NOfM,
        "step": Step,
        "ratio": Ratio,
        "aggregate": Aggregate,
        "condition": Wanted,
    }
    forms = {name: TypeAdapter(kind).json_schema() for name, kind in kinds.items()}
    words = SchemaInWords(policy_schema(), forms)
    return page(
        "# The policy file",
        "One YAML file in the policies' folder (`SETPOINT_POLICIES`) is one policy, one Dag and one fleet. "
        "Unknown keys are errors, and every problem of a file is reported at once: `setpoint validate`. "
        "An editor that speaks the YAML language server checks a file that begins with "
        "`# yaml-language-server: $schema=../schema/policy.schema.json`; "
        "`setpoint schema` prints that schema.",
        "## Forms",
        table(("form", "how it is written"), [(f"**{name}**", str(one["description"])) for name, one in forms.items()]),
        *words.sections(),
        "## Rules between keys",
        "The loader checks these; a JSON schema cannot say them.",
        BETWEEN_KEYS,
    )


BETWEEN_KEYS = """\
- `triggers`: `every` or `cron`, not both; `every` is at least 10s.
- `limits.min` is at most `limits.max`; a target's own bounds hold as well.
- `scale.in.below` is lower than `scale.out.above`; a threshold strategy has `out`, `in`, or both.
- `for: N of M` looks at no more points than `window` has periods.
- A metric's `window` is a whole number of its `period`s.
- `quality.<metric>.max_age` is at least one period plus `settle`: no point can be younger.
- `full_coverage` is at least `min_coverage`; `between` is the lowest and the highest value, in this order.
- `feedback.after` holds at least `min_samples` periods of every health metric.
- A health limit has `max`, `min` or `no_worse_than`.
- Every metric that `scale`, `quality` or `feedback.healthy` names is one of `metrics`.
- `names` and `match` are two ways to choose the targets: one of them.
- Two files of one folder do not have the same `name`."""


class SchemaInWords:
    """Reads the policy's JSON schema and puts it in words."""

    def __init__(self, schema: Mapping[str, Any], forms: Mapping[str, Mapping[str, Any]]) -> None:
        self._schema = schema
        self._forms = {_shape(one): name for name, one in forms.items()}
        self._said_by_forms = {str(one["description"]) for one in forms.values()}
        self._waiting: list[tuple[str, str, Mapping[str, Any]]] = [("", "The whole file", schema)]
        self._met: set[str] = set()

    def sections(self) -> list[str]:
        """A heading and a table for every section, outer ones first."""
        parts: list[str] = []
        while self._waiting:
            path, title, schema = self._waiting.pop(0)
            later, self._waiting = self._waiting, []
            said = markdown(schema.get("description", "")) if path else ""
            parts += [f"## {title}", said, table(FIELD_HEAD, self.rows(path, schema))]
            # A section's own sections come right behind it.
            self._waiting += later
        return parts

    def rows(self, path: str, schema: Mapping[str, Any]) -> list[Sequence[str]]:
        """The rows of one section's table.

        :param path: where the section stands in the file; empty for the file itself.
        """
        return [self._field(path, name, one, schema) for name, one in schema.get("properties", {}).items()]

    def _field(self, path: str, name: str, field: Mapping[str, Any], holder: Mapping[str, Any]) -> Sequence[str]:
        where = f"{path}.{name}" if path else name
        form, said = self._form(where, field), field.get("description", "")
        # What the form says of itself is no meaning of this field.
        meaning = MEANINGS.get(where, "" if said in self._said_by_forms else markdown(said))
        return f"`{name}`", form, self._default(name, field, holder), meaning

    def _default(self, name: str, field: Mapping[str, Any], holder: Mapping[str, Any]) -> str:
        if name in holder.get("required", ()):
            return "**required**"
        value = field.get("default")
        if value is None or value in ([], {}, ""):
            return "none"
        return "see below" if isinstance(value, dict) else f"`{json.dumps(value)}`".replace('"', "")

    def _form(self, where: str, field: Mapping[str, Any]) -> str:
        if "anyOf" in field:
            return " or ".join(self._form(where, one) for one in field["anyOf"] if one.get("type") != "null")
        if "$ref" in field:
            return self._referred(where, field["$ref"])
        if "discriminator" in field:
            key = field["discriminator"]["propertyName"]
            for choice, ref in field["discriminator"]["mapping"].items():
                self._later(where, f"`{where}` with `{key}: {choice}`", ref)
            return f"section, chosen by its `{key}`"
        if (known := self._forms.get(_shape(field))) is not None:
            return known
        return self._plain(where, field)

    def _plain(self, where: str, field: Mapping[str, Any]) -> str:
        if "const" in field:
            return f"`{field['const']}`"
        if "enum" in field:
            return ", ".join(f"`{one}`" for one in field["enum"])
        kind = field.get("type")
        if kind == "array":
            if "prefixItems" in field:
                return "[" + ", ".join(self._form(where, one) for one in field["prefixItems"]) + "]"
            return f"list of {self._form(where, field['items'])}"
        if kind == "object":
            inner = next(iter(field.get("patternProperties", {}).values()), None) or field["additionalProperties"]
            key = "JSONPath" if field.get("propertyNames", {}).get("pattern") == r"^\$" else "name"
            return f"{key} → {self._form(f'{where}.<name>', inner)}"
        return _number(field) if kind in ("integer", "number") else {"string": "text"}.get(str(kind), str(kind))

    def _referred(self, where: str, ref: str) -> str:
        schema = self._schema["$defs"][ref.rpartition("/")[2]]
        if "properties" not in schema:
            return self._plain(where, schema)
        self._later(where, f"`{where}`", ref)
        return "section"

    def _later(self, where: str, title: str, ref: str) -> None:
        if title not in self._met:
            self._met.add(title)
            self._waiting.append((where, title, self._schema["$defs"][ref.rpartition("/")[2]]))


def _shape(field: Mapping[str, Any]) -> str:
    """What tells one form of value from another."""
    return json.dumps(field.get("pattern", field.get("oneOf")))


def _number(field: Mapping[str, Any]) -> str:
    kind = "whole number" if field["type"] == "integer" else "number"
    limits = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    said = [f"{word} {field[key]:g}" for key, word in limits.items() if key in field]
    return f"{kind} {' '.join(said)}".strip()
