"""``setpoint event accounting``: what became of every message."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from setpoint.cli.history import parse_since
from setpoint.cli.output import ExitCode, Json, console, errors_reported, print_json, text

_MEANING = {
    "acted_on": "an evaluation was made for it",
    "coalesced": "joined another one's evaluation",
    "duplicate": "its event was known",
    "rejected": "could not be read; setpoint event rejects",
    "control": "a sender tried out the way: no event, nothing to do",
    "unwanted": "no policy wants it; setpoint event unwanted",
    "too_old": "older than its policy's max_event_age",
    "below_count": "too few like it in the trigger's window",
    "failed": "its run went wrong, and it was given up",
    "waiting": "nothing of the above yet",
}


def accounting(
    since: Annotated[str, typer.Option(metavar="WHEN", help="From then on: 90m, 2d, or 2030-01-31T12:00Z.")] = "1d",
    source: Annotated[
        str | None, typer.Option(help="Only messages from there: a queue's URL, or webhook:<sender>.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Account for every message since a moment: each is counted once.

    Exit status 1 when the counts do not add up to the messages received.

    Examples:

        setpoint event accounting --since 1h

        setpoint event accounting --source webhook:alertmanager

        setpoint event accounting --json | jq .rejected
    """
    from setpoint.cli.ledgers import reading_ledger

    with errors_reported(as_json):
        moment = parse_since(since, datetime.now(UTC))
        with reading_ledger() as ledger:
            books = ledger.accounting(moment, source=source)
        if as_json:
            print_json({**books.to_json(), "missing": books.missing})
        else:
            out = console()
            out.print(
                text(
                    f"{books.receipts:>8} message{'' if books.receipts == 1 else 's'} since {books.since:%F %T} UTC",
                    "bold",
                )
            )
            for name, meaning in _MEANING.items():
                count = getattr(books, name)
                style = "dim" if not count else "yellow" if name in ("rejected", "failed") else ""
                out.print(text(f"{count:>8} {name.replace('_', ' '):<12} {meaning}", style))
            if books.missing:
                out.print(text(f"{books.missing:>8} missing: the ledger was altered outside Setpoint", "bold red"))
    if books.missing:
        raise typer.Exit(ExitCode.NO)
