"""Do the connections' credentials resolve, does the clock agree, is there what the policies look at?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from setpoint.cli.checks.result import CheckResult, fail, ok, warn
from setpoint.sources.origin import by_origin, origin_of

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy
    from setpoint.sources.contract import MetricConfig, Source

SKEW_WARN_SECONDS = 5.0
"""From here on, points seem older or younger than they are by more than the shortest period."""
SKEW_FAIL_SECONDS = 300.0
"""AWS refuses requests signed with a time five minutes off ("Signature Version 4: troubleshooting")."""


class Place(NamedTuple):
    """A connection and the region it is used in."""

    connection: str
    region: str | None

    def __str__(self) -> str:
        return f"{self.connection} in {self.region}" if self.region else self.connection


def places_of(policies: Sequence[Policy]) -> list[Place]:
    """The distinct connections and regions of some policies, those of metrics that name their own included."""
    found = {Place(one.targets.connection, one.targets.region) for one in policies}
    read = {metric_place(policy, metric) for policy in policies for metric in policy.metrics.values()}
    return sorted(found | {place for place in read if place is not None}, key=str)


def metric_place(policy: Policy, metric: MetricConfig) -> Place | None:
    """Where a metric is read in AWS; ``None`` where it comes from elsewhere."""
    from setpoint.sources import SOURCES

    connection, region = origin_of(metric).place(policy)
    aws = SOURCES.load(metric.source).connection_type == "aws"
    return Place(connection, region) if aws and connection else None


def check_connection(place: Place) -> tuple[list[CheckResult], str | None]:
    """Ask AWS who we are; its answer also tells its time.

    :returns: what was found, and who we are; ``None`` where AWS does not say.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    from setpoint_airflow.connections.aws import client
    from setpoint_airflow.connections.contract import ConnectionProblemError

    check = f"connection {place}"
    try:
        sts = client("sts", place.connection, place.region, read_only=True)
        answer = sts.get_caller_identity()
    except ConnectionProblemError as error:
        return [fail(check, str(error), f"create or complete the connection {place.connection}")], None
    except ClientError as error:
        todo = f"correct the connection {place.connection}"
        return [fail(check, f"AWS refuses the credentials: {error}", todo)], None
    except BotoCoreError as error:
        return [fail(check, f"AWS does not answer: {error}", "check the network, the region and endpoint_url")], None
    known = ok(check, f"account {answer['Account']}, {answer['Arn']}")
    return [known, check_clock(answer, datetime.now(UTC), place)], str(answer["Arn"])


def check_clock(answer: dict[str, Any], now: datetime, place: Place) -> CheckResult:
    """Compare this machine's clock with the ``Date`` of an answer that just came."""
    check = f"clock ({place})"
    try:
        theirs = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, ValueError):
        return warn(check, "the answer has no readable Date header", "compare this machine's clock with a time server")
    # The header has whole seconds: half of one is the best guess for the rest.
    skew = (now - theirs).total_seconds() - 0.5
    text = f"this machine is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} AWS"
    todo = "let a time service (chrony, systemd-timesyncd) set this machine's clock"
    if abs(skew) >= SKEW_FAIL_SECONDS:
        return fail(check, f"{text}: AWS refuses requests signed like this", todo)
    if abs(skew) >= SKEW_WARN_SECONDS:
        return warn(check, f"{text}: points look older or younger than they are", todo)
    return ok(check, "agrees with AWS to a few seconds")


def check_policy(policy: Policy) -> Iterator[CheckResult]:
    """Read a policy's targets and metrics once, as a run would."""
    from setpoint.sources.contract import SourceError
    from setpoint.targets.contract import TargetError
    from setpoint_airflow.providers import reader_for, sources_for

    check = f"policy {policy.name}"
    try:
        reader = reader_for(policy)
        targets = reader.find(policy.targets)
        states = reader.read(targets)
    except TargetError as error:
        yield fail(f"{check}: targets", str(error), f"give the connection {', '.join(permissions_of(policy))}")
        return
    if not targets:
        yield warn(f"{check}: targets", "the policy selects none", "correct targets, or tag the targets")
    else:
        yield ok(f"{check}: targets", f"{len(states)} of {len(targets)} can be read")
    try:
        sources = sources_for(policy)
    except SourceError as error:
        yield fail(f"{check}: metrics", str(error), "create or complete the connection")
        return
    for origin, metrics in by_origin(policy).items():
        yield from check_origin(check, origin, sources[origin], metrics, targets[:1])


def check_origin(
    check: str, origin: str, source: Source, metrics: Mapping[str, MetricConfig], targets: Sequence[str]
) -> Iterator[CheckResult]:
    """Read the metrics of one connection and region; of a series without points, the source says what to look at."""
    from setpoint.sources.contract import SourceError

    try:
        fetched = source.fetch(metrics, targets, datetime.now(UTC))
    except SourceError as error:
        needed = ", ".join(source.permissions)
        todo = f"give the connection {needed}" if needed else f"see docs/sources/{origin.split()[0]}.md"
        yield fail(f"{check}: metrics", str(error), todo)
        return
    for one in fetched.series:
        words = f"{one.metric} of {one.target}: {one.points} of {one.expected_points} points"
        if one.points:
            yield ok(f"{check}: metrics", words)
        else:
            said = f" ({'; '.join(one.messages)})" if one.messages else ""
            yield warn(f"{check}: metrics", f"{words}{said}", f"metrics.{one.metric}: {source.when_empty}")


def permissions_of(policy: Policy) -> tuple[str, ...]:
    """The least privileges a policy needs: to read metrics and targets, to change targets, to take events."""
    from setpoint.sources import SOURCES
    from setpoint.targets import TARGETS
    from setpoint_airflow.hooks.queue import PERMISSIONS

    needed = {*TARGETS.load(policy.targets.kind).permissions}
    for metric in policy.metrics.values():
        needed |= {*SOURCES.load(metric.source).permissions}
    if policy.triggers.events:
        needed |= {*PERMISSIONS}
    return tuple(sorted(needed))
