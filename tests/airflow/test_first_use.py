"""Modules that are loaded when something of them is used."""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from setpoint_airflow.first_use import load_on_first_use


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that says when it is loaded, imports a part of itself meanwhile, and has another part."""
    name = f"late_{tmp_path.name}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text(
        f"import builtins\nimport {name}.inner\nVALUE = {name}.inner.VALUE + 1\n"
        "builtins.LOADED = getattr(builtins, 'LOADED', 0) + 1\n"
    )
    (folder / "inner.py").write_text("VALUE = 1\n")
    (folder / "other.py").write_text(f"from {name} import VALUE\n")
    (folder / "broken.py").write_text("raise RuntimeError('not today')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("builtins.LOADED", 0, raising=False)
    return name


def loaded() -> int:
    """How often the package has been loaded."""
    import builtins

    return int(vars(builtins)["LOADED"])


def test_an_import_is_no_use(package: str) -> None:
    """However often it is imported, it is loaded once, when something is asked of it, and stays the same object."""
    load_on_first_use(package)
    first, second = __import__(package), importlib.import_module(package)
    assert (loaded(), first is second) == (0, True)
    assert (first.VALUE, loaded()) == (2, 1)
    assert type(first) is ModuleType
    assert sys.modules[package] is first
    load_on_first_use(package)
    assert (first.VALUE, loaded()) == (2, 1)


def test_a_module_below_loads_the_one_above_first(package: str) -> None:
    """As without it: a package is there before its modules are."""
    load_on_first_use(package)
    other = importlib.import_module(f"{package}.other")
    assert (other.VALUE, loaded()) == (2, 1)


def test_a_module_of_a_package_is_put_off_too(package: str) -> None:
    """It is found as the package's attribute, and its failure comes with its use, each time."""
    load_on_first_use(f"{package}.broken")
    assert loaded() == 1
    broken = importlib.import_module(package).broken
    for _ in range(2):
        with pytest.raises(RuntimeError, match="not today"):
            broken.anything  # noqa: B018  # asking is what is tested


def test_what_is_not_there_stays_so(package: str) -> None:
    """Neither a missing module nor a missing attribute is made up."""
    load_on_first_use("nobody_has_this")
    load_on_first_use("nobody_has_this.either")
    assert "nobody_has_this" not in sys.modules
    load_on_first_use(package)
    assert not hasattr(importlib.import_module(package), "nothing")


def test_threads_wait_for_the_one_that_loads(package: str) -> None:
    """Nobody sees a module half loaded."""
    load_on_first_use(package)
    module, start, seen = importlib.import_module(package), threading.Barrier(8), []

    def use() -> None:
        start.wait(timeout=30)
        seen.append(module.VALUE)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(timeout=30)
    assert (seen, loaded()) == ([2] * 8, 1)
