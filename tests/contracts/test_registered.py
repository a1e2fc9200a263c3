"""Every registered implementation keeps its contract. A new one is checked here without another line."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

import pytest

import setpoint
from setpoint.events import EVENTS
from setpoint.events.contract import EventConfig, EventKind
from setpoint.model.base import Value
from setpoint.policy.jsonschema import policy_schema
from setpoint.registry import Registry
from setpoint.sources import SOURCES
from setpoint.sources.contract import MetricConfig, Source
from setpoint.strategies import STRATEGIES
from setpoint.strategies.contract import Strategy, StrategyConfig
from setpoint.targets import TARGETS
from setpoint.targets.contract import Target, TargetConfig, TargetReader

PACKAGE = Path(setpoint.__file__).parent
REFERENCE = PACKAGE.parents[1] / "docs" / "reference"
HEAVY = ("airflow", "boto3", "botocore", "great_expectations", "pandas", "sqlalchemy")
PERMISSION = re.compile(r"[a-z0-9-]+:[A-Z][A-Za-z0-9]+")

PROBE = """
import json, sys
from importlib import import_module
heavy, modules = json.loads(sys.argv[1])
told = {}
for name in modules:
    import_module(name)
    told[name] = [one for one in heavy if one in sys.modules]
print(json.dumps(told))
"""


class Kind(NamedTuple):
    """One contract: where its implementations are registered, and what they must be."""

    registry: Registry
    protocol: Any
    config: type[Value]
    tag: str
    """The field of ``Config`` that holds the registered name."""
    page: str
    """The reference page that tells of it."""


KINDS = (
    Kind(SOURCES, Source, MetricConfig, "source", "policy.md"),
    Kind(STRATEGIES, Strategy, StrategyConfig, "strategy", "policy.md"),
    Kind(TARGETS, Target, TargetConfig, "kind", "policy.md"),
    Kind(EVENTS, EventKind, EventConfig, "kind", "events.md"),
)
REGISTERED = [
    pytest.param(kind, name, id=f"{kind.registry.group}-{name}") for kind in KINDS for name in kind.registry.names()
]
pytestmark = pytest.mark.parametrize(("kind", "name"), REGISTERED)


@pytest.fixture(scope="module")
def heavy_imports() -> dict[str, list[str]]:
    """What each implementation's module pulls in; one process for all, so the first to blame is the first named."""
    modules = sorted({kind.registry.load(name).__module__ for kind in KINDS for name in kind.registry.names()})
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps([HEAVY, modules])],
        env={"PYTHONPATH": str(PACKAGE.parent), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, list[str]] = json.loads(done.stdout)
    return told


def methods_of(protocol: Any) -> dict[str, Any]:
    """The public methods a protocol asks for, those of its bases included."""
    return {
        name: method
        for base in reversed(protocol.__mro__)
        if getattr(base, "_is_protocol", False)
        for name, method in vars(base).items()
        if not name.startswith("_") and (inspect.isfunction(method) or isinstance(method, staticmethod))
    }


def shape(owner: Any, name: str) -> tuple[bool, list[tuple[str, Any, Any]]]:
    """Whether a method is static, and each parameter's name, kind and default."""
    parameters = inspect.signature(getattr(owner, name)).parameters.values()
    static = isinstance(inspect.getattr_static(owner, name), staticmethod)
    return static, [(one.name, one.kind, one.default) for one in parameters]


def test_its_section_is_a_frozen_model_tagged_with_its_name(kind: Kind, name: str) -> None:
    """The policy section is told from the others by its tag, refuses unknown keys, and cannot be altered."""
    config = kind.registry.load(name).Config
    tag = config.model_fields[kind.tag].annotation

    assert issubclass(config, kind.config)
    assert (get_origin(tag), get_args(tag)) == (Literal, (name,))
    assert (config.model_config.get("frozen"), config.model_config.get("extra")) == (True, "forbid")


def test_its_methods_are_those_of_the_contract(kind: Kind, name: str) -> None:
    """Every method takes what the contract says: the same names, kinds and defaults, in the same order."""
    implementation = kind.registry.load(name)
    wanted = methods_of(kind.protocol)

    assert wanted
    for method in wanted:
        assert shape(implementation, method) == shape(kind.protocol, method), method


def test_it_is_documented(kind: Kind, name: str) -> None:
    """The class and its section say what they are for in their own words; of a method, the contract does."""
    implementation = kind.registry.load(name)
    documented = [implementation, implementation.Config]
    documented += [getattr(kind.protocol, method) for method in methods_of(kind.protocol)]

    assert [one.__qualname__ for one in documented if not (one.__doc__ or "").strip()] == []
    assert implementation.Config.__doc__ != kind.config.__doc__


def test_its_permissions_are_actions(kind: Kind, name: str) -> None:
    """Least privileges are told one by one, ``service:Action``, without a wildcard; changing includes reading."""
    implementation = kind.registry.load(name)
    permissions = [*getattr(implementation, "permissions", ()), *getattr(implementation, "read_permissions", ())]
    needs_some = getattr(implementation, "service", None) is not None

    assert [one for one in permissions if not PERMISSION.fullmatch(one)] == []
    assert permissions or not needs_some
    assert set(getattr(implementation, "read_permissions", ())) <= set(getattr(implementation, "permissions", ()))


def test_it_is_light_to_import(kind: Kind, name: str, heavy_imports: dict[str, list[str]]) -> None:
    """Its module alone loads no Airflow, AWS client, gate, pandas or database: it is imported to read a policy."""
    assert heavy_imports[kind.registry.load(name).__module__] == []


def test_editors_and_readers_find_it(kind: Kind, name: str) -> None:
    """It stands in the JSON schema of a policy, by its tag, and in the reference with every permission."""
    schema = json.dumps(policy_schema())
    config = kind.registry.load(name).Config
    defined = policy_schema()["$defs"][config.__name__]
    permissions = (REFERENCE / "permissions.md").read_text(encoding="utf-8")
    wanted = {*getattr(kind.registry.load(name), "permissions", ())}

    assert f"#/$defs/{config.__name__}" in schema
    assert defined["properties"][kind.tag]["const"] == name
    assert f"`{name}`" in (REFERENCE / kind.page).read_text(encoding="utf-8")
    assert {one for one in wanted if one not in permissions} == set()


def test_a_target_is_read_without_hands(kind: Kind, name: str) -> None:
    """What a dry run gets of a target reads as the target does and has no ``apply``; nothing else has either."""
    reader = getattr(kind.registry.load(name), "Reader", None)

    assert (reader is not None) == (kind.registry is TARGETS)
    assert not hasattr(reader, "apply")
    for method in methods_of(TargetReader) if reader is not None else ():
        assert shape(reader, method) == shape(TargetReader, method), method
