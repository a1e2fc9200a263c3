"""Play the scenario, act by act, and keep what each act came to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from setpoint.demo.acts import Act
from setpoint.demo.evidence import Witness
from setpoint.demo.world import DemoWorld
from setpoint.lab.world.state import FleetState
from setpoint.model import Action, Decision

SETTLE_IN_SECONDS = 30
"""How long the practice world publishes ordinary metrics before the first act: the policies look back this far."""

_LOOK_SECONDS = 1.0


class Status(StrEnum):
    WAITING = "waiting"
    PLAYING = "playing"
    HAPPENED = "happened"
    MISSED = "missed"


@dataclass
class Performance:
    """One act on stage."""

    act: Act
    status: Status = Status.WAITING
    evidence: str = ""
    page: str = ""
    """The page of the quarantined batch, where the act led to one; it was seen to answer."""
    began_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass
class Stage:
    """What the audience can see: the acts, the fleets over time, and the newest lines of the story."""

    performances: list[Performance]
    began_at: datetime
    history: dict[str, list[FleetState]] = field(default_factory=dict)
    lines: list[tuple[datetime, str]] = field(default_factory=list)
    preparing: str = ""

    @property
    def complete(self) -> bool:
        """Whether every act really happened."""
        return all(one.status is Status.HAPPENED for one in self.performances)

    def tell(self, text: str) -> None:
        """Add a line to the story."""
        self.lines.append((datetime.now(UTC), text))


def play(world: DemoWorld, stage: Stage, show: Callable[[], None]) -> None:
    """Play every act, in order, until it happened or its time is up. An act that did not happen does not stop the next.

    :param show: called about once a second, to draw the stage.
    """
    storyteller = _Storyteller(world, stage)
    _settle_in(storyteller, show)
    for performance in stage.performances:
        act = performance.act
        performance.began_at, performance.status = datetime.now(UTC), Status.PLAYING
        stage.tell(f"[act] {act.title}: {act.tells}")
        witness = Witness(
            policy=act.policy,
            fleet=act.fleet,
            since=performance.began_at,
            ledger=world.ledger,
            autoscaling=world.autoscaling,
            batches=world.data / "batches",
            page=world.airflow.page,
        )
        act.begin(world.lab)
        deadline = time.monotonic() + act.deadline_seconds
        while performance.status is Status.PLAYING:
            storyteller.catch_up()
            seen = witness.look()
            told = act.happened(seen)
            if told is not None:
                performance.status, performance.evidence = Status.HAPPENED, told
                performance.page = world.api_url + seen.pages[0] if seen.pages else ""
            elif time.monotonic() > deadline:
                performance.status = Status.MISSED
                performance.evidence = f"did not happen within {act.deadline_seconds:g} s"
            show()
            if performance.status is Status.PLAYING:
                time.sleep(_LOOK_SECONDS)
        performance.ended_at = datetime.now(UTC)
        stage.tell(f"[{performance.status}] {act.title}: {performance.evidence}")
        if performance.page:
            stage.tell(f"the batch in quarantine, with its plots and Data Docs: {performance.page}")
        act.end(world.lab)


def _settle_in(storyteller: _Storyteller, show: Callable[[], None]) -> None:
    """Let the practice world run until there is enough ordinary data to decide on."""
    until = time.monotonic() + SETTLE_IN_SECONDS
    while (left := until - time.monotonic()) > 0:
        storyteller.stage.preparing = f"an ordinary day; the first act begins in {left:.0f} s"
        storyteller.catch_up()
        show()
        time.sleep(min(left, _LOOK_SECONDS))
    storyteller.stage.preparing = ""


class _Storyteller:
    """Turns new rows of the ledger into lines, and keeps the fleets' history."""

    def __init__(self, world: DemoWorld, stage: Stage) -> None:
        self.world, self.stage = world, stage
        self._told: set[tuple[str, ...]] = set()
        self._decided: set[tuple[str, str]] = set()
        self._last: dict[str, Action] = {}
        self._since = 0.0

    def catch_up(self) -> None:
        self.world.require_running()
        for state in self.world.lab.series(since=self._since):
            self.stage.history.setdefault(state.fleet, []).append(state)
            self._since = max(self._since, state.time)
        ledger, began = self.world.ledger, self.stage.began_at
        for decision in ledger.decisions_since(began):
            self._tell_decision(decision)
        for change in ledger.changes_since(began):
            plan = change.plan
            self._tell_once(
                f"{plan.target}: {plan.from_units} → {plan.to_units} {change.state.value}: {change.reason.text}",
                change.change_id,
                change.state.value,
            )
            outcome = ledger.outcome_of(change.change_id)
            if outcome is not None:
                why = outcome.reasons[0].text
                self._tell_once(
                    f"{plan.target}: health {outcome.verdict.value}, {outcome.followed.value}: {why}",
                    change.change_id,
                    "outcome",
                )

    def _tell_decision(self, decision: Decision) -> None:
        """Tell a decision, unless it is one hold after the other: that is what an ordinary day is made of."""
        if (decision.run_id, decision.target) in self._decided:
            return
        self._decided.add((decision.run_id, decision.target))
        before, self._last[decision.target] = self._last.get(decision.target), decision.action
        if not before is decision.action is Action.HOLD:
            self.stage.tell(f"{decision.target}: {decision.action.value}: {decision.reasons[0].text}")

    def _tell_once(self, text: str, *key: str) -> None:
        if key not in self._told:
            self._told.add(key)
            self.stage.tell(text)
