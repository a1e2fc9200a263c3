"""Policies on the command line: where they are, which one is meant, and completing their names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from setpoint.cli.output import CommandError, ExitCode

if TYPE_CHECKING:
    from setpoint.policy.loader import LoadedPolicy

_NAME_LINE = re.compile(r"^name:\s*[\"']?([a-z0-9-]+)", re.MULTILINE)


def policies_directory() -> Path:
    """The folder of policy files: ``SETPOINT_POLICIES``, or the one that comes with the project.

    :raises CommandError: it is not there.
    """
    from setpoint.settings import load_settings

    directory = load_settings().policies
    if not directory.is_dir():
        raise CommandError(f"{directory} is no folder; set SETPOINT_POLICIES to yours", ExitCode.ENVIRONMENT)
    return directory


def complete_policy(incomplete: str) -> list[str]:
    """The names of policies that begin so. Read off the files' own line: completion has to be instant."""
    try:
        files = [path for path in policies_directory().iterdir() if path.suffix in (".yaml", ".yml")]
        heads = [path.read_text(encoding="utf-8", errors="replace") for path in files]
    except (OSError, CommandError):
        return []
    names = {match[1] for head in heads if (match := _NAME_LINE.search(head))}
    return sorted(name for name in names if name.startswith(incomplete))


PolicyArgument = Annotated[
    str, typer.Argument(metavar="POLICY", help="The policy's name.", autocompletion=complete_policy, show_default=False)
]
PolicyOption = Annotated[
    str | None, typer.Option("--policy", metavar="POLICY", help="Only this policy's.", autocompletion=complete_policy)
]


def named_policy(name: str) -> LoadedPolicy:
    """The policy of that name.

    :raises CommandError: there is none, or its file is refused.
    """
    from setpoint.policy.loader import policy_named
    from setpoint.policy.problems import PolicyError

    try:
        return policy_named(name, policies_directory())
    except PolicyError as error:
        raise CommandError(str(error), ExitCode.NO) from error
