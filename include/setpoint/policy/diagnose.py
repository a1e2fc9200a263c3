"""Every problem of a policy's data: what the schema refuses, and what is hidden behind it.

pydantic stops looking where it finds a misspelt key or name: nothing inside ``limts:`` is checked, and ``limits``
counts as missing. So the one mistake is reported, put right in a draft the way it was probably meant, and the draft is
checked again, until nothing more comes to light.
"""

from __future__ import annotations

import json
import re
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from setpoint.policy.draft import Draft
from setpoint.policy.finding import Finding
from setpoint.policy.jsonschema import policy_schema
from setpoint.policy.messages import message_of
from setpoint.policy.problems import Problem, closest, dotted, show
from setpoint.policy.references import check_references
from setpoint.policy.rules import hidden_rules
from setpoint.policy.schema import Policy
from setpoint.policy.schema_walk import child, choice_at, describe, keys_of, resolve, schema_at, step, tags
from setpoint.policy.yaml_text import Document, Path

MAX_ROUNDS = 12

Error = Any
"""One of pydantic's error dicts."""

_COERCIONS = ("int_type", "float_type", "bool_type", "string_type")
"""Errors of strict checking that say a scalar is of another kind than declared."""


def diagnose(file: FilePath, document: Document) -> tuple[Policy | None, tuple[Problem, ...]]:
    """The policy in a document, or every problem found in it, in the order they stand in the file."""
    policy, errors = _check(document.data)
    if policy is not None and not document.flaws and not check_references(document.data):
        return policy, ()
    return None, _problems(file, document, errors)


def _problems(file: FilePath, document: Document, errors: list[Error]) -> tuple[Problem, ...]:
    draft = Draft(document)
    problems = [_flaw_problem(file, document, index) for index in range(len(document.flaws))]
    for _ in range(MAX_ROUNDS):
        repairable = [error for error in errors if error["type"] in ("extra_forbidden", "union_tag_invalid")]
        if not repairable:
            break
        problems += [_repair(file, draft, error) for error in repairable]
        errors = _errors(draft.data)
    problems += [_problem(file, draft, error) for error in errors]
    problems += [_problem(file, draft, error) for error in hidden_rules(draft.data, errors, data_path, _errors)]
    problems += [_finding_problem(file, draft, finding) for finding in check_references(draft.data)]
    unique = {(one.line, one.column, one.path, one.message): one for one in problems}
    return tuple(sorted(unique.values(), key=lambda one: (one.line, one.column, one.path)))


def _check(data: Any) -> tuple[Policy | None, list[Error]]:
    """The policy in some plain data, or what the schema refuses in it.

    Checked as JSON, and a second time strictly for the scalars, so that what the JSON schema refuses is refused here
    too: text is no number, and 1 is not true. Not strictly as a whole: a validator of an extension that hands pydantic
    a list where a tuple is declared would be refused for it.
    """
    text = json.dumps(data)
    policy, errors = None, list[Error]()
    try:
        policy = Policy.model_validate_json(text)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    try:
        Policy.model_validate_json(text, strict=True)
    except ValidationError as error:
        found = {one["loc"] for one in errors}
        errors += [
            one for one in error.errors(include_url=False) if one["type"] in _COERCIONS and one["loc"] not in found
        ]
    return (None if errors else policy), errors


def _errors(data: Any) -> list[Error]:
    return _check(data)[1]


def data_path(error: Error, data: Any) -> Path:
    """Where in the data one of pydantic's errors is.

    pydantic's own location also holds the name each choice was made by (``scale.threshold.out``) and ``[key]`` for a
    key that is wrong itself; neither is in the file.
    """
    root = policy_schema()
    schema, path, here = choice_at(root, root), list[str | int](), data
    location = list(error["loc"])
    for index, part in enumerate(location):
        if part in tags(schema):
            schema = resolve(root, schema, here)
            continue
        last = index == len(location) - 1
        inside = child(here, part)
        if inside is None and not last and not (isinstance(here, dict) and part in here):
            continue
        if inside is None and isinstance(part, str) and part.startswith(("[", "function-")):
            continue
        path.append(part)
        schema, here = step(root, resolve(root, schema, here), part), inside
    return tuple(path)


def _repair(file: FilePath, draft: Draft, error: Error) -> Problem:
    """Report a misspelt key or name, and put it right in the draft (a key nobody can guess is taken out)."""
    path = data_path(error, draft.data)
    if error["type"] == "extra_forbidden":
        return _unknown_key(file, draft, path)
    return _unknown_choice(file, draft, path, error)


def _unknown_key(file: FilePath, draft: Draft, path: Path) -> Problem:
    section = draft.get(path[:-1])
    known = keys_of(schema_at(policy_schema(), path[:-1], draft.data))
    free = [key for key in known if key not in section]
    name = str(path[-1])
    suggestion = closest(name, free) or closest(name, known)
    problem = _make(file, draft, path, "unknown key", allowed=", ".join(known), suggestion=suggestion)
    if suggestion in free:
        draft.rename(path, suggestion)
    else:
        draft.drop(path)
    return problem


def _unknown_choice(file: FilePath, draft: Draft, path: Path, error: Error) -> Problem:
    schema = choice_at(policy_schema(), _unresolved(path, draft.data))
    known = sorted(tags(schema))
    place = (*path, schema["discriminator"]["propertyName"])
    said = draft.get(place)
    suggestion = closest(str(said), known)
    problem = _make(file, draft, place, "nothing is registered under this name", ", ".join(known), suggestion)
    if suggestion:
        draft.put(place, suggestion)
    else:
        # Nobody knows what the section should hold, so nothing more can be said about it.
        draft.put(place, None)
    return problem


def _unresolved(path: Path, data: Any) -> Any:
    parent = schema_at(policy_schema(), path[:-1], data)
    return step(policy_schema(), parent, path[-1])


def _problem(file: FilePath, draft: Draft, error: Error) -> Problem:
    path = data_path(error, draft.data)
    kind = error["type"]
    if kind == "union_tag_not_found":
        schema = _unresolved(path, draft.data)
        place = (*path, schema["discriminator"]["propertyName"])
        return _make(file, draft, place, "is required and missing", ", ".join(sorted(tags(schema))), value="")
    if kind == "missing":
        allowed = describe(schema_at(policy_schema(), path, draft.data))
        return _make(file, draft, path, "is required and missing", allowed, value="")
    if kind in ("policy", "value_error"):
        path = _sharpen(path, str(error["msg"]), draft.get(path))
    message, allowed = message_of(error, schema_at(policy_schema(), path, draft.data))
    value = show(path[-1]) if error["loc"][-1:] == ("[key]",) else None
    suggestion = ""
    if kind in ("enum", "literal_error") and isinstance(error["input"], str):
        suggestion = closest(error["input"], re.findall(r"'([^']*)'", error["ctx"]["expected"]))
    return _make(file, draft, path, message, allowed, suggestion, value)


def _sharpen(path: Path, message: str, section: Any) -> Path:
    """Point at the key a section's rule speaks of first, rather than at the section."""
    if not isinstance(section, dict):
        return path
    for word in re.findall(r"[a-z_][a-z0-9_.]*", message):
        parts = word.rstrip(".").split(".")
        inside, here = list[str](), section
        for part in parts[1:] if path and parts[0] == path[-1] else parts:
            if not isinstance(here, dict) or part not in here:
                inside = []
                break
            inside.append(part)
            here = here[part]
        if inside:
            return (*path, *inside)
    return path


def _make(
    file: FilePath,
    draft: Draft,
    path: Path,
    message: str,
    allowed: str = "",
    suggestion: str = "",
    value: str | None = None,
) -> Problem:
    mark = draft.place(path)
    return Problem(
        file=file,
        line=mark.line,
        column=mark.column,
        path=dotted(draft.original(path)),
        value=show(draft.get(path)) if value is None else value,
        message=message,
        allowed=allowed,
        suggestion=suggestion,
    )


def _finding_problem(file: FilePath, draft: Draft, finding: Finding) -> Problem:
    return _make(file, draft, finding.path, finding.message, finding.allowed, finding.suggestion, finding.value)


def _flaw_problem(file: FilePath, document: Document, index: int) -> Problem:
    flaw = document.flaws[index]
    return Problem(
        file=file,
        line=flaw.mark.line,
        column=flaw.mark.column,
        path=dotted(flaw.path),
        value=flaw.value,
        message=flaw.message,
        allowed=flaw.allowed,
    )
