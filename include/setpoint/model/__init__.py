"""The nouns. This room imports nothing of ours and nothing that touches the world."""

from setpoint.model.base import UtcDatetime, Value, digest
from setpoint.model.change import ApplyResult, Change, ChangeState
from setpoint.model.decision import Action, Constraint, Decision, Proposal, Reason, direction
from setpoint.model.event import Event, Request
from setpoint.model.history import SeriesHistory
from setpoint.model.metrics import FRAME_COLUMNS, Completeness, MetricBatch, SeriesStatus, Window
from setpoint.model.outcome import Followed, HealthReading, HealthVerdict, Outcome
from setpoint.model.plan import Plan, PlannedChange, plan_hash
from setpoint.model.quality import Check, FleetQuality, QualityReport, SeriesQuality, Verdict, worst
from setpoint.model.signal import Signal
from setpoint.model.target import Activity, ActivityStatus, Operation, TargetHealth, TargetState

__all__ = [
    "FRAME_COLUMNS",
    "Action",
    "Activity",
    "ActivityStatus",
    "ApplyResult",
    "Change",
    "ChangeState",
    "Check",
    "Completeness",
    "Constraint",
    "Decision",
    "Event",
    "FleetQuality",
    "Followed",
    "HealthReading",
    "HealthVerdict",
    "MetricBatch",
    "Operation",
    "Outcome",
    "Plan",
    "PlannedChange",
    "Proposal",
    "QualityReport",
    "Reason",
    "Request",
    "SeriesHistory",
    "SeriesQuality",
    "SeriesStatus",
    "Signal",
    "TargetHealth",
    "TargetState",
    "UtcDatetime",
    "Value",
    "Verdict",
    "Window",
    "digest",
    "direction",
    "plan_hash",
    "worst",
]
