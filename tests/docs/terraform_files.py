"""The Terraform files, and what their resources come to once every reference is resolved.

Only what these files use of the language: references, interpolation, ``jsonencode``, ``for_each`` over an object.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import hcl2
from infrastructure_names import ACCOUNT, FOLDER, REGION, VARIABLES, arn, queue_url

_DATA = {
    "aws_caller_identity": {"account_id": ACCOUNT},
    "aws_partition": {"partition": "aws"},
    "aws_region": {"region": REGION},
    "archive_file": {"output_path": "forward_logs.zip", "output_base64sha256": "sha256"},
}
_META = {"for_each", "depends_on"}
_NOTES = {"__is_block__", "__comments__", "__inline_comments__"}


@dataclass(frozen=True)
class Resource:
    """One resource, its references resolved; one of each key where it has a ``for_each``."""

    type: str
    name: str
    file: str
    arguments: Mapping[str, Any]


class Module:
    """All files of the folder together, as Terraform reads them."""

    def __init__(self) -> None:
        self.variables: dict[str, Any] = {}
        self._locals: dict[str, Any] = {}
        self._data: dict[tuple[str, str], Any] = {}
        self._blocks: dict[tuple[str, str], tuple[str, Any]] = {}
        self.used: dict[str, set[str]] = defaultdict(set)
        """The variables and the blocks that each file refers to."""
        self._file = ""
        for path in sorted((FOLDER / "terraform").glob("*.tf")):
            with path.open() as text:
                self._add(path.stem, hcl2.load(text))

    def _add(self, stem: str, parsed: Mapping[str, Any]) -> None:
        for one in parsed.get("locals", ()):
            self._locals |= {key: value for key, value in one.items() if key not in _NOTES}
        for one in parsed.get("variable", ()):
            self.variables |= {_bare(name): block for name, block in one.items()}
        for kind, blocks in (("data", parsed.get("data", ())), ("resource", parsed.get("resource", ()))):
            for one in blocks:
                for type_name, named in one.items():
                    for name, block in named.items():
                        address = (_bare(type_name), _bare(name))
                        place: Any = self._data if kind == "data" else self._blocks
                        assert address not in place, f"{stem}.tf defines {address} a second time"
                        place[address] = block if kind == "data" else (stem, block)

    def resources(self) -> Iterator[Resource]:
        """Every resource."""
        for (type_name, name), (stem, block) in self._blocks.items():
            self._file = stem
            each = self._value(block["for_each"], None) if "for_each" in block else {None: None}
            self._value(block.get("depends_on", []), None)
            for pair in each.items():
                arguments = {
                    key: self._value(value, pair)
                    for key, value in block.items()
                    if key not in _META and key not in _NOTES
                }
                yield Resource(type_name, name, stem, arguments)

    def _value(self, node: Any, each: Any) -> Any:
        if isinstance(node, dict):
            return {_bare(key): self._value(value, each) for key, value in node.items() if key not in _NOTES}
        if isinstance(node, list):
            return [self._value(one, each) for one in node]
        if not isinstance(node, str):
            return node
        if node.startswith('"'):
            return re.sub(r"\$\{([^}]+)\}", lambda match: str(self._expression(match[1], each)), json.loads(node))
        if node.startswith("${") and node.endswith("}"):
            return self._expression(node[2:-1], each)
        return node

    def _expression(self, text: str, each: Any) -> Any:
        if match := re.fullmatch(r"jsonencode\((.+)\)", text, re.DOTALL):
            inner = match[1]
            parsed = hcl2.loads(f"x = {inner}\n")["x"]
            return json.dumps(self._value(parsed, each), sort_keys=True)
        assert re.fullmatch(r"[\w.\-]+(\[each\.key\])?[\w.\-]*", text), f"{text} is more than this reader knows"
        return self._reference(text.replace("[each.key]", "").split("."), each)

    def _reference(self, parts: list[str], each: Any) -> Any:
        match parts:
            case ["var", name]:
                if name not in self.variables:
                    self._unknown(parts)
                self.used[self._file].add(name)
                return VARIABLES[name]
            case ["local", name]:
                return self._value(self._locals[name], None)
            case ["each", "key"]:
                return each[0]
            case ["each", "value"]:
                return each[1]
            case ["path", "module"]:
                return "."
            case ["data", "aws_iam_policy_document", name, "json"]:
                return json.dumps(_document(self._value(self._data["aws_iam_policy_document", name], None)))
            case ["data", type_name, name, attribute] if (type_name, name) in self._data:
                return _DATA[type_name][attribute]
            case [type_name, name, *attribute] if (type_name, name) in self._blocks:
                own = self._value(self._blocks[type_name, name][1], each)
                return _attribute(type_name, attribute, own)
        return self._unknown(parts)

    def _unknown(self, parts: list[str]) -> Any:
        raise LookupError(f"{self._file}.tf refers to {'.'.join(parts)}, which is not there")


def _bare(name: str) -> str:
    return name.strip('"')


def _document(block: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of an ``aws_iam_policy_document``."""
    statements = []
    for one in block["statement"]:
        made: dict[str, Any] = {"Effect": one.get("effect", "Allow"), "Action": one["actions"]}
        made |= {"Sid": one["sid"]} if "sid" in one else {}
        made |= {"Resource": one["resources"]} if "resources" in one else {}
        if "principals" in one:
            made["Principal"] = {who["type"]: who["identifiers"] for who in one["principals"]}
        if "condition" in one:
            made["Condition"] = {when["test"]: {when["variable"]: when["values"]} for when in one["condition"]}
        statements.append(made)
    return {"Version": "2012-10-17", "Statement": statements}


def _attribute(type_name: str, attribute: list[str], own: Mapping[str, Any]) -> Any:
    """An attribute that the provider gives a resource."""
    match type_name, *attribute:
        case (_,):
            return type_name  # depends_on names the resource itself
        case "aws_sqs_queue", "arn":
            return arn("sqs", own["name"])
        case "aws_sqs_queue", "id" | "url":
            return queue_url(own["name"])
        case "aws_sns_topic", "arn":
            return arn("sns", own["name"])
        case "aws_lambda_function", "arn":
            return arn("lambda", f"function:{own['function_name']}")
        case "aws_iam_role", "arn":
            return arn("iam", f"role/{own['name']}", region="")
        case "aws_iam_role", "id":
            return own["name"]
        case "aws_iam_policy", "arn":
            return arn("iam", f"policy/{own['name']}", region="")
        case "aws_cloudwatch_log_group", "arn":
            return arn("logs", f"log-group:{own['name']}")
        case "aws_s3_bucket", "id":
            return own["bucket"]
        case "aws_s3_bucket", "arn":
            return f"arn:aws:s3:::{own['bucket']}"
        case "aws_kinesis_firehose_delivery_stream", "arn":
            return arn("firehose", f"deliverystream/{own['name']}")
        case (_, ("name" | "function_name") as argument):
            return own[argument]
    raise LookupError(f"{type_name} gives no {'.'.join(attribute)} here")
