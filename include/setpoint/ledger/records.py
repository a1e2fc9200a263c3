"""What the ledger answers with, where the model has no noun for it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from setpoint.model.base import Name, Units, UtcDatetime, Value
from setpoint.model.change import Change, ChangeState
from setpoint.model.decision import Action, Decision, Reason
from setpoint.model.event import Event
from setpoint.model.metrics import MetricBatch
from setpoint.model.outcome import Followed, HealthVerdict, Outcome
from setpoint.model.plan import Plan
from setpoint.model.quality import QualityReport, Verdict
from setpoint.model.signal import Signal

Fate = Literal["acted", "held", "quarantined", "failed"]
"""What became of an event: something changed, nothing did (no need, a dry run, a refusal), the data could not be
trusted, or the run went wrong."""

DeliveryState = Literal["waiting", "taken", "acted", "held", "quarantined", "failed"]

FindingKind = Literal[
    "missing",
    "out_of_bounds",
    "changed_by_hand",
    "not_in_service",
    "unfinished_change",
    "missing_outcome",
    "rollback_due",
    "stranded_events",
]
"""What is not as it should be: the target is gone, stands outside the policy's bounds, was changed by a person inside
them, or lacks capacity nothing is bringing; a crash left a change unfinished or unjudged, or events untended; or a
harmful change was not taken back."""


class Accepted(Value):
    """What became of a batch of events."""

    new: tuple[Name, ...]
    """Events not known before, or known but not yet to a policy that wants them now: somebody is to be woken."""
    duplicates: tuple[Name, ...]
    """Events already in the inbox, for every policy that wants them."""


class Released(Value):
    """The events a failed run gave back."""

    waiting: tuple[Name, ...]
    """For the policy's next run."""
    given_up: tuple[Name, ...]
    """Taken too often without a decision; closed as ``failed``, so that they cannot hold up the policy for ever."""


class Reject(Value):
    """A message that became no event."""

    source: str
    message_id: str
    code: str
    text: str
    body: str
    """What it said, cut to a bounded length. Text from outside: data."""
    received_at: UtcDatetime


class Delivered(Value):
    """An event, and how it fared with one policy."""

    event: Event
    policy: Name
    state: DeliveryState
    attempts: int = Field(ge=0)
    """How often a run took it."""
    taken_at: UtcDatetime | None
    closed_at: UtcDatetime | None


class Run(Value):
    """One run of a policy, from waking up to its end."""

    run_id: Name
    policy: Name
    trigger: str
    dry_run: bool
    event_ids: tuple[Name, ...]
    state: str
    """``running`` until it is finished; then what the caller said, such as ``succeeded`` or ``failed``."""
    reason: str | None
    """How it ended, in a sentence."""
    attempts: int = Field(ge=1)
    started_at: UtcDatetime
    finished_at: UtcDatetime | None


class Finding(Value):
    """Something the reconcile Dag found: the world, or the ledger, is not as the policy has it."""

    policy: Name
    target: Name | None
    kind: FindingKind
    text: str = Field(min_length=1)
    expected_units: Units | None = None
    actual_units: Units | None = None
    repaired: bool = False
    found_at: UtcDatetime


class HistoryRow(Value):
    """One line of the history: a decision and what came of it, or a change that took another back."""

    at: UtcDatetime
    run_id: Name
    policy: Name
    target: Name
    action: Action
    from_units: Units | None
    to_units: Units | None
    reason: Reason
    """The decision's first reason; of a roll-back, the change's own."""
    quality: Verdict | None
    """The verdict on the data behind it; ``None`` for a roll-back, which is not decided on metrics."""
    dry_run: bool
    change_id: Name | None = None
    change_state: ChangeState | None = None
    verdict: HealthVerdict | None = None
    followed: Followed | None = None
    rollback_state: ChangeState | None = None
    """How far the last attempt to take the change back came; ``None`` when there was none."""
    reverts: Name | None = None


class EventStory(Value):
    """An event of a run."""

    event: Event
    state: DeliveryState
    """How far the run came with it."""


class ChangeStep(Value):
    """A state a change went through."""

    at: UtcDatetime
    state: ChangeState
    reason: Reason


class ChangeStory(Value):
    """A change, how it came there, and what came of it."""

    change: Change
    steps: tuple[ChangeStep, ...]
    outcome: Outcome | None = None
    taken_back_by: Name | None = None
    """The change that took this one back, if one did; attempts that came to nothing are changes among the others."""
    superseded_by: Name | None = None
    """The first change that took effect on the target after this one, if there is one."""


class Moment(Value):
    """One line of what happened when."""

    at: UtcDatetime
    what: Literal["event", "run", "batch", "report", "decision", "plan", "change", "outcome"]
    text: str


class Explanation(Value):
    """Everything that is known of a run, or of one change and its target in its run, in the order of the chain."""

    about: Literal["change", "run"]
    reference: Name
    """The full id of the change or the run."""
    run_id: Name
    policy: Name
    target: Name | None = None
    """The change's target, to which signals, decisions and the report are narrowed; ``None`` for a whole run."""
    run: Run | None = None
    events: tuple[EventStory, ...] = ()
    batch: MetricBatch | None = None
    report: QualityReport | None = None
    signals: tuple[Signal, ...] = ()
    decisions: tuple[Decision, ...] = ()
    plan: Plan | None = None
    changes: tuple[ChangeStory, ...] = ()
    timeline: tuple[Moment, ...] = ()
    """The same by time, oldest first."""
