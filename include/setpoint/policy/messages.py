"""pydantic's errors in the words of a policy file."""

from __future__ import annotations

from typing import Any

from setpoint.policy.schema_walk import Schema, describe

_MESSAGES = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a section of key: value lines",
    "model_type": "must be a section of key: value lines",
    "model_attributes_type": "must be a section of key: value lines",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be above {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be below {lt}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "too_short": "must have at least {min_length} entries, and has {actual_length}",
    "too_long": "must have at most {max_length} entries, and has {actual_length}",
    "string_pattern_mismatch": "is not of the form allowed here",
    "literal_error": "is not one of the values allowed here",
    "enum": "is not one of the values allowed here",
}


def message_of(error: Any, schema: Schema) -> tuple[str, str]:
    """What is wrong, and what is allowed at that place.

    :param error: one of pydantic's error dicts.
    :param schema: the JSON schema of the place.
    """
    kind = error["type"]
    context = error.get("ctx", {})
    if kind == "policy":
        # The rule's own sentence already says what is allowed.
        return str(error["msg"]), ""
    if error["loc"][-1:] == ("[key]",):
        return (
            "is not a name that can stand here",
            f"a name matching {context['pattern']}" if "pattern" in context else "",
        )
    if kind == "value_error":
        return str(error["msg"]).removeprefix("Value error, "), ""
    if kind not in _MESSAGES:
        message = str(error["msg"])
        return message[:1].lower() + message[1:], describe(schema)
    allowed = context["expected"].replace("'", "") if "expected" in context else describe(schema)
    message = _MESSAGES[kind].format_map(context)
    return message, "" if message.endswith(allowed) else allowed
