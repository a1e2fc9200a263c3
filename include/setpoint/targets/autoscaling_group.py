"""``kind: aws.autoscaling_group``: EC2 Auto Scaling groups, by name or by their tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from setpoint.model import Action, ApplyResult, ChangeState, PlannedChange, Reason, TargetHealth, TargetState
from setpoint.model.base import Name, Value
from setpoint.policy.fields import refuse
from setpoint.targets.autoscaling_reads import (
    ACTIVITIES,
    GROUPS,
    REFRESHES,
    ReadOnlyClient,
    activities_since,
    groups_named,
    groups_tagged,
    refreshes_of,
)
from setpoint.targets.autoscaling_states import UNIT, activity_of, state_of
from setpoint.targets.aws import provider_errors
from setpoint.targets.checks import refusal
from setpoint.targets.contract import Permit, TargetConfig, TargetError

Clock = Callable[[], datetime]

_SET = "autoscaling:SetDesiredCapacity"
_PARALLEL_READS = 8


def _list_of_names(value: Any) -> Any:
    if isinstance(value, str):
        raise refuse(f"names is a list, also for one group: [{value}]")
    if isinstance(value, list | tuple):
        names = [one for one in value if isinstance(one, str)]
        if not value:
            raise refuse("names lists at least one group")
        if doubles := sorted({name for name in names if names.count(name) > 1}):
            raise refuse(f"names lists a group once; more than once: {', '.join(doubles)}")
        # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html
        if wrong := [name for name in names if not name or ":" in name or len(name) > 255]:
            raise refuse(f"a group's name has 1 to 255 characters and no colon; not so: {', '.join(map(repr, wrong))}")
    return value


def _tag_text(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        raise refuse(f'a tag\'s value is text; write it in quotes: "{str(value).lower()}"')
    return value


class TagMatch(Value):
    """The groups that have all of these tags."""

    tags: dict[
        Annotated[str, Field(min_length=1, max_length=128)],
        Annotated[str, BeforeValidator(_tag_text), Field(max_length=256)],
    ] = Field(min_length=1, description="tag and value; a group must have all of them")


class AutoScalingGroupConfig(TargetConfig):
    """``targets`` of a policy whose targets are EC2 Auto Scaling groups: ``names``, or ``match`` by tags."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["names"]}, {"required": ["match"]}]})

    kind: Literal["aws.autoscaling_group"]
    names_: Annotated[tuple[Name, ...], BeforeValidator(_list_of_names)] = Field(
        default=(), alias="names", description="the groups' names"
    )
    match: TagMatch | None = Field(default=None, description="the groups that have these tags, looked up in every run")

    @model_validator(mode="after")
    def _one_selection(self) -> Self:
        if self.names_ and self.match is not None:
            raise refuse("names and match are two ways to choose the groups; keep one")
        if not self.names_ and self.match is None:
            raise refuse("say which groups: names (a list of names), or match (their tags)")
        return self

    def names(self) -> tuple[str, ...]:
        return self.names_


class AutoScalingGroupReader:
    """Reads Auto Scaling groups.

    :param client: a boto3 client for ``autoscaling``, or a :class:`ReadOnlyClient`. Only its describing calls are kept.
    :param clock: the present moment, aware.
    """

    service: ClassVar[str | None] = "autoscaling"
    unit: ClassVar[str] = UNIT
    read_permissions: ClassVar[tuple[str, ...]] = (GROUPS, REFRESHES, ACTIVITIES)

    def __init__(self, client: Any, *, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self._reads = ReadOnlyClient.of(client)
        self._clock = clock

    def find(self, config: AutoScalingGroupConfig) -> tuple[str, ...]:
        """The groups a policy selects, sorted; by tags there may be none.

        :raises TargetError: AWS could not be asked, or named groups do not exist (all of them are listed).
        """
        if config.match is not None:
            return tuple(sorted(one["AutoScalingGroupName"] for one in groups_tagged(self._reads, config.match.tags)))
        found = {one["AutoScalingGroupName"] for one in groups_named(self._reads, config.names())}
        if missing := sorted(set(config.names()) - found):
            where = f"region {config.region}" if config.region else "the connection's region"
            raise TargetError(
                f"no Auto Scaling group named {', '.join(missing)} in {where} (connection {config.connection}). "
                "Check targets.names, targets.region and targets.connection.",
                code="target_missing",
                retryable=False,
            )
        return tuple(sorted(found))

    def read(self, targets: Sequence[str], *, operations: bool = True) -> Mapping[str, TargetState]:
        """How groups stand; one that does not exist is left out.

        :param operations: false leaves out instance refreshes, which cost one call a group.
        """
        groups = {one["AutoScalingGroupName"]: one for one in groups_named(self._reads, targets)}
        refreshes = self._refreshes(list(groups)) if operations else {}
        now = self._clock()
        return {name: state_of(group, refreshes.get(name, ()), now) for name, group in groups.items()}

    def _refreshes(self, names: Sequence[str]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        # The API answers for one group a call. boto3 clients may be shared by threads; eight keep a fleet's look short
        # and stay far below the account's request rate.
        with ThreadPoolExecutor(max_workers=_PARALLEL_READS, thread_name_prefix="instance-refreshes") as pool:
            answers = pool.map(lambda name: refreshes_of(self._reads, name), names)
            return dict(zip(names, answers, strict=True))

    def health(self, target: str, since: datetime) -> TargetHealth:
        """Instance health now, and every scaling activity that began since a moment, newest first.

        :raises TargetError: AWS could not be asked, or the group does not exist.
        """
        state = self.read((target,), operations=False).get(target)
        if state is None:
            raise TargetError(f"{target} does not exist (any more)", code="target_missing", retryable=False)
        return TargetHealth(
            target=target,
            in_service_units=state.in_service_units,
            unhealthy_units=state.unhealthy_units,
            activities=tuple(activity_of(one) for one in activities_since(self._reads, target, since)),
        )

    def settled(self, change: PlannedChange, state: TargetState) -> bool:
        """Whether as many instances are in service as the change asked for; scaling in, no more than that."""
        if change.action is Action.SCALE_IN:
            return state.in_service_units <= change.to_units
        return state.in_service_units >= change.to_units


class AutoScalingGroupTarget(AutoScalingGroupReader):
    """Reads Auto Scaling groups and sets their desired capacity.

    :param client: a boto3 client for ``autoscaling``.
    """

    Config: ClassVar[type[AutoScalingGroupConfig]] = AutoScalingGroupConfig
    Reader: ClassVar[type[AutoScalingGroupReader]] = AutoScalingGroupReader
    permissions: ClassVar[tuple[str, ...]] = (*AutoScalingGroupReader.read_permissions, _SET)

    def __init__(self, client: Any, *, clock: Clock = lambda: datetime.now(UTC)) -> None:
        super().__init__(client, clock=clock)
        self._set_desired_capacity = client.set_desired_capacity

    def apply(self, change: PlannedChange, permit: Permit) -> ApplyResult:
        """Set the desired capacity, unless the live state or ``permit`` says no; see ``targets/checks.py``.

        :raises TargetError: AWS could not be asked, or nobody knows whether the call reached it. Call again.
        """
        if change.dry_run:
            return _ended(ChangeState.REFUSED, "dry_run", f"{change.target}: a dry run changes nothing", None)
        try:
            before = self.read((change.target,)).get(change.target)
        except TargetError as error:
            return _failed(error, None)
        said_no = refusal(change, before)
        if said_no is not None:
            return said_no
        assert before is not None  # a missing group is a refusal
        why_not = permit(before)
        if why_not is not None:
            after = before.desired_units
            return ApplyResult(state=ChangeState.REFUSED, reason=why_not, before=before, after_desired_units=after)
        try:
            with provider_errors(f"setting {change.target} to {change.to_units} {UNIT}s", _SET):
                # The policy's own cooldown has been checked; the group's would refuse a second step in one direction.
                answer = self._set_desired_capacity(
                    AutoScalingGroupName=change.target, DesiredCapacity=change.to_units, HonorCooldown=False
                )
        except TargetError as error:
            return self._after(error, change, before)
        text = f"{change.target} now wants {change.to_units} {UNIT}s instead of {before.desired_units}"
        request_id = answer.get("ResponseMetadata", {}).get("RequestId", "")
        return _ended(ChangeState.APPLIED, "applied", text, before, after=change.to_units, request_id=request_id)

    def _after(self, error: TargetError, change: PlannedChange, before: TargetState) -> ApplyResult:
        """What an error to the changing call means.

        ===========================================  ============================================================
        ``ScalingActivityInProgress``                refused: another operation in progress
        ``ValidationError``                          refused: the bounds or the group changed since the read
        throttled, unreachable, a server's error     read again: ``applied`` when the capacity is there, else raised
        anything else (access, credentials)          failed
        ===========================================  ============================================================
        """
        if error.code == "ScalingActivityInProgress":
            return _ended(ChangeState.REFUSED, "operation_in_progress", str(error), before, after=before.desired_units)
        if error.code == "ValidationError":
            return _ended(ChangeState.REFUSED, "provider_refused", str(error), before, after=before.desired_units)
        if not error.retryable:
            return _failed(error, before)
        now = self._desired_now(change.target)
        if now != change.to_units:
            raise error
        text = f"{change.target} now wants {now} {UNIT}s; the call got through, but its answer was lost: {error}"
        return _ended(ChangeState.APPLIED, "applied", text, before, after=change.to_units)

    def _desired_now(self, target: str) -> int | None:
        try:
            state = self.read((target,), operations=False).get(target)
        except TargetError:
            return None  # still unknown; the caller raises the first error, which says what happened
        return state.desired_units if state else None


def _failed(error: TargetError, before: TargetState | None) -> ApplyResult:
    if error.retryable:
        raise error
    after = before.desired_units if before else None
    return _ended(ChangeState.FAILED, "provider_error", str(error), before, after=after)


def _ended(
    state: ChangeState,
    code: str,
    text: str,
    before: TargetState | None,
    *,
    after: int | None = None,
    request_id: str = "",
) -> ApplyResult:
    return ApplyResult(
        state=state, reason=Reason.of(code, text), before=before, after_desired_units=after, request_id=request_id
    )
