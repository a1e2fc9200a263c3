"""The table of reason codes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import setpoint
from setpoint.guards.reasons import REASONS
from setpoint.model import HealthVerdict

PACKAGE = Path(setpoint.__file__).parent
ROOMS = ("strategies", "guards", "planning", "feedback")


def literal_codes() -> Iterator[tuple[str, str]]:
    """Every code written out in a call of ``Reason``, ``Reason.of`` or the strategies' helper, and where."""
    for room in ROOMS:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and re.fullmatch(r"(Reason(\.of)?|_reason)", ast.unparse(node.func)):
                    code = node.args[0] if node.args else next(one.value for one in node.keywords if one.arg == "code")
                    for part in ast.walk(code):
                        if isinstance(part, ast.Constant) and isinstance(part.value, str):
                            yield part.value, f"{path.name}:{node.lineno}"


def test_every_code_is_documented():
    """A code that the pure rooms write is in the table."""
    found = [(code, where) for code, where in literal_codes() if not code.endswith("_")]

    assert len(found) > 25
    assert [(code, where) for code, where in found if code not in REASONS] == []


def test_every_verdict_has_its_code():
    """The codes made from a health verdict are in the table too."""
    assert {f"health_{verdict.value}" for verdict in HealthVerdict} <= set(REASONS)


def test_every_documented_code_is_used():
    """The table holds nothing that the code does not say."""
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for room in ROOMS
        for path in (PACKAGE / room).rglob("*.py")
        if path.name != "reasons.py"
    )
    used = {code for code in REASONS if f'"{code}"' in source} | {f"health_{one.value}" for one in HealthVerdict}

    assert set(REASONS) - used == set()


@pytest.mark.parametrize("code", sorted(REASONS))
def test_a_meaning_is_a_sentence(code):
    """Codes are words with underscores, meanings are sentences."""
    assert re.fullmatch(r"[a-z][a-z0-9_]*", code)
    assert REASONS[code][0].isupper()
    assert REASONS[code].endswith(".")
