"""``setpoint event replay`` and ``dismiss``: what becomes of messages that could not be read, or that nobody wanted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from setpoint.cli.event.show import found_story
from setpoint.cli.output import CommandError, ExitCode, Json, console, errors_reported, print_json, text
from setpoint.cli.policies import policies_directory

if TYPE_CHECKING:
    from setpoint.events.replay import Replayed
    from setpoint.ledger import Ledger

_MOST = 10_000


def replay(
    reference: Annotated[
        str | None, typer.Argument(metavar="ID", help="A reject's or an unwanted message's id, or its beginning.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every refused message that is open.")] = False,
    as_json: Json = False,
) -> None:
    """Read refused or unwanted messages again, with today's kinds and policies.

    For after a fix. Whether anything changes is decided on today's metrics.
    What is wanted now wakes its policy within seconds.
    Exit status 1 when one is refused, or unwanted, again.

    Examples:

        setpoint event replay 4f0c2a91

        setpoint event replay --all
    """
    from setpoint.cli.ledgers import reading_ledger

    with errors_reported(as_json):
        if (reference is None) != everything:
            raise CommandError("name one message, or give --all", ExitCode.USAGE)
        with reading_ledger() as ledger:
            ids = (
                [one.reject_id for one in ledger.rejects(_MOST, state="open")]
                if everything
                else [_one(ledger, str(reference))]
            )
            told = [_replayed(ledger, one) for one in ids]
        if as_json:
            print_json({"replayed": told})
        else:
            for one in told:
                style = "green" if one["fate"] in ("accepted", "duplicate") else "yellow"
                why = f": {one['why']}" if one["why"] else ""
                console().print(text(f"{one['receipt_id'][:12]} {one['fate']}{why}", style))
            if not told:
                console().print(text("no refused message is open"))
    if any(one["fate"] not in ("accepted", "duplicate", "control") for one in told):
        raise typer.Exit(ExitCode.NO)


def dismiss(
    reference: Annotated[str, typer.Argument(metavar="ID", help="A reject's id, or its beginning.")],
    reason: Annotated[str, typer.Option(help="Why nothing is to come of it, for the record.")],
    as_json: Json = False,
) -> None:
    """Put a refused message aside: somebody has looked, and nothing is to come of it.

    It stays in the ledger, with the reason; setpoint event rejects --all shows it.

    Examples:

        setpoint event dismiss 4f0c2a91 --reason "a test of the monitoring team"

        setpoint event dismiss 4f0c2a91 --reason "known" --json
    """
    from setpoint.cli.ledgers import reading_ledger

    with errors_reported(as_json), reading_ledger() as ledger:
        kept = ledger.dismiss_reject(_one(ledger, reference), reason, datetime.now(UTC))
        if as_json:
            print_json(kept.to_json())
        else:
            console().print(text(f"{kept.reject_id[:12]} {kept.state}: {kept.resolution or ''}"))


def _one(ledger: Ledger, reference: str) -> str:
    story = found_story(ledger, reference)
    if story is None or story.receipt is None:
        raise CommandError(
            f"the ledger has no message {reference!r}; setpoint event rejects and setpoint event unwanted list them",
            ExitCode.NO,
        )
    return story.receipt.receipt_id


def _replayed(ledger: Ledger, receipt_id: str) -> dict[str, Any]:
    from setpoint.events.intake import event_kinds
    from setpoint.events.replay import replay_reject
    from setpoint.ledger import NotRecorded
    from setpoint.policy.loader import load_policies
    from setpoint.settings import load_settings

    try:
        again: Replayed = replay_reject(
            receipt_id,
            ledger=ledger,
            kinds=event_kinds(),
            policies=[one.policy for one in load_policies(policies_directory()).policies],
            now=datetime.now(UTC),
            window=load_settings().dedupe_window,
            listening=(),  # this process wakes nobody; the running streams look every second
        )
    except (NotRecorded, ValueError) as error:
        return {"receipt_id": receipt_id, "fate": "not replayed", "event_ids": [], "why": str(error)}
    why = f"{again.refused.code}: {again.refused.text}" if again.refused else ""
    if again.receipt.fate == "unwanted":
        why = "no policy wants it"
    return {
        "receipt_id": receipt_id,
        "fate": again.receipt.fate,
        "event_ids": list(again.receipt.event_ids),
        "why": why,
    }
