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
from setpoint.model.streak import Incident

Fate = Literal["acted", "held", "quarantined", "failed"]
"""What became of an event: something changed, nothing did (no need, a dry run, a refusal), the data could not be
trusted, or the run went wrong."""

DeliveryState = Literal[
    "counting", "waiting", "taken", "acted", "held", "quarantined", "failed", "too_old", "below_count"
]
"""How far an event is on its way to a policy. Beside the fates: it waits for others to make up the number its trigger
asks for, or for a run; a run has it; nobody acts on it, because it became too old or the number was not reached.
"""

ReceiptFate = Literal["accepted", "duplicate", "rejected", "unwanted", "too_old", "control"]
"""What became of a message when it came in. Of an accepted one, its events' deliveries tell the rest."""

RejectState = Literal["open", "replayed", "dismissed"]
"""What became of a refused message since: nothing, it was read again with success, or a person has put it aside."""

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


class Receipt(Value):
    """One message, and what became of it when it came in."""

    receipt_id: Name
    source: str
    """Where it came from: a queue's URL, ``webhook:<sender>``, the kind of an event that reached a run directly."""
    message_id: str
    fate: ReceiptFate
    event_ids: tuple[Name, ...] = ()
    """Its events as the ledger knows them; those a duplicate repeats."""
    received_at: UtcDatetime


class Received(Value):
    """What became of a batch of messages."""

    receipts: tuple[Receipt, ...]
    """One for each message, in their order. A message that was known already has the receipt of then."""
    known: frozenset[Name] = frozenset()
    """The receipts of messages that were delivered before: nothing has changed by them now."""
    woken: frozenset[Name] = frozenset()
    """The policies to wake now. The ledger has it that they were; when they are not, the sweep makes up for it."""


class Reject(Value):
    """A message that became no event."""

    reject_id: Name
    source: str
    message_id: str
    code: str
    text: str
    body: str
    """What it said. Text from outside: data."""
    cut: bool
    """It said more than is kept."""
    received_at: UtcDatetime
    state: RejectState
    resolution: str | None
    """What came of it since, in a sentence."""
    resolved_at: UtcDatetime | None


class Accounting(Value):
    """What became of every message received since a moment. Each is counted once."""

    since: UtcDatetime
    receipts: int = Field(ge=0)
    """Messages received; a message delivered again is not another one."""
    acted_on: int = 0
    """An evaluation was made for it: something changed, or was held for a reason."""
    coalesced: int = 0
    """It joined the evaluation another one was made for."""
    duplicate: int = 0
    """Its event was known."""
    rejected: int = 0
    """It became no event; it is in the rejects, with its reason."""
    control: int = 0
    """A sender tried out the way with it: no event, and no fault."""
    unwanted: int = 0
    """No policy wants it."""
    too_old: int = 0
    """It came, or came to its turn, after its policy's age limit."""
    below_count: int = 0
    """Too few like it came within its trigger's window."""
    failed: int = 0
    """Its run went wrong, and it was given up."""
    waiting: int = 0
    """Nothing of the above yet."""

    @property
    def missing(self) -> int:
        """Receipts that nothing is known of. Always zero, or the ledger was altered."""
        return self.receipts - (
            self.acted_on
            + self.coalesced
            + self.duplicate
            + self.rejected
            + self.control
            + self.unwanted
            + self.too_old
            + self.below_count
            + self.failed
            + self.waiting
        )


class Delivered(Value):
    """An event, and how it fared with one policy."""

    event: Event
    policy: Name
    state: DeliveryState
    joined: bool
    """It joined the evaluation that was made for another event."""
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
    what: Literal["event", "run", "batch", "report", "incident", "decision", "plan", "change", "outcome"]
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
    incident: Incident | None = None
    """The incident of a broken source that the run's batch is part of, or has closed, as it stood then."""
    signals: tuple[Signal, ...] = ()
    decisions: tuple[Decision, ...] = ()
    plan: Plan | None = None
    changes: tuple[ChangeStory, ...] = ()
    timeline: tuple[Moment, ...] = ()
    """The same by time, oldest first."""
