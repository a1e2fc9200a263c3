"""May the connections do what the policies need? What reads is tried; what changes is asked of IAM, and never tried."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from setpoint.cli.checks.aws import Place, metric_place
from setpoint.cli.checks.result import CheckResult, fail, ok, warn

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy

_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "UnauthorizedOperation",
    "AWS.SimpleQueueService.AccessDenied",
}


_RESOURCES = 20
"""Of a large fleet, this many stand for the others."""


class Need(NamedTuple):
    """An action a place has to allow, and on what."""

    action: str
    resources: tuple[str, ...]
    """ARNs, for actions that IAM can limit; empty for the others."""


class _Probe(NamedTuple):
    service: str
    operation: str
    arguments: Callable[[], Mapping[str, Any]]


def _recent_point() -> Mapping[str, Any]:
    now = datetime.now(UTC)
    metric = {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization"}
    query = {"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Average"}}
    return {"MetricDataQueries": [query], "StartTime": now - timedelta(minutes=5), "EndTime": now}


_PROBES: Mapping[str, _Probe] = {
    "autoscaling:DescribeAutoScalingGroups": _Probe(
        "autoscaling", "describe_auto_scaling_groups", lambda: {"MaxRecords": 1}
    ),
    # IAM answers first, so a group that is not there is as good as one that is.
    "autoscaling:DescribeInstanceRefreshes": _Probe(
        "autoscaling", "describe_instance_refreshes", lambda: {"AutoScalingGroupName": "setpoint-doctor"}
    ),
    "autoscaling:DescribeScalingActivities": _Probe(
        "autoscaling", "describe_scaling_activities", lambda: {"MaxRecords": 1}
    ),
    "cloudwatch:GetMetricData": _Probe("cloudwatch", "get_metric_data", _recent_point),
}
"""Reading calls that cost next to nothing. What is not here is asked of IAM, as changing actions are."""


def needs_of(policies: Iterable[Policy], arns: Callable[[Policy], Sequence[str]]) -> dict[Place, list[Need]]:
    """What each connection and region has to allow: to read metrics, to look at targets and to change them.

    :param arns: the ARNs of a policy's targets, as far as they are known.
    """
    from setpoint.sources import SOURCES
    from setpoint.targets import TARGETS

    wanted: dict[Place, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for policy in policies:
        here = Place(policy.targets.connection, policy.targets.region)
        target = TARGETS.load(policy.targets.kind)
        for action in target.permissions:
            changing = action not in target.read_permissions
            wanted[here][action] |= set(arns(policy)) if changing else set()
        for metric in policy.metrics.values():
            if place := metric_place(policy, metric):
                limited_to = getattr(metric, "arns_of", lambda action: ())  # sources whose actions IAM can limit
                for action in SOURCES.load(metric.source).permissions:
                    wanted[place][action] |= set(limited_to(action))
    return {
        place: [Need(action, tuple(sorted(resources))) for action, resources in sorted(actions.items())]
        for place, actions in wanted.items()
    }


def arns_of(policy: Policy) -> tuple[str, ...]:
    """The ARNs of a policy's targets, of a large fleet the first few; empty where they cannot be found out."""
    from botocore.exceptions import BotoCoreError, ClientError

    from setpoint.targets import TARGETS
    from setpoint.targets.contract import TargetError
    from setpoint_airflow.connections.aws import client
    from setpoint_airflow.providers import reader_for

    if TARGETS.load(policy.targets.kind).service != "autoscaling":
        return ()
    try:
        names = reader_for(policy).find(policy.targets)[:_RESOURCES]
    except TargetError:
        return ()  # told where the targets are looked at
    if not names:
        return ()
    autoscaling = client("autoscaling", policy.targets.connection, policy.targets.region, read_only=True)
    try:
        groups = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=list(names))["AutoScalingGroups"]
    except (ClientError, BotoCoreError):
        return ()
    return tuple(one["AutoScalingGroupARN"] for one in groups)


def check_permissions(place: Place, needs: Sequence[Need], identity_arn: str) -> Iterator[CheckResult]:
    """Try what reads, ask IAM about the rest.

    :param identity_arn: who the connection is, as ``sts:GetCallerIdentity`` says it.
    """
    check = f"permissions ({place})"
    allowed = []
    for action in (one.action for one in needs if one.action in _PROBES):
        answer = _try(place, _PROBES[action])
        if answer == "allowed":
            allowed.append(action)
        elif answer == "denied":
            yield fail(check, f"{action}: AWS denies it", f"allow {place.connection} ({identity_arn}) {action}")
        else:
            yield warn(check, f"{action} could not be tried: {answer}", "run setpoint doctor again later")
    if allowed:
        yield ok(check, f"tried and allowed: {', '.join(allowed)}")
    yield from simulate(place, [one for one in needs if one.action not in _PROBES], identity_arn)


def _try(place: Place, probe: _Probe) -> str:
    """``allowed``, ``denied``, or what kept AWS from answering."""
    from botocore.exceptions import BotoCoreError, ClientError

    from setpoint.aws_errors import handling_of
    from setpoint_airflow.connections.aws import client

    built = client(probe.service, place.connection, place.region, read_only=True)
    try:
        getattr(built, probe.operation)(**probe.arguments())
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _DENIED:
            return "denied"
        # Any other answer about the request (no such group) came from behind the gate.
        return _short(error) if handling_of(error).retryable else "allowed"
    except BotoCoreError as error:
        return _short(error)
    return "allowed"


def simulate(place: Place, needs: Sequence[Need], identity_arn: str) -> Iterator[CheckResult]:
    """Ask IAM whether it would allow actions that cannot be tried without doing them.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html: policies of the principal and
    the service control policies count, a resource's own policy does not.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    from setpoint_airflow.connections.aws import client

    check = f"permissions ({place})"
    if not needs:
        return
    left = [one.action for one in needs]
    principal = principal_of(identity_arn)
    todo = f"compare docs/reference/permissions.md, or allow iam:SimulatePrincipalPolicy on {principal or 'a role'}"
    if principal is None:
        yield warn(check, f"not testable for {identity_arn}: {', '.join(left)}", todo)
        return
    try:
        # The client for reading knows Describe, Get and List only; this call changes nothing all the same.
        iam = client("iam", place.connection, place.region)
        for one in needs:
            verdict = _verdict(check, iam, principal, one)
            left.remove(one.action)
            yield verdict
    except (ClientError, BotoCoreError) as error:
        yield warn(check, f"not testable, because IAM does not tell ({_short(error)}): {', '.join(left)}", todo)


def _verdict(check: str, iam: Any, principal: str, need: Need) -> CheckResult:
    limited = {"ResourceArns": list(need.resources[:_RESOURCES])} if need.resources else {}
    answer = iam.simulate_principal_policy(PolicySourceArn=principal, ActionNames=[need.action], **limited)
    results = answer["EvaluationResults"]
    missing = sorted({key for one in results for key in one.get("MissingContextValues", ())})
    denied = [one for one in results if one["EvalDecision"] != "allowed"]
    where = f" on {len(limited['ResourceArns'])} targets or queues" if limited else ""
    if not denied:
        return ok(check, f"IAM would allow {need.action}{where}")
    if missing:
        words = f"{need.action} depends on {', '.join(missing)}, which IAM does not know here"
        return warn(check, f"not testable: {words}", "try a change of one unit on a target that may have it")
    if not limited:
        # A policy that names resources denies the action on `*`, and may allow it where it is meant.
        words = f"{need.action}, without a target or queue to ask about"
        return warn(check, f"not testable: {words}", "let the policy select a target, and look again")
    resource = denied[0].get("EvalResourceName", "*")
    words = f"{need.action} on {resource}: IAM would deny it ({denied[0]['EvalDecision']})"
    return fail(check, words, f"allow {principal} {need.action} on {resource}")


def principal_of(identity_arn: str) -> str | None:
    """The user or role behind an identity, as IAM names it; ``None`` where it cannot be asked about (root, federated).

    ``arn:aws:sts::1:assumed-role/name/session`` is a session of ``arn:aws:iam::1:role/name``. A role with a path has it
    nowhere in there; IAM answers NoSuchEntity then.
    """
    _, partition, service, _, account, name = identity_arn.split(":", 5)
    if service == "iam" and name.startswith("user/"):
        return identity_arn
    if service == "sts" and name.startswith("assumed-role/"):
        return f"arn:{partition}:iam::{account}:role/{name.split('/')[1]}"
    return None


def _short(error: Exception) -> str:
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code")) if isinstance(response, dict) else type(error).__name__
