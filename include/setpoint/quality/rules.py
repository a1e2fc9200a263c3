"""What a series must be like: one rule a line, each an expectation for Great Expectations and words for people.

====================  ====================================================  ==========================================
check                 holds when                                            when it does not hold
====================  ====================================================  ==========================================
``source``            the source called its answer complete, and gave as    error, or other points: fail;
                      many points as it said                                partial: degraded
``order``             no point is older than the one before it              fail
``duplicates``        no period has two points                              fail
``nulls``             at most ``max_nulls`` of the points have no value     degraded
                      or no time
``finite``            no point is infinite                                  fail
``window``            no point is from before the window asked for          fail
``settle``            no point is from after the window's end, within       fail
                      the settle offset
``future``            no point is more than a period later than the pull    fail
``freshness``         the newest point is not older than ``max_age``        fail
``coverage``          at least ``full_coverage`` of the periods have a      below ``min_coverage``: fail;
                      point; a null point is none                           between the two: degraded
``gap``               no two points are more than ``max_gap`` apart         degraded
``range``             every point lies in ``between``                       fail
``sign``              no point is negative (where neither ``signed`` nor    too few others: fail; else degraded
                      ``between`` says that there are such)
``codes``             no point is an error code: one of the metric's own,   too few others: fail; else degraded
                      or a usual one far from all other points
``zero_guard``        no point is zero (where the policy, or the past,      all zero: fail; some: degraded
                      does not know zeros)
``newest_spike``      the newest point, alone, is not ``newest_spike``      degraded
                      times above or below the median
``spikes``            no lone point is ``max_spike`` times above the        degraded
                      median, and none as many times below it
``stuck``             the value moves, as it did in the past                degraded
``fall``              the median is at least the last accepted one          degraded
                      divided by ``max_fall``
``rise``              the median is at most ``max_rise`` times the last     degraded
                      accepted one
====================  ====================================================  ==========================================

A zero is how an outage often reads (a source that answers 0 with HTTP 200), and each one counts as "below" when a rule
asks whether to scale in. So with the guard on, even one zero among other values makes a series degraded, and scaling in
needs a clean pass; a metric that is honestly zero at times says ``zero_guard: false``.

A series without any point fails ``freshness`` and ``coverage``: nothing is made up for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from setpoint.model import Check, Completeness, UtcDatetime, Verdict
from setpoint.quality import words
from setpoint.quality.words import Row, Words

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy

Bound = Callable[["Policy", str], float | None]
"""What a metric's policy allows; ``None`` turns the check off."""


@dataclass(frozen=True)
class Rule:
    """One check of a series.

    It holds when ``column`` of the summary is at most ``bound`` (at least, with ``side="least"``) of the series'
    metric; or at most what is in the column ``limit``, when the limit is each series' own.
    """

    name: str
    column: str
    observed: Words
    allowed: Callable[[Row, float], str]
    """What would have held, from the row and its limit."""
    means: str
    """What it asks for, in a sentence with the limit as ``{limit}``."""
    bound: Bound = lambda policy, metric: 0.0
    side: Literal["most", "least"] = "most"
    limit: str | None = None
    keys: tuple[str, ...] = ()
    """The keys of the policy's ``quality`` section that set the limit."""
    severity: Callable[[Row], Verdict] = lambda row: Verdict.FAIL
    """What a series that breaks the rule becomes."""
    mildest: Verdict = Verdict.FAIL
    """The least a series that breaks the rule becomes; what a check that holds carries."""

    def check(self, row: Row, limit: float, held: bool, offending: tuple[UtcDatetime, ...] = ()) -> Check:
        """The rule's result for one series, with the numbers."""
        severity = self.mildest if held else self.severity(row)
        return _check(
            self.name,
            held,
            severity,
            self.observed(row),
            self.allowed(row, limit),
            _plain(row[self.column]),
            _plain(row[self.limit] if self.limit else limit),
            offending,
        )


def degraded(row: Row) -> Verdict:
    """Usable, but not clean."""
    return Verdict.DEGRADED


_NO_NUMBER = 1e18
"""Beyond it, a number stands for "none" or "no limit"."""


def _plain(number: float) -> float | None:
    return float(number) if abs(number) < _NO_NUMBER else None


@lru_cache(maxsize=8192)
def _check(
    expectation: str,
    held: bool,
    severity: Verdict,
    observed: str,
    allowed: str,
    number: float | None,
    limit: float | None,
    offending: tuple[UtcDatetime, ...],
) -> Check:
    """A check; most series of a fleet share theirs, so equal ones are one object."""
    return Check(
        expectation=expectation,
        held=held,
        severity=severity,
        observed=observed,
        allowed=allowed,
        number=number,
        limit=limit,
        offending=offending,
    )


def _none(what: str) -> Callable[[Row, float], str]:
    return lambda row, limit: words.points(0, what)


def _seconds_of(what: str) -> Callable[[Row, float], str]:
    return lambda row, limit: f"at most {words.seconds(limit)} {what}"


def _allowed_range(row: Row, limit: float) -> str:
    return f"{row['low']:g} to {row['high']:g}"


def _allowed_standing(row: Row, limit: float) -> str:
    if row["standing_allowed"] > _NO_NUMBER:
        return "any number, until it is known that the value moves"
    return f"at most {words.points(row['standing_allowed'], 'in a row with the same value')}"


def _source_severity(row: Row) -> Verdict:
    partial = row["source"] == Completeness.PARTIAL.value and row["announced"] == row["points"]
    return Verdict.DEGRADED if partial else Verdict.FAIL


def _unless_covered(column: str) -> Callable[[Row], Verdict]:
    """Degraded, unless the points without those in a column are too few: what is no measurement covers no period."""

    def severity(row: Row) -> Verdict:
        measured = (row["finite"] - row[column]) / row["expected"]
        return Verdict.FAIL if measured < row["min_coverage"] else Verdict.DEGRADED

    return severity


RULES: tuple[Rule, ...] = (
    Rule(
        "source",
        "untold",
        words.source,
        lambda row, limit: "complete, with every point announced",
        "The source called its answer complete, and gave as many points as it said.",
        severity=_source_severity,
        mildest=Verdict.DEGRADED,
    ),
    Rule(
        "order",
        "out_of_order",
        words.counted("out_of_order", "older than the one before"),
        _none("out of order"),
        "No point is older than the one before it.",
    ),
    Rule(
        "duplicates",
        "duplicates",
        words.counted("duplicates", "in a period that has one already"),
        lambda row, limit: f"1 point in each period of {row['period_seconds']} s",
        "No period has two points.",
    ),
    Rule(
        "nulls",
        "null_share",
        words.nulls,
        lambda row, limit: f"at most {limit:.1%} of the points",
        "At most {limit} of the points (a share) have no value or no time.",
        bound=lambda policy, metric: policy.quality_of(metric).max_nulls,
        keys=("max_nulls",),
        severity=degraded,
        mildest=Verdict.DEGRADED,
    ),
    Rule(
        "finite",
        "infinite",
        words.counted("infinite", "infinite"),
        _none("infinite"),
        "No point is infinite.",
    ),
    Rule(
        "window",
        "outside",
        words.counted("outside", "from before the window"),
        _none("outside the window"),
        "No point is from before the window that was asked for.",
    ),
    Rule(
        "settle",
        "unsettled",
        words.counted("unsettled", "from after the window's end, where values still change"),
        _none("after the window's end"),
        "No point is from after the window's end, where values may still change.",
    ),
    Rule(
        "future",
        "future",
        words.counted("future", "in the future"),
        lambda row, limit: f"at most {row['period_seconds']} s (one period) after the pull",
        "No point is more than one period later than the pull.",
    ),
    Rule(
        "freshness",
        "age_seconds",
        words.age,
        _seconds_of("old"),
        "The newest point is at most {limit} seconds old at the pull.",
        bound=lambda policy, metric: policy.max_age_of(metric).total_seconds(),
        keys=("max_age",),
    ),
    Rule(
        "coverage",
        "coverage",
        words.coverage,
        lambda row, limit: f"at least {limit:.1%} of the periods (below {row['min_coverage']:.1%} it fails)",
        "At least {limit} of the window's periods (a share) have a point.",
        bound=lambda policy, metric: policy.quality_of(metric).full_coverage,
        side="least",
        keys=("full_coverage", "min_coverage"),
        severity=lambda row: Verdict.FAIL if row["coverage"] < row["min_coverage"] else Verdict.DEGRADED,
        mildest=Verdict.DEGRADED,
    ),
    Rule(
        "gap",
        "gap_seconds",
        words.gap,
        _seconds_of("without a point"),
        "No two points in a row have more than {limit} seconds without a point between them.",
        bound=lambda policy, metric: policy.max_gap_of(metric).total_seconds(),
        keys=("max_gap", "max_age"),
        severity=degraded,
        mildest=Verdict.DEGRADED,
    ),
    Rule(
        "range",
        "beyond",
        words.value_range,
        _allowed_range,
        "Every point lies between the lowest and the highest value there can be.",
        bound=lambda policy, metric: None if policy.quality_of(metric).between is None else 0.0,
        keys=("between",),
    ),
    Rule(
        "sign",
        "negatives",
        words.sign,
        lambda row, limit: "0 points below zero; where there are such, signed: true or between: says so",
        "No point is negative, where nobody said that there are such.",
        bound=lambda policy, metric: None if policy.quality_of(metric).floor is None else 0.0,
        keys=("signed", "between"),
        severity=_unless_covered("negatives"),
        mildest=Verdict.DEGRADED,
    ),
    Rule(
        "codes",
        "codes",
        words.codes,
        lambda row, limit: "0 points an error code",
        "No point is a number that means that nothing was measured.",
        bound=lambda policy, metric: None if policy.quality_of(metric).error_codes is False else 0.0,
        keys=("error_codes",),
        severity=_unless_covered("codes"),
        mildest=Verdict.DEGRADED,
    ),
    Rule(
        "zero_guard",
        "guarded_zeros",
        words.zeros,
        lambda row, limit: "0 points zero",
        "No point is zero, where zero is how an outage reads.",
        bound=lambda policy, metric: None if policy.quality_of(metric).zero_guard is False else 0.0,
        keys=("zero_guard",),
        severity=lambda row: Verdict.FAIL if row["zeros"] == row["finite"] else Verdict.DEGRADED,
        mildest=Verdict.DEGRADED,
    ),
    Rule(
        "newest_spike",
        "newest_times",
        words.newest_spike,
        lambda row, limit: f"the newest point alone at most {limit:g}x above or below the median",
        "The newest point is not alone {limit} times above or below the median of its window.",
        bound=lambda policy, metric: policy.quality_of(metric).newest_spike,
        keys=("newest_spike",),
        severity=degraded,
        mildest=Verdict.DEGRADED,
    ),
    Rule(
        "spikes",
        "wild",
        words.wild,
        lambda row, limit: "no point as far from the median as max_spike",
        "No lone point is max_spike times above the median of its window, and none as many times below it.",
        bound=lambda policy, metric: None if policy.quality_of(metric).max_spike is None else 0.0,
        keys=("max_spike",),
        severity=degraded,
        mildest=Verdict.DEGRADED,
    ),
    Rule(
        "stuck",
        "standing_judged",
        words.standing,
        _allowed_standing,
        "The newest points do not stand still longer than they ever did.",
        bound=lambda policy, metric: policy.quality_of(metric).stuck_after,
        limit="standing_allowed",
        keys=("stuck_after",),
        severity=degraded,
        mildest=Verdict.DEGRADED,
    ),
    Rule(
        "fall",
        "fell_times",
        words.fell,
        lambda row, limit: f"at most {limit:g}x below the last accepted median",
        "The median is at most {limit} times below that of the last accepted batch.",
        bound=lambda policy, metric: policy.quality_of(metric).max_fall,
        keys=("max_fall", "history_for"),
        severity=degraded,
        mildest=Verdict.DEGRADED,
    ),
    Rule(
        "rise",
        "rose_times",
        words.rose,
        lambda row, limit: f"at most {limit:g}x above the last accepted median",
        "The median is at most {limit} times above that of the last accepted batch.",
        bound=lambda policy, metric: policy.quality_of(metric).max_rise,
        keys=("max_rise", "history_for"),
        severity=degraded,
        mildest=Verdict.DEGRADED,
    ),
)
"""Every check of a series, in the order reports show them."""


def bounds_of(policy: Policy, metrics: tuple[str, ...]) -> Mapping[str, Mapping[str, float]]:
    """By rule and metric: the limit; a metric for which the rule is off is left out."""
    limits = {rule.name: {metric: rule.bound(policy, metric) for metric in metrics} for rule in RULES}
    return {
        name: {metric: limit for metric, limit in of_rule.items() if limit is not None}
        for name, of_rule in limits.items()
    }
