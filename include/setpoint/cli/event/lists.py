"""``setpoint event rejects`` and ``unwanted``: messages that became no evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from setpoint.cli.output import Json, console, errors_reported, print_json, text

Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Lines at most.")]
_ID = 12
"""Characters of an id that are shown; enough to name one."""


def rejects(
    limit: Limit = 50,
    everything: Annotated[bool, typer.Option("--all", help="Also those replayed or dismissed since.")] = False,
    as_json: Json = False,
) -> None:
    """List messages that could not be read, newest first, with the reason.

    Each stays here until it is read again (setpoint event replay) or put
    aside (setpoint event dismiss). setpoint event show ID has the whole body.

    Examples:

        setpoint event rejects

        setpoint event rejects --json | jq '.rejects[] | {reject_id, code, text}'
    """
    from setpoint.cli.ledgers import reading_ledger

    with errors_reported(as_json), reading_ledger() as ledger:
        found = ledger.rejects(limit, state=None if everything else "open")
        if as_json:
            print_json({"rejects": [one.to_json() for one in found]})
        elif not found:
            console().print(text("no message was refused" if everything else "no refused message is open"))
        else:
            rows = [
                (one.reject_id[:_ID], f"{one.received_at:%m-%d %H:%M:%S}", one.state, one.source, one.code, one.text)
                for one in found
            ]
            _print(("id", "received (UTC)", "state", "from", "code", "why"), rows)


def unwanted(limit: Limit = 50, as_json: Json = False) -> None:
    """List messages that no policy wanted, newest first.

    After a policy was added or mended, setpoint event replay ID routes one again.

    Examples:

        setpoint event unwanted

        setpoint event unwanted --json | jq -r '.unwanted[].receipt_id'
    """
    from setpoint.cli.ledgers import reading_ledger

    with errors_reported(as_json), reading_ledger() as ledger:
        found = ledger.receipts(limit, fate="unwanted")
        if as_json:
            print_json({"unwanted": [one.to_json() for one in found]})
        elif not found:
            console().print(text("every message that could be read was wanted"))
        else:
            rows = [
                (one.receipt_id[:_ID], f"{one.received_at:%m-%d %H:%M:%S}", one.source, ", ".join(one.event_ids))
                for one in found
            ]
            _print(("id", "received (UTC)", "from", "events"), rows)


def _print(names: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name, no_wrap=name not in ("why", "events"), overflow="fold")
    for row in rows:
        table.add_row(*(text(cell) for cell in row))
    console().print(table)
