"""``setpoint event show``: one message or event, and everything that became of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from setpoint.cli.output import CommandError, ExitCode, Json, console, errors_reported, print_json, text

if TYPE_CHECKING:
    from rich.tree import Tree

    from setpoint.ledger import Ledger
    from setpoint.ledger.messages import MessageStory, TravelledEvent


def show(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A message's receipt or reject id (or its beginning), the id its sender gave it, or an event's id.",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Tell what became of one message or event: its fate, its policies, its run.

    Examples:

        setpoint event show json:id:storefront-web:deploy-4711

        setpoint event show 4f0c2a91

        setpoint event show 4f0c2a91 --json | jq -r .reject.body
    """
    from setpoint.cli.ledgers import reading_ledger

    with errors_reported(as_json), reading_ledger() as ledger:
        story = found_story(ledger, reference)
        if story is None:
            raise CommandError(
                f"the ledger has no message and no event {reference!r}; setpoint event rejects and setpoint event "
                "unwanted list messages, and one that nobody has taken in yet is still on its queue",
                ExitCode.NO,
            )
        if as_json:
            print_json(story.to_json())
        else:
            console().print(_tree(reference, story))


def found_story(ledger: Ledger, reference: str) -> MessageStory | None:
    """What the ledger knows under a reference.

    :raises CommandError: it fits several messages.
    """
    from setpoint.ledger import AmbiguousReference

    try:
        return ledger.message_story(reference)
    except AmbiguousReference as error:
        raise CommandError(str(error), ExitCode.NO) from error


def _tree(reference: str, story: MessageStory) -> Tree:
    from rich.tree import Tree

    tree = Tree(text(reference, "bold"), guide_style="dim")
    if story.receipt is not None:
        kept = story.receipt
        branch = tree.add(text(f"message {kept.fate}, received {kept.received_at:%F %T} UTC from {kept.source}"))
        branch.add(text(f"receipt {kept.receipt_id}, the sender's id {kept.message_id}", "dim"))
    if story.reject is not None:
        refused = story.reject
        branch = tree.add(text(f"refused ({refused.code}): {refused.text}", "yellow"))
        branch.add(text(f"{refused.state}{': ' + refused.resolution if refused.resolution else ''}"))
        branch.add(text(_pretty(refused.body) + ("\n… (it was longer)" if refused.cut else ""), "dim"))
    for one in story.events:
        _event(tree, one)
    return tree


def _event(tree: Tree, travelled: TravelledEvent) -> None:
    event = travelled.event
    summary = f": {event.summary}" if event.summary else ""
    branch = tree.add(text(f"event {event.event_id} ({event.kind}), occurred {event.occurred_at:%F %T} UTC{summary}"))
    if not travelled.journeys:
        branch.add(text("no policy wants it", "yellow"))
    for one in travelled.journeys:
        joined = ", joined another event's evaluation" if one.joined else ""
        run = f"; setpoint explain {one.run_id}" if one.run_id else ""
        branch.add(text(f"policy {one.policy}: {one.state}{joined}{run}"))


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body
