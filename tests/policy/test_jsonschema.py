"""The JSON schema: up to date, and of one mind with the loader."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from setpoint.policy.jsonschema import SCHEMA_FILE, policy_schema, schema_text
from setpoint.policy.loader import load_policy
from setpoint.policy.problems import PolicyError
from setpoint.policy.yaml_text import read_yaml

EXAMPLES = Path(__file__).resolve().parents[2] / "include" / "policies"


def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(schema_text()))


def nodes(schema: Any) -> list[dict[str, Any]]:
    """Every object of the schema."""
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else []
    own = [schema] if isinstance(schema, dict) else []
    return own + [node for part in parts for node in nodes(part)]


def test_the_schema_checked_in_is_the_one_generated() -> None:
    """An editor sees the same keys as the loader."""
    stale = "include/schema/policy.schema.json is out of date; refresh it with: .venv/bin/setpoint schema --write"
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), stale


def test_the_schema_is_a_json_schema() -> None:
    """Itself valid by its dialect, named and titled."""
    schema = policy_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["$id"]
    assert schema["title"]


def test_keys_are_spelt_as_in_the_file() -> None:
    """By alias: ``in`` and ``for``, never the Python name."""
    names = {name for node in nodes(policy_schema()) for name in node.get("properties", {})}
    assert {"in", "for", "names"} <= names
    assert not {name for name in names if name.endswith("_")}


def test_defaults_are_written_as_in_the_file() -> None:
    """A duration's default is ``2m``; the schema's own validator accepts every default."""
    schema = policy_schema()
    defs = {"$defs": schema["$defs"]}
    with_default = [node for node in nodes(schema) if "default" in node]
    assert with_default
    for node in with_default:
        jsonschema.Draft202012Validator({**defs, **node}).validate(node["default"])
    assert schema["$defs"]["Cooldown"]["properties"]["out"]["default"] == "2m"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_valid_in_both(path: Path) -> None:
    """What is shipped loads, and an editor marks nothing in it."""
    assert load_policy(path).policy.name == path.stem
    validator().validate(read_yaml(path.read_text(encoding="utf-8")).data)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: 1", "version: 2"),
        ("owner: platform\n", ""),
        ("owner: platform", "owner: platform\nownr: x"),
        ("name: web", "name: Web"),
        ("name: web", "name: 5"),
        ("min: 2", "min: '2'"),
        ("min: 2", "min: true"),
        ("min: 2", "min: -1"),
        ("min: 2", "min: 2.5"),
        ("above: 70", "above: '70'"),
        ("for: 3 of 5", "for: 3/5"),
        ("add: 2", "add: 0"),
        ("add: 2", "add: fifty%"),
        ("strategy: threshold", "strategy: magic"),
        ("source: aws.cloudwatch", "source: graphite"),
        ("period: 60s", "period: 60"),
        ("  cpu:\n", "  CPU!:\n"),
        ("between: [0, 100]", "between: [0]"),
        ("between: [0, 100]", "between: [0, 1, 2]"),
        ("aggregate: p90", "aggregate: p101"),
        ("names: [web-asg]", "names: [a], match: {tags: {b: c}}"),
        ("owner: platform", "owner: platform\ndry_run: yes"),
    ],
)
def test_what_the_schema_refuses_the_loader_refuses(write, old: str, new: str) -> None:
    """An editor and the loader agree on every mistake a schema can express."""
    path = write((old, new))
    assert list(validator().iter_errors(read_yaml(path.read_text()).data))
    with pytest.raises(PolicyError):
        load_policy(path)


def test_the_good_policy_is_valid_in_both(write) -> None:
    """The negative control of the test above."""
    path = write()
    validator().validate(read_yaml(path.read_text()).data)
    assert load_policy(path)


def test_an_editor_says_what_a_key_means() -> None:
    """Every key is described, but for those that choose an implementation: their one value says it."""
    schema = policy_schema()
    sections = {"Policy": schema, **schema["$defs"]}
    silent = {
        f"{section}.{key}"
        for section, made in sections.items()
        for key, one in made.get("properties", {}).items()
        if "description" not in one and not ("const" in one and key in ("kind", "source", "strategy"))
    }
    assert silent == set()
