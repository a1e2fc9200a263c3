"""permissions.md: the IAM actions each part needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from reference_pages.text import page, table

NARROWABLE = {
    "autoscaling:SetDesiredCapacity": (
        "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:*:autoScalingGroupName/storefront-*"
    ),
    "s3:GetObject": "arn:aws:s3:::storefront-metrics/metrics/*",
    "s3:ListBucket": "arn:aws:s3:::storefront-metrics",
    "sqs": "arn:aws:sqs:eu-west-1:123456789012:setpoint-events",
}
"""Actions, or whole services, that IAM can limit to resources; the others take ``*`` only."""


def permissions_page() -> str:
    """The IAM actions each part needs, from the classes' own lists."""
    from setpoint.sources import SOURCES
    from setpoint.targets import TARGETS
    from setpoint_airflow.hooks.queue import PERMISSIONS

    rows = [("events from a queue", PERMISSIONS)]
    rows += [(f"source `{name}`", SOURCES.load(name).permissions) for name in SOURCES]
    parts = []
    for name in TARGETS:
        target = TARGETS.load(name)
        rows.append((f"target `{name}`, looking and dry runs", target.read_permissions))
        rows.append((f"target `{name}`, changing", target.permissions))
    everything = sorted({action for _, actions in rows for action in actions})
    reading = sorted(set(everything) - {one for name in TARGETS for one in _changing(TARGETS.load(name))})
    parts.append(table(("part", "actions"), [(who, ", ".join(f"`{one}`" for one in what)) for who, what in rows]))
    return page(
        "# Permissions",
        "Every source and target declares the least it needs; this page prints those lists, and `setpoint doctor` "
        "tests them. "
        "The connection a policy names (`targets.connection`) needs what its metrics, its targets and its queue need.",
        *parts,
        "## One IAM policy for everything built in",
        "Put your account, region, groups, buckets and queue in the place of the examples. "
        "What describes or gets takes `*` only: IAM cannot narrow it.",
        _iam(everything),
        "## One that can change nothing",
        "For a trial with `dry_run: true`: even a mistake of ours could not change a group with it. "
        "Messages are still taken from the queue.",
        _iam(reading),
        "`setpoint doctor` asks three things more: `sts:GetCallerIdentity`, which AWS allows everybody; "
        "`sqs:GetQueueAttributes` and `sqs:GetQueueUrl` on the queue and its dead-letter queue; and "
        "`iam:SimulatePrincipalPolicy` on the role itself, by which IAM tells whether a change would be allowed "
        "without one being made. Without these it says what it could not test. A queue or topic encrypted with a key "
        "of your own also needs `kms:Decrypt` on that key. [The same as CloudFormation and "
        "Terraform](../infrastructure/README.md#permissions).",
    )


def _changing(target: Any) -> set[str]:
    return set(target.permissions) - set(target.read_permissions)


def _iam(actions: Sequence[str]) -> str:
    by_resource: dict[str, list[str]] = {}
    for action in actions:
        resource = NARROWABLE.get(action) or NARROWABLE.get(action.partition(":")[0]) or "*"
        by_resource.setdefault(resource, []).append(action)
    statements = [{"Effect": "Allow", "Action": names, "Resource": resource} for resource, names in by_resource.items()]
    body = json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)
    return f"```json\n{body}\n```"
