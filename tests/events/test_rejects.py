"""The list of reasons a message may be refused for."""

from __future__ import annotations

import ast
from pathlib import Path

import setpoint.events
from setpoint.events.rejects import REJECTS


def test_every_code_that_is_given_is_listed_and_every_listed_one_is_given() -> None:
    """The reference is generated from the list, so the list is neither short nor stale."""
    given: set[str] = set()
    for path in Path(setpoint.events.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "EventError":
                code = node.args[0]
                if isinstance(code, ast.Constant):
                    given.add(code.value)
    assert given == set(REJECTS)
