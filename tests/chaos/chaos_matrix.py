"""What is broken, and where: the rows and columns of the chaos matrix, and the policies they are tried on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from setpoint.failpoints import POINTS

Victim = Literal["task process", "supervisor", "scheduler", "triggerer", "api-server", "database"]

VICTIMS: Mapping[Victim, str] = {
    "task process": "the process that stands at the point: a task, or the triggerer's runner",
    "supervisor": "its parent: the LocalExecutor's worker, or the triggerer; the orphan goes on",
    "scheduler": "with everything it started, running tasks included",
    "triggerer": "with everything it started",
    "api-server": "tasks go on into an API that is not there",
    "database": "every process of PostgreSQL, which holds Airflow's metadata and the ledger",
}
"""Who is killed with SIGKILL. What ended is started again, as an init system would."""

IN_THE_TRIGGERER = ("after_receive", "after_commit")
"""Points before any policy is known: about a queue, in the triggerer's process."""

DEFERRED: Mapping[str, str] = {"while_waiting": "in_service", "during_observation": "watch_health"}
"""Points whose task hands over to the triggerer: there the others are killed while it is deferred."""

EARLY = tuple(point for point in POINTS if point not in DEFERRED and point not in ("before_outcome", "during_rollback"))
LATE = tuple(point for point in POINTS if point not in EARLY)
"""Two groups, so that no process stands still much longer than a short stall would last."""

COMMON_QUEUE = "chaos-events"


@dataclass(frozen=True)
class Row:
    """A moment, or a misbehaviour of AWS, with a policy, a fleet and (where it matters) a queue of its own."""

    name: str
    """The policy's name and the fleet's."""
    title: str
    queue: str = COMMON_QUEUE
    point: str | None = None
    connection: str = "aws_default"
    observation: str = "3s"
    takes_back: bool = False
    """The policy takes every change back, so that a breach makes two: the change and its roll-back."""
    fault: Mapping[str, Any] = field(default_factory=dict)
    """The lab's fault for the first breach; see ``setpoint.lab.faults.FaultRequest``."""

    @property
    def about(self) -> str:
        """What the failpoint is about."""
        return self.queue if self.point in IN_THE_TRIGGERER else self.name

    @property
    def changes_a_breach(self) -> int:
        """How many times the capacity is to change for one breach."""
        return 2 if self.takes_back else 1


def _at(point: str) -> Row:
    name = point.replace("_", "-")
    return Row(
        name=name,
        title=point,
        point=point,
        queue=f"chaos-{name}" if point in IN_THE_TRIGGERER else COMMON_QUEUE,
        observation="10s" if point == "during_observation" else "3s",
        takes_back=point == "during_rollback",
    )


POINT_ROWS: Mapping[str, Row] = {point: _at(point) for point in POINTS}


def _wrong(name: str, title: str, kind: str, **fault: Any) -> Row:
    return Row(name, title, fault={"kind": kind, **fault})


_CHANGE = {"actions": ("SetDesiredCapacity",)}

AWS_ROWS = (
    Row("aws-refuses", "no connection: refused for 20 s", queue="chaos-gate", connection="aws_gate"),
    _wrong("aws-cut-off", "every connection cut for 20 s", "cut_off", duration_seconds=20),
    _wrong("aws-throttles", "half of the calls throttled for 30 s", "throttling", duration_seconds=30),
    _wrong("aws-throttles-all", "every call throttled for 12 s", "throttling", share=1.0, duration_seconds=12),
    _wrong("aws-500", "every call answers 500 for 12 s", "api_down", duration_seconds=12),
    _wrong("aws-500-change", "the changing call answers 500, three times", "api_down", times=3, **_CHANGE),
    _wrong("aws-slow", "every answer takes 3 s, for 40 s", "slow", delay_seconds=3, duration_seconds=40),
    _wrong(
        "aws-lost-answer",
        "the changing call is carried out and times out, once",
        "lost_answer",
        delay_seconds=25,
        times=1,
        **_CHANGE,
    ),
    _wrong(
        "aws-cut-change", "the changing call is cut off before it takes effect, twice", "cut_off", times=2, **_CHANGE
    ),
    _wrong("aws-wrong-read", "one wrong capacity when read to decide", "wrong_capacity", wrong_units=2, times=1),
    Row("aws-wrong-reread", "one wrong capacity when read to carry out", point="before_intent"),
)

ROWS = (*POINT_ROWS.values(), *AWS_ROWS)


def policy_document(row: Row) -> dict[str, Any]:
    """The policy of a row: its fleet is always overloaded, so each evaluation adds one instance, and a second one that
    nobody asked for would show."""
    cpu = {
        "source": "aws.cloudwatch", "namespace": "AWS/EC2", "name": "CPUUtilization", "statistic": "Average",
        "period": "1s", "window": "10s", "settle": "2s",
    }  # fmt: skip
    return {
        "version": 1,
        "name": row.name,
        "owner": "chaos",
        "targets": {
            "kind": "aws.autoscaling_group", "region": "eu-west-1", "names": [row.name], "connection": row.connection,
        },
        "triggers": {"events": [{"kind": "json", "queue": row.queue}]},
        "metrics": {"cpu": cpu},
        "quality": {"cpu": {"max_age": "20s", "min_coverage": 0.3, "full_coverage": 0.3, "between": [0, 100]}},
        "scale": {
            "strategy": "threshold",
            "signal": {"metric": "cpu", "aggregate": "mean"},
            "out": {"above": 70, "for": "2 of 4", "add": 1},
        },
        "limits": {"min": 2, "max": 90, "cooldown": {"out": "1s", "in": "1s"}},
        "feedback": {
            "after": row.observation,
            "in_service_timeout": "60s",
            "healthy": {"cpu": {"no_worse_than": "0.5x"} if row.takes_back else {"max": 100}},
            "min_samples": 1,
        },
    }  # fmt: skip
