"""reasons.md: every code a program may meet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import get_args

from reference_pages.text import markdown, page, table

STEP_CODES: Mapping[str, str] = {
    "already_there": "The target wants the capacity already: `no_op`.",
    "applied_by_earlier_attempt": "The call of an attempt that died went through: the target already stands there.",
    "change_in_progress": "Another change of the same target is open; this one was not started.",
    "dry_run": "Recorded, not carried out.",
    "in_service": "The capacity the change asked for is in service (or, scaling in, gone).",
    "intended": "The change was begun: this is written before the provider is called.",
    "launch_failed": "The provider could not launch; its own message is quoted.",
    "never_applied": "The run died before its call went through; the call is not repeated on old numbers: failed.",
    "not_in_service_in_time": "`feedback.in_service_timeout` passed before all of the capacity was in service.",
    "provider_error": "The provider answered with an error that will not pass by itself: failed.",
    "superseded": "Somebody, or a later change, moved the target on while its capacity was awaited.",
    "target_missing": "The target does not exist any more.",
}
"""Codes that the steps and the ledger give a change on its way; tests/docs finds the ones that are missing here."""

FINDINGS: Mapping[str, str] = {
    "missing": "It is one of the policy's targets and does not exist (any more).",
    "out_of_bounds": "Its capacity is outside the policy's bounds; `reconcile: repair` brings it back in steps.",
    "changed_by_hand": "Its capacity is not what the last recorded change left, but inside the bounds: left alone.",
    "not_in_service": "It has less in service than it wants, and nothing is on its way.",
    "unfinished_change": "A crash left a change unfinished; it is finished by what the target says.",
    "missing_outcome": "A change was never judged; its outcome is recorded now.",
    "rollback_due": "A harmful change is to be taken back and could not be, with the reason.",
    "stranded_events": "A run took events and never said what became of them.",
}


def reasons_page() -> str:
    """Every code a program may meet."""
    from setpoint.events.rejects import REJECTS
    from setpoint.guards import decide, reasons
    from setpoint.ledger.records import FindingKind
    from setpoint.model import ChangeState
    from setpoint.quality import rules
    from setpoint.targets.checks import APPLY_CODES

    return page(
        "# Codes and reasons",
        "Every decision, change and outcome has at least one reason: a `code` for programs, which is listed here and "
        "does not change, and a `text` for people, with the numbers in it. `setpoint explain` shows both, the code in "
        "square brackets.",
        "## Decisions: what a strategy says",
        _codes(reasons.PROPOSAL_CODES),
        "## Decisions: what a guard says",
        "The guards speak in this order, and one that holds ends it: "
        + ", ".join(f"`{guard.__name__}`" for guard in decide.GUARDS)
        + ".",
        _codes(reasons.GUARD_CODES),
        "## Changes: refused at the last moment",
        "The guards are asked again when a change is carried out. They use their own codes above, and these.",
        _codes(reasons.RECHECK_CODES),
        "## Changes: what the target says",
        _codes(APPLY_CODES),
        "## Changes: on their way",
        f"A change is {', '.join(f'`{state.value}`' for state in ChangeState)}. Its steps carry these codes.",
        _codes(STEP_CODES),
        "## Outcomes",
        _codes(reasons.OUTCOME_CODES),
        "## Roll-backs",
        _codes(reasons.ROLLBACK_CODES),
        "## Quality: what the gate checks",
        "Every series (one metric of one target) is judged by all of these. A code here is a `check` of the report.",
        rules_table(rules.__doc__ or ""),
        "A series also fails the check `batch` when the batch as a whole cannot be believed: its file is gone or "
        "altered, columns or types are wrong, rows belong to another target, metric, unit or policy.",
        "## Messages that are refused",
        "A message that becomes no event stands in the ledger's rejects with one of these.",
        _codes(REJECTS),
        "## Drift: what reconciliation reports",
        _codes({kind: FINDINGS[kind] for kind in get_args(FindingKind)}),
        "`setpoint.reconcile` tells them in its log and in the return value of its task, and keeps them in the ledger.",
    )


def _codes(codes: Mapping[str, str]) -> str:
    return table(("code", "meaning"), [(f"`{code}`", markdown(text)) for code, text in codes.items()])


def rules_table(docstring: str) -> str:
    """The first reStructuredText table of a docstring, as Markdown."""
    lines = docstring.splitlines()
    rules = [number for number, line in enumerate(lines) if re.fullmatch(r"(=+ +)+=+", line)]
    starts = [match.start() for match in re.finditer("=+", lines[rules[0]])]
    spans = list(zip(starts, [*starts[1:], None], strict=True))
    head, *rows = (
        [[line[start:end].strip() for start, end in spans] for line in part]
        for part in (lines[rules[0] + 1 : rules[1]], lines[rules[1] + 1 : rules[2]])
    )
    joined: list[list[str]] = []
    for cells in rows[0]:
        if cells[0]:
            joined.append(cells)
        else:
            joined[-1] = [f"{before} {more}".strip() for before, more in zip(joined[-1], cells, strict=True)]
    return table(head[0], [[cell.replace("``", "`") for cell in row] for row in joined])
