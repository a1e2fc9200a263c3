"""Leases driven at random, with a clock that the machine moves, against a model of what must hold."""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from setpoint.ledger import LeaseHeld, LeaseLost, Ledger, migrate
from setpoint.ledger.leases import LEASE_SECONDS, Lease
from setpoint.testing.values import NOW, SCOPE

HOLDERS = ("one", "two", "three")


class LeaseMachine(RuleBasedStateMachine):
    """Takes, renews and gives back in any order while time passes; at most one may hold the target at any moment."""

    leases = Bundle("leases")
    template: Path | None = None

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="setpoint-leases-"))
        cls = type(self)
        if cls.template is None:
            cls.template = Path(tempfile.mkdtemp(prefix="setpoint-leases-")) / "template.db"
            migrate(f"sqlite:///{cls.template}")
        shutil.copy(cls.template, self.folder / "ledger.db")
        self.now: datetime = NOW
        self.ledger = Ledger.open(f"sqlite:///{self.folder / 'ledger.db'}", clock=lambda: self.now)
        self.current: Lease | None = None
        """The newest lease given out, until it is given back."""
        self.tokens: list[int] = []

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            shutil.rmtree(self.folder)

    @property
    def valid(self) -> bool:
        return self.current is not None and self.now < self.current.expires_at

    @rule(seconds=st.floats(0, 2 * LEASE_SECONDS))
    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(target=leases, holder=st.sampled_from(HOLDERS))
    def take(self, holder: str) -> object:
        if self.valid and self.current is not None and self.current.holder != holder:
            with pytest.raises(LeaseHeld) as held:
                self.ledger.acquire_lease(SCOPE, "web-1", "a change", holder)
            assert held.value.holder == self.current.holder
            return multiple()
        lease = self.ledger.acquire_lease(SCOPE, "web-1", "a change", holder)
        assert lease.expires_at == self.now + timedelta(seconds=LEASE_SECONDS)
        self.current = lease
        self.tokens.append(lease.token)
        return lease

    @rule(lease=leases)
    def renew(self, lease: Lease) -> None:
        if self.current is None or lease.token != self.current.token:
            with pytest.raises(LeaseLost):
                self.ledger.renew_lease(lease)
            return
        self.current = self.ledger.renew_lease(lease)
        assert self.current.expires_at == self.now + timedelta(seconds=LEASE_SECONDS)

    @rule(lease=leases)
    def give_back(self, lease: Lease) -> None:
        own = self.current is not None and lease.token == self.current.token
        assert self.ledger.release_lease(lease) is own
        if own:
            self.current = None

    @invariant()
    def tokens_grow(self) -> None:
        if hasattr(self, "ledger"):
            assert self.tokens == sorted(set(self.tokens))

    @invariant()
    def the_ledger_lists_the_one_lease(self) -> None:
        if hasattr(self, "ledger"):
            listed = self.ledger.leases()
            assert listed == (() if self.current is None else (self.current,))
            assert sum(one.held_at(self.now) for one in listed) == int(self.valid)


TestLeaseMachine = LeaseMachine.TestCase
TestLeaseMachine.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
