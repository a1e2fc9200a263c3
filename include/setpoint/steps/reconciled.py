"""What a reconciliation tells: what it found, what it did, and what it could not do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from setpoint.ledger import Finding, LedgerError, LedgerUnavailable
from setpoint.policy.schema import Policy
from setpoint.quality.errors import GateError
from setpoint.sources.batches import BatchError
from setpoint.sources.contract import SourceError
from setpoint.targets.contract import TargetError


@dataclass
class Reconciled:
    """What one reconciliation of one policy found and did, in sentences."""

    policy: str
    finished: list[str] = field(default_factory=list)
    judged: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What could not be brought together; the rest was, all the same."""

    @contextmanager
    def collecting(self, what: str) -> Iterator[None]:
        """Turn an error of one step into a problem, so that it does not keep the other steps from running.

        :param what: what the step is about, for people.
        :raises LedgerUnavailable: without the ledger no other step could do any better.
        """
        try:
            yield
        except LedgerUnavailable:
            raise
        except (TargetError, SourceError, BatchError, GateError, LedgerError) as error:
            self.problems.append(f"{what}: {error}")


def finding(
    policy: Policy,
    target: str | None,
    kind: str,
    text: str,
    now: datetime,
    *,
    expected: int | None = None,
    actual: int | None = None,
    repaired: bool = False,
) -> Finding:
    """Something that is not as it should be.

    :param kind: a :data:`setpoint.ledger.records.FindingKind`.
    """
    return Finding.model_validate(
        {
            "policy": policy.name,
            "target": target,
            "kind": kind,
            "text": text,
            "expected_units": expected,
            "actual_units": actual,
            "repaired": repaired,
            "found_at": now,
        }
    )


def summary(told: Sequence[Reconciled]) -> str:
    """What a reconciliation of several policies came to, a line each."""
    lines = []
    for one in told:
        said = [*one.finished, *one.judged, *(finding.text for finding in one.findings), *one.problems]
        lines.append(f"{one.policy}: {'; '.join(said) if said else 'as it should be'}")
    return "\n".join(lines)
