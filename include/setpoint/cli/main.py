"""The command's entry point. Commands stand in one table, and are imported only when they are needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, MutableMapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

COMMANDS = {
    "demo": "setpoint.demo.command:demo",
    "validate": "setpoint.cli.validate:validate",
    "plan": "setpoint.cli.plan:plan",
    "event": "setpoint.cli.event.app:event",
    "history": "setpoint.cli.history:history",
    "explain": "setpoint.cli.explain:explain",
    "batch": "setpoint.cli.batch.app:batch",
    "doctor": "setpoint.cli.doctor:doctor",
    "prune": "setpoint.cli.prune:prune",
    "schema": "setpoint.cli.schema:schema",
    "lab": "setpoint.cli.lab:lab",
}
"""Every command, in the order of the help; a lazy import string each."""

_CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


class _LazyCommands(MutableMapping[str, Any]):
    """The commands by name; looking one up imports its module."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            module, _, function = COMMANDS[name].partition(":")
            self._made[name] = _command(name, getattr(import_module(module), function))
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _command(name: str, function: Callable[..., None] | typer.Typer) -> Any:
    if isinstance(function, typer.Typer):  # a group of commands
        group: Any = typer.main.get_command(function)
        group.name = name
        return group
    single = typer.Typer(add_completion=False, rich_markup_mode="rich", context_settings=_CONTEXT)
    single.command(name)(function)
    return typer.main.get_command(single)


class _LazyGroup(TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _LazyCommands()


app = typer.Typer(
    cls=_LazyGroup,
    rich_markup_mode="rich",
    no_args_is_help=True,
    context_settings=_CONTEXT,
    # A traceback with local variables could show a connection's password.
    pretty_exceptions_show_locals=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from setpoint import __version__

        typer.echo(f"setpoint {__version__}")
        raise typer.Exit


@app.callback()
def setpoint(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Event-driven infrastructure changes on Apache Airflow.

    No change on data that was not validated, no change that cannot be explained, no harmful change that stays.

    Exit status: 0 all is well, 1 the answer is no (a problem was found),
    2 wrong usage, 3 the surroundings do not answer (ledger, AWS, Airflow).
    """


def main() -> None:
    """Run the command line."""
    if "NO_COLOR" in os.environ or not sys.stdout.isatty():
        # typer colours its help whenever FORCE_COLOR or a CI's variable is set, also into a file.
        os.environ.setdefault("_TYPER_FORCE_DISABLE_TERMINAL", "1")
    app(prog_name="setpoint")


if __name__ == "__main__":
    main()
