"""What AWS would call the things that the infrastructure files make: one account, one region, for both languages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from doc_pages import REPOSITORY

ACCOUNT = "123456789012"
REGION = "eu-west-1"
FOLDER = REPOSITORY / "docs" / "infrastructure"
STEMS = sorted(path.stem for path in (FOLDER / "cloudformation").glob("*.yaml"))

PARAMETERS: Mapping[str, Any] = {
    "Prefix": "setpoint",
    "OperatorEmail": "operators@example.com",
    "GroupName": "web-tier",
    "AboveCpuPercent": 70,
    "BucketName": "arrivals-example",
    "LogGroupName": "/storefront/web",
    "FilterPattern": "?ERROR ?FATAL",
    "MonthlyLimitUsd": 500,
    "StreamBucketName": "metrics-example",
    "StreamedNamespace": "AWS/EC2",
    "RoleName": "airflow",
    "Groups": "web-*",
}
"""What the tests deploy with."""

VARIABLES: Mapping[str, Any] = {
    "prefix": "setpoint",
    "operator_email": "operators@example.com",
    "group_name": "web-tier",
    "above_cpu_percent": 70,
    "bucket_name": "arrivals-example",
    "log_group_name": "/storefront/web",
    "filter_pattern": "?ERROR ?FATAL",
    "monthly_limit_usd": 500,
    "stream_bucket_name": "metrics-example",
    "streamed_namespace": "AWS/EC2",
    "role_name": "airflow",
    "groups": "web-*",
}
"""The same, as Terraform's variables."""


def arn(service: str, rest: str, *, region: str = REGION, account: str = ACCOUNT) -> str:
    """An ARN of the tests' account."""
    return f"arn:aws:{service}:{region}:{account}:{rest}"


def queue_url(name: str) -> str:
    """The URL SQS gives a queue."""
    return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"


def canonical(value: Any) -> Any:
    """A value as it can be compared: policies without their optional forms, numbers as numbers."""
    if isinstance(value, str) and value.startswith("{"):
        return canonical(json.loads(value))
    if isinstance(value, Mapping):
        made = {str(key): canonical(one) for key, one in value.items()}
        return _policy(made) if "Statement" in made else made
    if isinstance(value, list | tuple):
        return [canonical(one) for one in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return value


def _policy(document: dict[str, Any]) -> list[Any]:
    """An IAM document as its statements: lists everywhere, sorted, since IAM takes one or many and no order."""
    statements = []
    for one in document["Statement"]:
        statement = dict(one)
        for key in ("Action", "Resource"):
            statement[key] = _many(statement[key]) if key in statement else []
        principal = statement.get("Principal", {})
        statement["Principal"] = {"*": ["*"]} if principal == "*" else {k: _many(v) for k, v in principal.items()}
        conditions = statement.get("Condition", {})
        statement["Condition"] = {
            test: {name: _many(values) for name, values in by_name.items()} for test, by_name in conditions.items()
        }
        statements.append({"Sid": "", **statement})
    return statements


def _many(value: Any) -> list[Any]:
    return sorted(value) if isinstance(value, list) else [value]
