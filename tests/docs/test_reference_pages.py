"""The reference is whole: nothing that a program may meet is missing from it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from doc_pages import REPOSITORY
from reference_pages.policy import policy_page
from reference_pages.reasons import STEP_CODES, reasons_page
from reference_pages.settings import VARIABLES, settings_page
from reference_pages.text import markdown

PACKAGE = REPOSITORY / "include" / "setpoint"


def codes_given(path: Path) -> set[str]:
    """The codes that a module gives to reasons: ``Reason(code=...)``, ``Reason.of(...)`` and ``_result(...)``."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        named = [one.value for one in node.keywords if one.arg == "code"] if name == "Reason" else []
        placed = node.args[:1] if name == "Reason.of" else node.args[1:2] if name == "_result" else []
        found |= {one.value for one in (*named, *placed) if isinstance(one, ast.Constant)}
    return found


def test_every_code_of_a_step_is_listed() -> None:
    """Whatever reason a step or the ledger gives a change has a meaning in the reference."""
    modules = [*(PACKAGE / "steps").glob("*.py"), PACKAGE / "ledger" / "changes.py"]
    given = set().union(*(codes_given(module) for module in modules))
    assert given - STEP_CODES.keys() == set()


def test_every_code_of_the_pure_rooms_and_targets_is_listed() -> None:
    """A code given anywhere in these rooms stands in the page."""
    page = reasons_page()
    rooms = ("guards", "strategies", "planning", "feedback", "targets")
    modules = [module for room in rooms for module in (PACKAGE / room).rglob("*.py")]
    given = set().union(*(codes_given(module) for module in modules))
    assert given
    assert [code for code in sorted(given) if f"| `{code}` |" not in page] == []


def test_every_variable_that_is_read_is_listed() -> None:
    """Each SETPOINT_ variable that the code looks up stands in the page."""
    page, read = settings_page(), set(VARIABLES)
    for module in [*PACKAGE.rglob("*.py"), *(REPOSITORY / "config").glob("*.py")]:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Constant) and re.fullmatch(r"SETPOINT_[A-Z_]+", str(node.value)):
                read.add(node.value)
    assert [name for name in sorted(read) if f"`{name}`" not in page] == []


def test_every_field_of_a_policy_has_a_meaning() -> None:
    """No row of the policy's tables is without its last cell, but the ones whose form says it all."""
    rows = [line for line in policy_page().splitlines() if line.startswith("| `")]
    assert [row for row in rows if row.endswith("|  |")] == []


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("``literal`` of :class:`~setpoint.model.Event`", "`literal` of `Event`"),
        ("So::\n\n    a\n      b\n\nafter", "So:\n\n```text\na\n  b\n```\n\nafter"),
    ],
)
def test_a_docstring_becomes_markdown(docstring: str, expected: str) -> None:
    """Literals, roles and literal blocks are what our docstrings use."""
    assert markdown(docstring) == expected


def test_every_direct_dependency_has_its_reason() -> None:
    """Each package of the two requirements files has a row in the decision record, and no row is left over."""
    record = (REPOSITORY / "docs" / "adr" / "0004-dependencies.md").read_text()
    lines = [
        line
        for name in ("requirements.txt", "requirements-dev.txt")
        for line in (REPOSITORY / name).read_text().splitlines()
    ]
    wanted = {re.split(r"[\[=]", line)[0] for line in lines if re.match(r"[A-Za-z]", line)}
    rows = set(re.findall(r"^\| ([A-Za-z][\w-]+) \|", record, re.MULTILINE)) - {"package"}
    assert rows == wanted
