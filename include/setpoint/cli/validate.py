"""``setpoint validate``: every problem of every policy file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from setpoint.cli.output import CommandError, ExitCode, Json, console, errors_reported, print_json, text
from setpoint.cli.policies import policies_directory

if TYPE_CHECKING:
    from setpoint.policy.loader import Loaded
    from setpoint.policy.problems import Problem


def validate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE|FOLDER", exists=True, show_default=False, help="Policy files, or folders of them."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check policy files and list every problem: file, line, path, value, and what is allowed.

    Without arguments it checks the folder in SETPOINT_POLICIES, or the
    project's own. Exit status 1 when a file has a problem, or there is none.

    Examples:

        setpoint validate

        setpoint validate include/policies/storefront-web.yaml

        setpoint validate --json my-policies/ | jq '.files[].problems[]'
    """
    with errors_reported(as_json):
        loaded = _load(paths or [policies_directory()])
        if as_json:
            print_json(_as_json(loaded))
        else:
            _show(loaded)
    raise typer.Exit(ExitCode.NO if loaded.broken else ExitCode.OK)


def _load(paths: list[Path]) -> Loaded:
    from setpoint.policy.loader import load_files, policy_files

    files = [file for path in paths for file in (policy_files(path) if path.is_dir() else [path])]
    if not files:
        where = ", ".join(str(path) for path in paths)
        raise CommandError(f"no policy file (*.yaml, *.yml) in {where}", ExitCode.NO)
    return load_files(files)


def _as_json(loaded: Loaded) -> dict[str, Any]:
    valid = [
        {"file": str(one.path), "policy": one.policy.name, "sha256": one.sha256, "problems": []}
        for one in loaded.policies
    ]
    broken = [
        {"file": str(path), "policy": None, "sha256": None, "problems": [one.to_json() for one in problems]}
        for path, problems in loaded.broken.items()
    ]
    return {"valid": not broken, "files": sorted(valid + broken, key=lambda file: str(file["file"]))}


def _show(loaded: Loaded) -> None:
    out = console()
    for one in loaded.policies:
        out.print(text("ok ", "green"), text(_short(one.path)), text(f"({one.policy.name})", "dim"))
    for problems in loaded.broken.values():
        for problem in problems:
            _show_problem(problem)
    files, broken = len(loaded.policies) + len(loaded.broken), len(loaded.broken)
    count = sum(len(problems) for problems in loaded.broken.values())
    summary = f"{_many(files, 'file')}, " + (
        f"{_many(count, 'problem')} in {broken} of them" if broken else "no problem"
    )
    out.print(text(summary, "bold red" if broken else "bold green"))


def _show_problem(problem: Problem) -> None:
    place = text(f"{_short(problem.file)}:{problem.line}:{problem.column}", "bold")
    console().print(place, text(problem.text), soft_wrap=True)


def _short(path: Path) -> str:
    """The path as seen from here, when it is below."""
    return os.path.relpath(path) if path.resolve().is_relative_to(Path.cwd()) else str(path)


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
