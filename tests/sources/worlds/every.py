"""The world of every source, by the source's registered name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from worlds.base import World


def _world_of(path: Path) -> type[World]:
    module = import_module(f"worlds.{path.stem}")
    (found,) = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__
                and issubclass(one, World)]  # fmt: skip
    return found


WORLDS = {one.registered: one for one in map(_world_of, sorted(Path(__file__).parent.glob("*_world.py")))}
