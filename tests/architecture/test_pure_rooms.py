"""The pure rooms touch nothing of the world: checked by importing them, and by reading them."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

import setpoint

PACKAGE = Path(setpoint.__file__).parent
WORLD = ("airflow", "aiobotocore", "boto3", "botocore", "great_expectations", "sqlalchemy")
"""What no pure room may load, however indirectly."""
ROOMS = {
    "model": (*WORLD, "pandas", "numpy"),
    "strategies": (*WORLD, "pandas", "numpy"),
    "guards": (*WORLD, "pandas", "numpy"),
    "planning": (*WORLD, "pandas", "numpy"),
    "feedback": (*WORLD, "pandas", "numpy"),
    "signals": WORLD,
}
"""Each pure room and what it must not load; ``signals`` is where pandas is at home."""

PROBE = """
import sys
from importlib import import_module
forbidden, modules = sys.argv[1].split(","), sys.argv[2:]
for name in modules:
    import_module(name)
print(",".join(name for name in forbidden if name in sys.modules))
"""


def modules_of(folder: Path, package: str) -> list[str]:
    """The names of all modules in a folder."""
    return [
        ".".join((package, *path.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
        for path in sorted(folder.rglob("*.py"))
    ]


def loaded(modules: Sequence[str], forbidden: Iterable[str], path: Path | None = None) -> set[str]:
    """Which forbidden packages a fresh process has loaded after importing some modules."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, filter(None, (path, PACKAGE.parent))))}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, ",".join(forbidden), *modules],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(filter(None, done.stdout.strip().split(",")))


def setpoint_imports(source: str) -> set[str]:
    """Our own modules that a source text imports, wherever in the text it does."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return {name for name in found if name.split(".")[0] in ("setpoint", "setpoint_airflow", "")}


@pytest.mark.parametrize("room", ROOMS)
def test_a_pure_room_loads_nothing_of_the_world(room):
    """Importing every module of a pure room in a fresh process loads no cloud, no Airflow, no database, no gate."""
    modules = modules_of(PACKAGE / room, f"setpoint.{room}")

    assert modules
    assert loaded(modules, ROOMS[room]) == set()


def test_an_impure_module_is_caught(tmp_path):
    """The check sees a forbidden package behind a chain of innocent imports."""
    (tmp_path / "innocent_room.py").write_text("import innocent_helper\n")
    (tmp_path / "innocent_helper.py").write_text("import botocore.session\n")

    assert loaded(["innocent_room"], WORLD, tmp_path) == {"botocore"}


def test_the_nouns_import_nothing_of_ours():
    """``model`` imports itself and nothing else of the package."""
    sources = {path.name: path.read_text(encoding="utf-8") for path in (PACKAGE / "model").rglob("*.py")}
    foreign = {
        (name, imported)
        for name, source in sources.items()
        for imported in setpoint_imports(source)
        if imported != "setpoint.model" and not imported.startswith("setpoint.model.")
    }

    assert sources
    assert foreign == set()


@pytest.mark.parametrize(
    ("source", "imported"),
    [
        ("import setpoint.guards.decide", {"setpoint.guards.decide"}),
        ("def lazily():\n    from setpoint.ledger import Ledger", {"setpoint.ledger"}),
        ("from ..guards import decide", {"..guards"}),
        ("import setpoint_airflow", {"setpoint_airflow"}),
        ("import json, pydantic", set()),
    ],
)
def test_an_import_of_ours_is_seen(source, imported):
    """The reading check sees plain, lazy, relative and plugin imports."""
    assert setpoint_imports(source) == imported


def test_pure_rooms_do_not_read_the_clock_or_roll_dice():
    """Time and chance are arguments in the pure rooms: nothing there asks for them."""
    asked = {
        f"{path.relative_to(PACKAGE)}: {call}"
        for room in ROOMS
        for path in (PACKAGE / room).rglob("*.py")
        for call in _calls(path.read_text(encoding="utf-8"))
        if call in ("datetime.now", "datetime.utcnow", "time.time", "time.monotonic", "date.today", "uuid.uuid4")
        or call.startswith("random.")
    }

    assert asked == set()


def _calls(source: str) -> Iterable[str]:
    return [ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
