"""cli.md: every command with its arguments and options."""

from __future__ import annotations

import inspect
import re
from typing import Any

from reference_pages.text import page, table


def cli_page() -> str:
    """Every command with its arguments and options."""
    import typer

    from setpoint.cli.main import COMMANDS, app

    group: Any = typer.main.get_command(app)
    context = group.make_context("setpoint", [], resilient_parsing=True)
    parts = ["# The `setpoint` command", _help(group.help), _options(group, context)]
    for name in COMMANDS:
        command = group.get_command(context, name)
        inner = type(context)(command, info_name=name, parent=context)
        if not hasattr(command, "commands"):
            parts += _section(f"setpoint {name}", command, inner)
            continue
        parts += [f"## setpoint {name}", _help(command.help)]
        for sub_name, sub in command.commands.items():
            parts += _section(f"setpoint {name} {sub_name}", sub, type(context)(sub, info_name=sub_name, parent=inner))
    return page(*parts)


def _section(called: str, command: Any, context: Any) -> list[str]:
    level = "#" * len(called.split())
    usage = " ".join([called, *command.collect_usage_pieces(context)])
    return [f"{level} {called}", _help(command.help), f"Usage: `{usage}`", _options(command, context)]


def _help(text: str | None) -> str:
    """A command's help; its examples, which are lines of their own, become one block."""
    words, found, examples = inspect.cleandoc(text or "").partition("Examples:")
    if not found:
        return words
    # What stands behind an example, with a gap, is a comment.
    lines = [re.sub(r" {2,}", "  # ", line.strip()) for line in examples.splitlines() if line.strip()]
    return f"{words.strip()}\n\n```console\n" + "\n".join(f"$ {line}" for line in lines) + "\n```"


def _options(command: Any, context: Any) -> str:
    rows = []
    for parameter in command.get_params(context):
        if parameter.name == "help":
            continue  # every command has it
        argument = parameter.param_type_name == "argument"
        names = (
            parameter.metavar or str(parameter.name).upper()
            if argument
            else ", ".join([*parameter.opts, *parameter.secondary_opts])
        )
        default = "" if parameter.default in (None, False, (), []) or callable(parameter.default) else parameter.default
        if parameter.required:
            default = "**required**"
        elif default != "":
            default = "on" if default is True else f"`{default}`"
        note = f" Also `{parameter.envvar}`." if parameter.envvar else ""
        limits = (parameter.min, parameter.max)
        note += "" if limits == (None, None) else f" From {limits[0]}" + (f" to {limits[1]}." if limits[1] else ".")
        if not argument and not parameter.is_flag:
            names += f" {parameter.metavar or str(parameter.name).rstrip('_').upper()}"
        rows.append((f"`{names}`", str(default), f"{parameter.help or ''}{note}"))
    return table(("argument or option", "default", "meaning"), rows) if rows else ""
