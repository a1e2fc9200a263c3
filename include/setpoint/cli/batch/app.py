"""The commands of ``setpoint batch``, put together."""

from __future__ import annotations

from typing import Any

import typer

from setpoint.cli.batch.list import list_batches
from setpoint.cli.batch.replay import replay
from setpoint.cli.batch.show import show

_CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"]}

batch = typer.Typer(
    add_completion=False,
    rich_markup_mode="rich",
    no_args_is_help=True,
    context_settings=_CONTEXT,
    help="""See why a metric batch was not trusted, and what would be decided on it today.

    Every command takes --json.

    Examples:

        setpoint batch list

        setpoint batch show 4f0c2a91 --plot batch.svg

        setpoint batch replay 4f0c2a91
    """,
)
for _name, _command in (("list", list_batches), ("show", show), ("replay", replay)):
    batch.command(_name)(_command)
