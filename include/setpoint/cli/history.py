"""``setpoint history``: what was decided, and what came of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from setpoint.cli.output import CommandError, ExitCode, Json, console, errors_reported, print_json, text
from setpoint.cli.policies import PolicyOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from setpoint.ledger import HistoryRow

_MOST = 10_000

STYLES = {
    "scale_out": "cyan",
    "scale_in": "blue",
    "hold": "dim",
    "quarantine": "yellow",
    "improved": "green",
    "healthy": "green",
    "degraded": "red",
    "failed": "red",
    "refused": "yellow",
    "pass": "green",
    "fail": "red",
}
"""The colour of a word, wherever it stands."""


def history(
    policy: PolicyOption = None,
    target: Annotated[str | None, typer.Option(help="Only this target's.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Only from then on: 90m, 2d, or 2030-01-31T12:00Z.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=_MOST, help="Lines at most.")] = 50,
    changes: Annotated[bool, typer.Option("--changes", help="Leave out decisions that changed nothing.")] = False,
    as_json: Json = False,
) -> None:
    """List decisions, newest first, with the change and the verdict.

    Above them stand the incidents of broken sources: those that are open, or with --since those that were open then.

    Examples:

        setpoint history --since 2h

        setpoint history --policy storefront-web --changes

        setpoint history --json --limit 500 | jq '.history[] | select(.verdict == "degraded")'
    """
    from setpoint.cli.ledgers import reading_ledger

    with errors_reported(as_json):
        moment = parse_since(since, datetime.now(UTC)) if since else None
        with reading_ledger() as ledger:
            rows = ledger.history(policy, target, moment, limit, changes_only=changes)
            incidents = ledger.incidents(policy, moment, limit, open_only=moment is None)
        if as_json:
            shown = {"history": [row.to_json() for row in rows]}
            print_json({**shown, "incidents": [one.to_json() for one in incidents]})
            return
        for incident in incidents:
            console().print(text(f"{incident.policy}: {incident}", "red" if incident.is_open else "dim"))
        if rows:
            console().print(_table(rows))
        else:
            console().print(text("nothing was decided yet that fits"))


def parse_since(words: str, now: datetime) -> datetime:
    """The moment that ``2h`` (that long ago) or an ISO 8601 time means; a time without a zone is UTC.

    :raises CommandError: it is neither.
    """
    from pydantic_core import PydanticCustomError

    from setpoint.policy.fields import parse_duration

    try:
        return now - parse_duration(words)
    except (PydanticCustomError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(words)
    except ValueError as error:
        allowed = "a duration such as 90m or 2d, or a time such as 2030-01-31T12:00Z"
        raise CommandError(f"--since {words}: not a time; write {allowed}", ExitCode.USAGE) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _table(rows: Sequence[HistoryRow]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("time (UTC)", "policy", "target", "action", "units", "change", "verdict", "reason"):
        table.add_column(name, no_wrap=name != "reason", overflow="fold")
    for row in rows:
        change = f"{row.change_state} {row.change_id[:8]}" if row.change_state and row.change_id else ""
        verdict = row.verdict.value if row.verdict else ""
        took_back = f"takes back {row.reverts[:8]}: " if row.reverts else ""
        table.add_row(
            text(f"{row.at:%m-%d %H:%M:%S}"),
            text(row.policy),
            text(row.target),
            text(row.action.value, STYLES.get(row.action.value, "")),
            text(units(row.from_units, row.to_units)),
            text(change + (" (dry run)" if row.dry_run else ""), STYLES.get(str(row.change_state or ""), "")),
            text(verdict + _taken_back(row), STYLES.get(verdict, "")),
            text(took_back + row.reason.text),
        )
    return table


def _taken_back(row: HistoryRow) -> str:
    """Whether a harmful change was taken back: only what took effect counts as that."""
    if row.followed != "roll_back":
        return ""
    if row.rollback_state is None:
        return ", roll back due"
    if row.rollback_state.effective:
        return ", rolled back"
    return f", roll back {row.rollback_state.value}"


def units(before: int | None, after: int | None) -> str:
    """``3 → 5``; one number when nothing moves; a dash for a capacity nobody could read."""
    if before == after:
        return "-" if before is None else str(before)
    return f"{'-' if before is None else before} → {'-' if after is None else after}"
