"""What every command has in common: exit codes, JSON or text, colour only on a terminal, errors in one form."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]

_WIDE = 10_000


class ExitCode(IntEnum):
    """What the exit status says."""

    OK = 0
    NO = 1
    """The answer is no: a problem was found, there is no such thing."""
    USAGE = 2
    """The command was called wrongly."""
    ENVIRONMENT = 3
    """Something the command needs is missing or does not answer."""


class CommandError(Exception):
    """Ends a command with a message and an exit code."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


_ENVIRONMENT_ERRORS = (
    ("setpoint.ledger.errors", "LedgerError"),
    ("setpoint.targets.contract", "TargetError"),
    ("setpoint.sources.contract", "SourceError"),
    ("setpoint_airflow.connections.contract", "ConnectionProblemError"),
    ("setpoint.lab.server", "PortTakenError"),
    ("setpoint.policy.problems", "PolicyError"),
    ("setpoint.sources.batches", "BatchError"),
    ("setpoint.settings", "SettingsError"),
    ("setpoint.quality.errors", "GateError"),
)
"""Errors that say something the command needs does not answer. By name: only what was imported can have been raised."""


@contextmanager
def errors_reported(as_json: bool) -> Iterator[None]:
    """Turn the errors a command may end with into a message and an exit code; anything else is a defect, and raised."""
    try:
        yield
    except CommandError as error:
        fail(str(error), error.code, as_json)
    except Exception as error:
        # Narrowed at once to what is known to be about the surroundings.
        if not _is_about_the_environment(error):
            raise
        fail(str(error), ExitCode.ENVIRONMENT, as_json)


def _is_about_the_environment(error: Exception) -> bool:
    for module, name in _ENVIRONMENT_ERRORS:
        known = getattr(sys.modules.get(module), name, None)
        if known is not None and isinstance(error, known):
            return True
    return False


def fail(message: str, code: ExitCode, as_json: bool) -> NoReturn:
    """End the command: the message goes to standard error, or as JSON to standard output."""
    if as_json:
        print_json({"error": {"message": message, "exit_code": int(code)}})
    else:
        console(stderr=True).print(text(message, "red"), soft_wrap=True)
    raise typer.Exit(int(code))


def print_json(value: Any) -> None:
    """One JSON document on standard output. Text from outside is escaped to ASCII, so no terminal obeys it."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False, default=str))


def console(*, stderr: bool = False) -> Console:
    """A console that colours only terminals (and not with ``NO_COLOR``), and cuts nothing off in a file."""
    from rich.console import Console

    if (sys.stderr if stderr else sys.stdout).isatty():
        return Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    # Said outright, because rich takes FORCE_COLOR and some CIs' variables for a terminal.
    return Console(
        stderr=stderr, highlight=False, markup=False, emoji=False, width=_WIDE, color_system=None, force_terminal=False
    )


def text(words: str, style: str = "") -> Text:
    """Text from wherever, as data: no markup, and no control character that a terminal would obey."""
    from rich.text import Text

    return Text(visible(words), style=style)


def visible(words: str) -> str:
    """The words with control characters (line breaks aside) written out as escapes."""
    return "".join(one if one.isprintable() or one == "\n" else f"\\x{ord(one):02x}" for one in words)
