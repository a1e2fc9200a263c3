"""``setpoint event send``: an event, from a person or a script."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from setpoint.cli.event.message import Asked, Outgoing, check, check_limits, compose, from_file
from setpoint.cli.event.ways import Sent, Way, choose, conf_of, to_ledger, to_queue, to_webhook
from setpoint.cli.output import CommandError, ExitCode, Json, console, errors_reported, print_json, text
from setpoint.cli.policies import complete_policy, named_policy, policies_directory

if TYPE_CHECKING:
    from setpoint.events.queues import Origin
    from setpoint.policy.schema import Policy


def send(
    policy: Annotated[
        str, typer.Option("--policy", metavar="POLICY", help="The policy it is for.", autocompletion=complete_policy)
    ],
    targets: Annotated[
        list[str] | None, typer.Option("--target", metavar="NAME", help="Only this target; may be repeated.")
    ] = None,
    wanted_units: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="The capacity wanted, within the policy's limits; the guards count."),
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the record.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and record, change nothing.")] = False,
    summary: Annotated[str, typer.Option(metavar="TEXT", help="What happened, in one line.")] = "",
    event_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="The event's identity: sent twice, it counts once.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Send this file's content instead; - is standard input.")
    ] = None,
    kind: Annotated[str | None, typer.Option(metavar="KIND", help="With --file: the event kind it is.")] = None,
    via: Annotated[Way, typer.Option(help="The way in; auto takes the policy's queue, else the ledger.")] = Way.AUTO,
    airflow_url: Annotated[
        str | None,
        typer.Option(envvar="AIRFLOW__API__BASE_URL", metavar="URL", help="The API server, for webhook and airflow."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Send an event to a policy, and print where to see what becomes of it.

    It is checked first: what would be refused is refused here, with every problem.
    What is asked for passes the policy's gate and guards like any other event.

    Examples:

        setpoint event send --policy storefront-web

        setpoint event send --policy storefront-web --wanted-units 6 --reason "campaign at noon"

        setpoint event send --policy storefront-web --kind prometheus.alertmanager --file alert.json

        setpoint event send --policy storefront-web --via webhook --airflow-url http://127.0.0.1:8080
    """
    with errors_reported(as_json):
        asked = Asked(policy, tuple(targets or ()), wanted_units, dry_run, reason, summary, event_id)
        if file is not None and asked.given:
            raise CommandError("--file is the whole message; leave the options that make one out", ExitCode.USAGE)
        if file is None and kind is not None:
            raise CommandError("--kind says what --file holds; without a file the kind is json", ExitCode.USAGE)
        wanted = named_policy(policy).policy
        check_limits(asked, wanted)
        outgoing = compose(asked) if file is None else from_file(file, kind)
        way, origin = choose(via, wanted, outgoing.kind)
        sent = _send(way, origin, outgoing, asked if file is None else None, wanted, airflow_url)
        if as_json:
            print_json(asdict(sent))
        else:
            console().print(text(f"sent {sent.message_id} to {sent.where}"), soft_wrap=True)
            if sent.fate == "duplicate":
                console().print(text("it was sent before, and counts once", "yellow"))
            console().print(text(f"see  {sent.see}"), soft_wrap=True)


def _send(
    way: Way, origin: Origin | None, outgoing: Outgoing, asked: Asked | None, policy: Policy, airflow_url: str | None
) -> Sent:
    from setpoint.events.queues import QueueRef, WebhookRef
    from setpoint.policy.loader import load_policies

    policies = [one.policy for one in load_policies(policies_directory()).policies]
    if way is Way.AIRFLOW:
        from setpoint.cli.event.airflow_api import to_airflow

        if asked is None:
            raise CommandError("--via airflow starts a run, and takes no --file", ExitCode.USAGE)
        _check_request(asked)
        return to_airflow(policy.name, conf_of(asked), outgoing.message_id, airflow_url)
    if way is Way.LEDGER:
        if asked is None:
            check(outgoing, policy, policies, None)
        else:
            _check_request(asked)
        return to_ledger(outgoing, asked, policy, policies)
    check(outgoing, policy, policies, origin)
    if isinstance(origin, QueueRef):
        return to_queue(origin, outgoing, policy)
    assert isinstance(origin, WebhookRef)
    return to_webhook(origin, outgoing, airflow_url)


def _check_request(asked: Asked) -> None:
    from datetime import UTC, datetime

    from setpoint.events.contract import EventError
    from setpoint.events.manual import manual_event

    now = datetime.now(UTC)
    try:
        manual_event(asked.policy, conf_of(asked), run_id="check", requested_by="", at=now, received_at=now)
    except EventError as error:
        raise CommandError(f"the message would be refused ({error.code}): {error}", ExitCode.NO) from error
