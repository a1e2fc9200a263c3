"""docker-compose.yaml as Compose reads it: YAML with merges, then variables put in. And files of scripts/."""

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
COMPOSE = REPOSITORY / "docker-compose.yaml"

_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<rule>:\?|:-)?(?P<word>[^}]*)\})")


class RequiredVariableError(Exception):
    """A variable written ``${NAME:?message}`` is not set; what `docker compose` prints and stops at."""


def substituted(text: str, variables: Mapping[str, str]) -> str:
    """Put ``variables`` in as Compose does: ``$$``, ``${A}``, ``${A:?message}``, ``${A:-default}``."""

    def value(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        name, rule, word = found["name"], found["rule"], found["word"]
        if variables.get(name):
            return variables[name]
        if rule == ":?":
            raise RequiredVariableError(f"{name} {word}")
        return word if rule == ":-" else ""

    return _VARIABLE.sub(value, text)


def required_variables(text: str) -> set[str]:
    """Return the names without which Compose refuses the file."""
    return {found["name"] for found in _VARIABLE.finditer(text) if found["rule"] == ":?"}


def all_variables(text: str) -> set[str]:
    """Return every name the file asks for."""
    return {found["name"] for found in _VARIABLE.finditer(text) if found["name"]}


def read_dotenv(text: str) -> dict[str, str]:
    """Read ``NAME=value`` lines, a value in single quotes taken literally."""
    assignments = re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE)
    return {name: value.removeprefix("'").removesuffix("'") for name, value in assignments}


def loaded(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the file with anchors merged and ``variables`` put into every string."""

    def walk(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: walk(value) for key, value in node.items()}
        if isinstance(node, list):
            return [walk(value) for value in node]
        return substituted(node, variables) if isinstance(node, str) else node

    document: dict[str, Any] = walk(yaml.safe_load(COMPOSE.read_text()))
    return document


def load_script(name: str) -> ModuleType:
    """Import a file of scripts/, which is no package."""
    path = REPOSITORY / "scripts" / name
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
