"""settings.md: what a deployment can set, and what a local stack sets."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from reference_pages.text import REPOSITORY, markdown, page, table

VARIABLES: Mapping[str, tuple[str, str]] = {
    "SETPOINT_PRELOAD": (
        "`1`",
        "`0` keeps `airflow_local_settings.py` from importing the heavy libraries once in the scheduler; "
        "every task then imports them anew.",
    ),
    "SETPOINT_AIRFLOW_CONNECTION": (
        "none",
        "the Airflow connection (type `http`) over which the triggerer starts runs at once; "
        "without it a run waits for the triggerer's next turn.",
    ),
    "SETPOINT_NUDGE_FOLDER": (
        "a folder per user and `AIRFLOW_HOME` among the temporary files",
        "where a scheduler with the `PromptExecutor` can be nudged; "
        "the scheduler, triggerer and API server of one machine must see the same folder.",
    ),
    "SETPOINT_REST_SECONDS": ("`0.5`", "how long such a scheduler rests at most when nothing happens."),
    "SETPOINT_FAILPOINTS": (
        "none",
        "the folder of the moments at which a process is to stand still: for `make chaos`, never in production.",
    ),
    "SETPOINT_AIRFLOW_TOKEN": ("none", "the token with which `setpoint event send --via airflow` calls Airflow's API."),
    "SETPOINT_AIRFLOW_USER": ("none", "without a token: the name with which it logs in; without both, as nobody."),
    "SETPOINT_AIRFLOW_PASSWORD": ("none", "the password of that name."),
}
"""Variables that are read outside setpoint.settings."""


def settings_page() -> str:
    """What a deployment can set, and what a local stack sets."""
    from setpoint import settings
    from setpoint.sources import retention
    from setpoint.stack import environment
    from setpoint.stack import settings as stack

    ours = [
        (match[0], "", markdown(text.partition(":")[2]) if ":" in text else text)
        for module, values in ((settings, "Settings"), (retention, "Retention"))
        for name, text in attribute_docs(module, values).items()
        if (match := re.match(r"``(SETPOINT_\w+)``", text)) and name
    ]
    return page(
        "# Settings",
        "Setpoint reads its settings from the environment, so that every Airflow component agrees. Set them for the "
        "api-server, scheduler, dag-processor, triggerer and every worker alike.",
        "## Variables",
        table(
            ("variable", "meaning"),
            [(f"`{name.strip('`')}`", text) for name, _, text in ours]
            + [(f"`{name}`", f"{text} Default: {default}.") for name, (default, text) in VARIABLES.items()],
        ),
        "The ledger's place is looked for in this order: `SETPOINT_LEDGER_URL`, the Airflow connection that "
        "`SETPOINT_LEDGER_CONNECTION` names (or `setpoint_ledger`, where `AIRFLOW_CONN_SETPOINT_LEDGER` is set), "
        "SQLite in `SETPOINT_DATA`. A named connection that cannot be looked up is an error, never another ledger. "
        "SQLite serves one machine; with workers on several, use PostgreSQL, and a `SETPOINT_DATA` all of them see.",
        "## Docker Compose: `.env`",
        "`make env` writes it from `.env.example`, with a fresh secret behind every name that has no value.",
        table(("variable", "meaning"), [(f"`{name}`", text) for name, text in env_example().items()]),
        "## What a local stack is started with",
        "`make demo` and the live tests start Airflow with `setpoint.stack`. Its fields:",
        table(
            ("field", "default", "meaning"),
            [
                (
                    f"`{name}`",
                    _stack_default(stack, name),
                    markdown(attribute_docs(stack, "StackSettings").get(name, "")),
                )
                for name in stack.StackSettings.model_fields
            ],
        ),
        "## Airflow's settings that matter, and why",
        "What the local stack sets that has a reason beyond being needed; docker-compose.yaml has the same, but for "
        "what a container changes.",
        table(
            ("setting", "why"),
            [(f"`{name}`", text) for name, text in commented_options(Path(environment.__file__)).items()],
        ),
    )


def _stack_default(module: Any, name: str) -> str:
    field = module.StackSettings.model_fields[name]
    if field.is_required():
        return "**required**"
    value = field.default
    if isinstance(value, Path):
        return f"`{value.relative_to(module.REPOSITORY).as_posix()}/`" if value != module.REPOSITORY else "the checkout"
    return "none" if value is None or field.default_factory else f"`{value}`"


def attribute_docs(module: Any, name: str) -> dict[str, str]:
    """The docstrings below the annotated attributes of a class."""
    tree = ast.parse(inspect.getsource(module))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    found: dict[str, str] = {}
    for one, after in pairwise(body):
        named = isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
        if named and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[one.target.id] = inspect.cleandoc(str(after.value.value))
    return found


def env_example() -> dict[str, str]:
    """Every name in .env.example with the comment above it."""
    found: dict[str, str] = {}
    comment: list[str] = []
    before = ""
    for line in (REPOSITORY / ".env.example").read_text().splitlines():
        if line.startswith("#"):
            comment = [*(comment if before.startswith("#") else []), line.lstrip("# ")]
        elif match := re.match(r"([A-Z][A-Z0-9_]*)=", line):
            found[match[1]] = " ".join(comment)
        before = line
    return found


def commented_options(path: Path) -> dict[str, str]:
    """Airflow's options in :mod:`setpoint.stack.environment` that have a comment, by their variable's name."""
    lines = path.read_text().splitlines()
    found: dict[str, str] = {}
    for section in ast.walk(ast.parse("\n".join(lines))):
        if not isinstance(section, ast.Dict):
            continue
        for key, value in zip(section.keys, section.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(value, ast.Dict):
                for option in value.keys:
                    if isinstance(option, ast.Constant) and (why := _comment_above(lines, option.lineno)):
                        found[f"AIRFLOW__{key.value}__{option.value}"] = why
    return found


def _comment_above(lines: Sequence[str], number: int) -> str:
    said: list[str] = []
    for line in reversed(lines[: number - 1]):
        if not line.strip().startswith("#"):
            break
        said.insert(0, line.strip().lstrip("# "))
    return " ".join(said).removesuffix(" ...").removeprefix("... ")
