"""events.md: every event kind, how it is told apart, and its options in a policy."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from typing import Any

from reference_pages.policy import SchemaInWords
from reference_pages.text import FIELD_HEAD, REPOSITORY, doc, page, table


def _example(name: str, examples: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One message of a kind, folded, and the way to its page."""
    title, message = next(iter(sorted(examples.items(), key=lambda one: len(json.dumps(one[1])))))
    body = json.dumps(message, indent=2, ensure_ascii=False)
    more = (
        f" More: [its page](../events/{name}.md)." if (REPOSITORY / "docs" / "events" / f"{name}.md").exists() else ""
    )
    return [
        f"<details><summary>An example: {title.replace('_', ' ')}</summary>\n\n```json\n{body}\n```\n\n</details>",
        more,
    ]


def events_page() -> str:
    """Every event kind, how it is told apart, and its options in a policy."""
    from pydantic import TypeAdapter

    from setpoint import jsonpath
    from setpoint.events import EVENTS, where
    from setpoint.events.envelope import MAX_BYTES, MAX_DEPTH
    from setpoint.events.plain_json import MAX_TARGETS
    from setpoint.policy.jsonschema import policy_schema

    words = SchemaInWords(policy_schema(), {"condition": TypeAdapter(where.Wanted).json_schema()})
    kinds: list[str] = []
    for name in EVENTS:
        kind = EVENTS.load(name)
        schema = policy_schema()["$defs"][kind.Config.__name__]
        module = importlib.import_module(kind.__module__)
        kinds += [
            f"## `{name}`",
            f"Looks like: {kind.looks_like}.",
            doc(module),
            "" if "docstring" in doc(kind) else doc(kind),
            "In a policy, under `triggers.events`:",
            table(FIELD_HEAD, words.rows("triggers.events", schema)),
            *_example(name, kind.examples()),
        ]
    return page(
        "# Events",
        "An event says why to look now; it never says what to do. It wakes a policy, and the metrics decide. "
        "A message comes from an SQS queue, directly, through an SNS subscription (with or without raw delivery) or "
        f"from EventBridge. At most {MAX_BYTES // 1024} KiB and {MAX_DEPTH} levels of JSON are read, and one message "
        f"may name {MAX_TARGETS} targets. What cannot be read stands in the ledger's rejects with a "
        "[code](reasons.md#messages-that-are-refused), and holds up nothing.",
        *kinds,
        "## Choosing by content: `where`",
        doc(where),
        doc(jsonpath),
        "## Events that no queue delivers",
        table(
            ("kind", "comes from"),
            [
                ("`manual`", "the trigger form of a policy's Dag, or a Dag run posted over REST with a `conf`"),
                ("`schedule`", "the policy's `every` or `cron`"),
                ("`asset`", "an asset event posted over REST for `setpoint-<policy>`"),
            ],
        ),
        "A `conf`, and the `extra` of a posted asset event, may have `targets`, `wanted_units`, `dry_run` and "
        "`reason`; an unknown key is refused. An asset event may also have a `summary`.",
    )
