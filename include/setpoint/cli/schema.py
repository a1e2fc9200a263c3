"""``setpoint schema``: the JSON schema of a policy file."""

from __future__ import annotations

from typing import Annotated

import typer

from setpoint.cli.output import CommandError, ExitCode, Json, console, errors_reported, print_json, text


def schema(
    write: Annotated[
        bool, typer.Option("--write", help="Write it to include/schema/policy.schema.json instead of printing it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the JSON schema of a policy file, extensions included.

    Editors that know the YAML language server use it through the first line
    of the example policies.

    Examples:

        setpoint schema > policy.schema.json

        setpoint schema --write      refreshes the copy in the repository
    """
    from setpoint.policy.jsonschema import SCHEMA_FILE, schema_text

    with errors_reported(as_json):
        if not write:
            typer.echo(schema_text(), nl=False)
            return
        fresh = schema_text()
        changed = not SCHEMA_FILE.exists() or SCHEMA_FILE.read_text(encoding="utf-8") != fresh
        try:
            SCHEMA_FILE.parent.mkdir(parents=True, exist_ok=True)
            SCHEMA_FILE.write_text(fresh, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"cannot write {SCHEMA_FILE}: {error.strerror}", ExitCode.ENVIRONMENT) from error
        if as_json:
            print_json({"file": str(SCHEMA_FILE), "changed": changed})
        else:
            console().print(text(f"{SCHEMA_FILE}: {'written' if changed else 'was up to date'}"), soft_wrap=True)
