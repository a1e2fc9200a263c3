"""Which API call a request is, and the record of those that change something."""

import json
import time
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from setpoint.lab.config import LabModel

MUTATING = (
    "Attach", "Cancel", "Complete", "Create", "Delete", "Deregister", "Detach", "Disable", "Enable", "Enter",
    "Execute", "Exit", "Modify", "Put", "Register", "Remove", "Resume", "Rollback", "Run", "Set", "Start", "Stop",
    "Suspend", "Terminate", "Update",
)  # fmt: skip
NOT_COUNTED = frozenset({"PutMetricData", "SetAlarmState"})
"""Data rather than changes of infrastructure."""


@dataclass(frozen=True)
class ApiCall:
    """What a request asks for."""

    service: str
    action: str
    params: dict[str, Any]
    content_type: str

    @property
    def mutating(self) -> bool:
        """Whether it changes infrastructure (messages and metric data do not count as such)."""
        return (
            self.service not in ("sqs", "sts") and self.action not in NOT_COUNTED and self.action.startswith(MUTATING)
        )

    @property
    def group(self) -> str | None:
        """The Auto Scaling group it names, or None."""
        name = self.params.get("AutoScalingGroupName")
        return name if isinstance(name, str) else None


class CallRecord(LabModel):
    """One mutating call that was received, and how it ended."""

    number: int
    time: float
    """Epoch seconds."""
    monotonic_seconds: float
    service: str
    action: str
    group: str | None
    params: dict[str, Any]
    status: int
    error_code: str | None
    capacity_before: tuple[int, int, int] | None = None
    """(min, desired, max) of the group before the call."""
    capacity_after: tuple[int, int, int] | None = None

    @property
    def effective(self) -> bool:
        """Whether the call was accepted and moved a bound or the desired capacity of a group."""
        return self.status < 400 and self.capacity_before != self.capacity_after


class CallLog:
    """The last mutating calls, and how many there were. Not locked: the laboratory's lock guards it."""

    def __init__(self, kept: int) -> None:
        self._records: deque[CallRecord] = deque(maxlen=kept)
        self.total = 0
        self.by_group: dict[str, int] = {}

    def add(
        self,
        call: ApiCall,
        now: float,
        status: int,
        error_code: str | None,
        before: tuple[int, int, int] | None,
        after: tuple[int, int, int] | None,
    ) -> None:
        """Record a call."""
        self.total += 1
        if call.group is not None:
            self.by_group[call.group] = self.by_group.get(call.group, 0) + 1
        record = CallRecord(
            number=self.total,
            time=now,
            monotonic_seconds=time.monotonic(),
            service=call.service,
            action=call.action,
            group=call.group,
            params=call.params,
            status=status,
            error_code=error_code,
            capacity_before=before,
            capacity_after=after,
        )
        self._records.append(record)

    def since(self, number: int = 0) -> list[CallRecord]:
        """Return the calls after that number, oldest first."""
        return [record for record in self._records if record.number > number]

    def clear(self) -> None:
        """Forget everything."""
        self._records.clear()
        self.total = 0
        self.by_group.clear()


def identify(authorization: str, target: str, content_type: str, body: bytes) -> ApiCall | None:
    """Return the call behind a request, None when it is not one of a query or JSON API.

    :param authorization: the SigV4 header, whose credential scope names the service.
    :param target: `X-Amz-Target` of the JSON protocols.
    """
    parts = authorization.partition("Credential=")[2].split(",")[0].split("/")
    if len(parts) < 5:
        return None
    service = parts[3].lower()
    if target:
        return ApiCall(service, target.rpartition(".")[2], _json_object(body), content_type)
    pairs = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    action = pairs.pop("Action", None)
    pairs.pop("Version", None)
    return None if action is None else ApiCall(service, action, dict(pairs), content_type)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
