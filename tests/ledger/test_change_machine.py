"""The state machine of changes, driven at random against a model of what must hold."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from setpoint.ledger import IllegalTransition, Ledger, TargetBusy, migrate
from setpoint.model import ApplyResult, ChangeState, Followed, HealthVerdict, Outcome, PlannedChange, Reason
from setpoint.testing.ledgers import begin_change, finish_change
from setpoint.testing.values import NOW, a_planned_change

TARGETS = ("web-1", "web-2")
RESULTS = (ChangeState.APPLIED, ChangeState.NO_OP, ChangeState.REFUSED, ChangeState.FAILED)
KIND = "aws.autoscaling_group@aws_default/"


class ChangeMachine(RuleBasedStateMachine):
    """Begins, finishes, settles and refuses in any order; a plain dictionary says what the ledger must say."""

    changes = Bundle("changes")
    template: Path | None = None

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="setpoint-ledger-"))
        cls = type(self)
        if cls.template is None:
            cls.template = Path(tempfile.mkdtemp(prefix="setpoint-ledger-")) / "template.db"
            migrate(f"sqlite:///{cls.template}")
        shutil.copy(cls.template, self.folder / "ledger.db")
        self.ledger = Ledger.open(f"sqlite:///{self.folder / 'ledger.db'}")
        self.states: dict[str, ChangeState] = {}
        self.planned: dict[str, PlannedChange] = {}
        self.begun: list[str] = []
        self.applied: set[str] = set()
        self.judged: dict[str, Followed] = {}
        self.now = NOW

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            shutil.rmtree(self.folder)

    def tick(self) -> None:
        self.now += timedelta(seconds=1)

    def open_on(self, target: str) -> list[str]:
        return [key for key, state in self.states.items() if state.open and self.planned[key].target == target]

    def waits_for_verdict(self, change: PlannedChange) -> bool:
        came_to_nothing = (ChangeState.REFUSED, ChangeState.FAILED)
        taken_back = any(
            self.planned[key].reverts == change.change_id and state not in came_to_nothing
            for key, state in self.states.items()
        )
        followed = self.judged.get(change.change_id)
        return change.reverts is None and (followed is None or (followed is Followed.ROLL_BACK and not taken_back))

    @rule(target=changes, where=st.sampled_from(TARGETS), up=st.booleans(), dry_run=st.booleans())
    def plan(self, where: str, up: bool, dry_run: bool) -> object:
        change_id = f"change-{len(self.planned)}"
        to_units = 6 if up else 2
        self.planned[change_id] = a_planned_change(where, 4, to_units, change_id=change_id, dry_run=dry_run)
        return change_id

    @rule(target=changes, change_id=changes)
    def plan_to_take_back(self, change_id: str) -> object:
        taken_back = self.planned[change_id]
        if taken_back.dry_run:
            return multiple()
        reverting = f"change-{len(self.planned)}"
        self.planned[reverting] = a_planned_change(
            taken_back.target,
            taken_back.to_units,
            taken_back.from_units,
            change_id=reverting,
            reverts=change_id,
        )
        return reverting

    @rule(change_id=changes)
    def begin(self, change_id: str) -> None:
        self.tick()
        planned, known = self.planned[change_id], self.states.get(change_id)
        in_the_way = [
            other
            for other in self.open_on(planned.target)
            if not (other == planned.reverts and self.states[other] is ChangeState.APPLIED)
        ]
        if known is None and in_the_way and not planned.dry_run:
            with pytest.raises(TargetBusy) as busy:
                begin_change(self.ledger, planned, self.now)
            assert busy.value.open_change_id in in_the_way
            return
        begun = begin_change(self.ledger, planned, self.now)
        if known is None:
            known = ChangeState.REFUSED if planned.dry_run else ChangeState.APPLYING
            self.begun.append(change_id)
        assert begun.state is known
        self.states[change_id] = known

    @rule(change_id=changes)
    def refuse(self, change_id: str) -> None:
        self.tick()
        known = self.states.get(change_id)
        reason = Reason(code="other", text="refused before it began")
        if known is not None and known.open:
            with pytest.raises(IllegalTransition):
                self.ledger.refuse_change(self.planned[change_id], reason, self.now)
            return
        refused = self.ledger.refuse_change(self.planned[change_id], reason, self.now)
        assert refused.state is (known or ChangeState.REFUSED)
        self.states[change_id] = refused.state

    @rule(change_id=changes, state=st.sampled_from(RESULTS))
    def finish(self, change_id: str, state: ChangeState) -> None:
        known = self.states.get(change_id)
        if known is None:
            return
        self.tick()
        result = ApplyResult(state=state, reason=Reason(code="told", text="told"))
        again = known is state or (known is ChangeState.SETTLED and state is ChangeState.APPLIED)
        if known is not ChangeState.APPLYING and not again:
            with pytest.raises(IllegalTransition):
                finish_change(self.ledger, change_id, result, self.now)
            return
        finished = finish_change(self.ledger, change_id, result, self.now)
        if not again:
            self.states[change_id] = state
            if state is ChangeState.APPLIED:
                self.applied.add(change_id)
        assert finished.state is self.states[change_id]

    @rule(change_id=changes)
    def settle(self, change_id: str) -> None:
        known = self.states.get(change_id)
        if known is None:
            return
        self.tick()
        reason = Reason(code="in_service", text="in service")
        if not known.effective:
            with pytest.raises(IllegalTransition):
                self.ledger.settle_change(change_id, reason, self.now)
            return
        self.ledger.settle_change(change_id, reason, self.now)
        self.states[change_id] = ChangeState.SETTLED

    @rule(change_id=changes, followed=st.sampled_from(Followed))
    def judge(self, change_id: str, followed: Followed) -> None:
        if change_id not in self.applied:
            return
        self.tick()
        outcome = Outcome(
            change_id=change_id,
            policy="web",
            run_id="run-1",
            target=self.planned[change_id].target,
            verdict=HealthVerdict.HEALTHY if followed is Followed.KEEP else HealthVerdict.DEGRADED,
            followed=followed,
            reasons=(Reason(code="judged", text="judged"),),
            recorded_at=self.now,
        )
        self.judged.setdefault(change_id, followed)
        assert self.ledger.record_outcome(outcome).followed is self.judged[change_id]

    @rule()
    def reopen(self) -> None:
        self.ledger.close()
        self.ledger = Ledger.open(f"sqlite:///{self.folder / 'ledger.db'}")

    @invariant()
    def the_ledger_says_the_same(self) -> None:
        if not hasattr(self, "ledger"):
            return
        recorded = {one.change_id: one for one in self.ledger.changes_of("run-1")}
        assert {key: one.state for key, one in recorded.items()} == self.states
        assert all(not one.plan.dry_run for one in recorded.values() if one.state.open or one.state.effective)

    @invariant()
    def one_applying_change_a_target(self) -> None:
        if not hasattr(self, "ledger"):
            return
        applying = [one.plan.target for one in self.ledger.changes_of("run-1") if one.state is ChangeState.APPLYING]
        assert all(count == 1 for count in Counter(applying).values())

    @invariant()
    def memory_is_of_what_took_effect(self) -> None:
        if not hasattr(self, "ledger"):
            return
        memory = self.ledger.memory("web", TARGETS, KIND, self.now)
        for target in TARGETS:
            effective = [self.planned[key] for key in self.begun if key in self.applied]
            left = [planned for planned in effective if planned.target == target]
            assert memory[target].last_to_units == (left[-1].to_units if left else None)
            waiting = left[-1].change_id if left and self.waits_for_verdict(left[-1]) else None
            assert memory[target].unjudged_change_id == waiting
            assert (memory[target].open_change_id is not None) == bool(self.open_on(target))


TestChangeMachine = ChangeMachine.TestCase
TestChangeMachine.settings = settings(
    max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
