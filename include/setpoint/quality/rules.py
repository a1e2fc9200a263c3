"""What a series must be like: one rule a line, each an expectation for Great Expectations and words for people.

====================  ====================================================  ==========================================
check                 holds when                                            when it does not hold
====================  ====================================================  ==========================================
``source``            the source called its answer complete, and gave as    error, or other points: fail;
                      many points as it said                                partial: degraded
``order``             no point is older than the one before it              fail
``duplicates``        no period has two points                              fail
``finite``            no point is infinite                                  fail
``window``            no point is outside the window asked for              fail
``future``            no point is more than a period later than the pull    fail
``freshness``         the newest point is not older than ``max_age``        fail
``coverage``          at least ``full_coverage`` of the periods have a      below ``min_coverage``: fail;
                      point; a null point is none                           between the two: degraded
``range``             every point lies in ``between``                       fail
``zero_guard``        no point is zero (where the policy guards)            all zero: fail; some: degraded
====================  ====================================================  ==========================================

A zero is how an outage often reads (a source that answers 0 with HTTP 200), and each one counts as "below" when a rule
asks whether to scale in. So with the guard on, even one zero among other values makes a series degraded, and scaling in
needs a clean pass; a metric that is honestly zero at times says ``zero_guard: false``.

A series without any point fails ``freshness`` and ``coverage``: nothing is made up for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from setpoint.model import Check, Completeness, Verdict

Row = dict[str, Any]
"""One row of the summary."""


@dataclass(frozen=True)
class Rule:
    """One check of a series.

    It holds when ``column`` of the summary is at most the series' own limit, which is in the column ``limit``. Without
    a ``limit``, ``column`` counts what must not be there, and the rule holds when it is 0.
    """

    name: str
    column: str
    limit: str | None
    observed: Callable[[Row], str]
    allowed: Callable[[Row], str]
    severity: Callable[[Row], Verdict] = lambda row: Verdict.FAIL
    """What a series that breaks the rule becomes."""
    mildest: Verdict = Verdict.FAIL
    """The least a series that breaks the rule becomes; what a check that holds carries."""

    def check(self, row: Row, held: bool) -> Check:
        """The rule's result for one series, with the numbers."""
        severity = self.mildest if held else self.severity(row)
        return _check(self.name, held, severity, self.observed(row), self.allowed(row))


@lru_cache(maxsize=4096)
def _check(expectation: str, held: bool, severity: Verdict, observed: str, allowed: str) -> Check:
    """A check; most series of a fleet share theirs, so equal ones are one object."""
    return Check(expectation=expectation, held=held, severity=severity, observed=observed, allowed=allowed)


def _points(count: int, what: str) -> str:
    return f"{count} {'point' if count == 1 else 'points'} {what}"


def _none(what: str) -> Callable[[Row], str]:
    return lambda row: _points(0, what)


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s".replace(".0 s", " s")


def _source(row: Row) -> str:
    words = row["source"]
    if row["announced"] != row["points"]:
        words += f", announced {row['announced']} points and gave {row['points']}"
    return "; ".join((words, *row["messages"]))


def _age(row: Row) -> str:
    if not row["finite"]:
        return "no point"
    return f"newest point {_seconds(row['age_seconds'])} old"


def _coverage(row: Row) -> str:
    words = f"{row['filled']} of {row['expected']} periods have a point ({row['coverage']:.1%})"
    missing = [f"{row['nulls']} null"] if row["nulls"] else []
    if row["longest_gap"]:
        missing.append(f"longest gap {_seconds(row['longest_gap'] * row['period_seconds'])}")
    why = row["messages"] if not row["points"] else ()  # what the source says of an empty answer explains it
    return "; ".join((", ".join((words, *missing)), *why))


def _range(row: Row) -> str:
    if not row["finite"]:
        return "no point"
    return f"{_points(row['beyond'], 'outside')}, lowest {row['minimum']:g}, highest {row['maximum']:g}"


def _allowed_range(row: Row) -> str:
    if row["low"] == float("-inf"):
        return "any value"
    return f"{row['low']:g} to {row['high']:g}"


def _zeros(row: Row) -> str:
    newest = f", the newest {row['trailing_zeros']} in a row" if row["zeros"] else ""
    return f"{row['zeros']} of {row['finite']} points zero{newest}"


RULES: tuple[Rule, ...] = (
    Rule(
        "source",
        "untold",
        None,
        _source,
        lambda row: "complete, with every point announced",
        lambda row: (
            Verdict.DEGRADED
            if row["source"] == Completeness.PARTIAL.value and row["announced"] == row["points"]
            else Verdict.FAIL
        ),
        Verdict.DEGRADED,
    ),
    Rule(
        "order",
        "out_of_order",
        None,
        lambda row: _points(row["out_of_order"], "older than the one before"),
        _none("out of order"),
    ),
    Rule(
        "duplicates",
        "duplicates",
        None,
        lambda row: _points(row["duplicates"], "in a period that has one already"),
        lambda row: f"1 point in each period of {row['period_seconds']} s",
    ),
    Rule("finite", "infinite", None, lambda row: _points(row["infinite"], "infinite"), _none("infinite")),
    Rule(
        "window",
        "outside",
        None,
        lambda row: _points(row["outside"], "outside the window"),
        _none("outside the window"),
    ),
    Rule(
        "future",
        "future",
        None,
        lambda row: _points(row["future"], "in the future"),
        lambda row: f"at most {row['period_seconds']} s (one period) after the pull",
    ),
    Rule(
        "freshness",
        "age_seconds",
        "max_age_seconds",
        _age,
        lambda row: f"at most {_seconds(row['max_age_seconds'])} old",
    ),
    Rule(
        "coverage",
        "full_coverage",
        "coverage",
        _coverage,
        lambda row: f"at least {row['full_coverage']:.1%} of the periods (below {row['min_coverage']:.1%} it fails)",
        lambda row: Verdict.FAIL if row["coverage"] < row["min_coverage"] else Verdict.DEGRADED,
        Verdict.DEGRADED,
    ),
    Rule("range", "beyond", None, _range, _allowed_range),
    Rule(
        "zero_guard",
        "guarded_zeros",
        None,
        _zeros,
        lambda row: "0 points zero" if row["zero_guard"] else "any number of zeros",
        lambda row: Verdict.FAIL if row["zeros"] == row["finite"] else Verdict.DEGRADED,
        Verdict.DEGRADED,
    ),
)
"""Every check of a series, in the order reports show them."""
