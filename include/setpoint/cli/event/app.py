"""The commands of ``setpoint event``, put together."""

from __future__ import annotations

from typing import Any

import typer

from setpoint.cli.event.accounting import accounting
from setpoint.cli.event.lists import rejects, unwanted
from setpoint.cli.event.replay import dismiss, replay
from setpoint.cli.event.send import send
from setpoint.cli.event.show import show

_CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"]}

event = typer.Typer(
    add_completion=False,
    rich_markup_mode="rich",
    no_args_is_help=True,
    context_settings=_CONTEXT,
    help="""Send an event, see what became of what came in, and read refused messages again.

    Every command takes --json.

    Examples:

        setpoint event send --policy storefront-web --wanted-units 6 --reason "campaign at noon"

        setpoint event rejects

        setpoint event replay --all

        setpoint event accounting --since 1d --json
    """,
)
for _command in (send, show, rejects, unwanted, replay, dismiss, accounting):
    event.command(_command.__name__)(_command)
