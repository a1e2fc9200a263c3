"""The parts of a batch's page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from setpoint.evidence.address import dag_from_page, run_from_page
from setpoint.evidence.case import MOST_REASONS, reasons_of
from setpoint.evidence.html import Html, element, joined
from setpoint.evidence.rates import PassRates
from setpoint.evidence.view import document
from setpoint.model import Check, Decision, MetricBatch, QualityReport, SeriesQuality, Verdict
from setpoint.model.base import Value

MOST_SERIES = 100
"""Series in the table of those that did not pass."""
MOST_DECISIONS = 20
"""Decisions that are shown; ``setpoint explain`` has all."""


class Subject(Value):
    """What a page is about, apart from the batch and the report."""

    run_id: str
    """The ledger's id of the run."""
    quarantined: bool
    decisions: tuple[Decision, ...] = ()
    """What was decided on the batch."""
    policy_changed: bool = False
    """The policy is another one than the one the report was made with."""
    differs: tuple[str, ...] = ()
    """Where the documents, made for this page, say otherwise than the report that was acted on."""
    gone: str | None = None
    """Why there is no file of the batch any more; ``None`` when it is there."""


class Asked(Value):
    """What an expectation asks for."""

    means: str
    """A sentence, with the limits of the policy."""
    keys: tuple[str, ...]
    """The keys of the policy's ``quality`` section that set the limit."""


def verdict(found: Verdict) -> Html:
    """A verdict in its colour."""
    return element("span", found.value, class_=found.value)


def definitions(**entries: object) -> Html:
    """Names and what they stand for; an underscore in a name is a space."""
    pairs = [(element("dt", name.replace("_", " ")), element("dd", entry)) for name, entry in entries.items()]
    return element("dl", *pairs)


def short(text: str, class_: str = "") -> Html:
    """Text of ours that is not broken into lines."""
    return element("span", text, class_=f"short {class_}".strip())


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> Html:
    """A table with a head; cells that are no :class:`Html` are escaped."""
    return element(
        "table",
        element("thead", element("tr", *(element("th", one) for one in head))),
        element("tbody", *(element("tr", *(element("td", cell) for cell in row)) for row in rows)),
    )


def head(subject: Subject, batch: MetricBatch, report: QualityReport) -> Html:
    """The verdict, and in a sentence what it meant."""
    where = "gone" if subject.gone is not None else "in quarantine" if subject.quarantined else "not in quarantine"
    return element(
        "header",
        element("h1", f"Batch of {batch.policy}: ", verdict(report.verdict), element("small", f" {where}")),
        element("p", _meaning(report.verdict, subject.decisions)),
        element("p", subject.gone, class_="doubtful") if subject.gone is not None else None,
        class_=f"verdict {report.verdict.value}",
    )


def _meaning(found: Verdict, decisions: Sequence[Decision]) -> str:
    trusted = {
        Verdict.PASS: "These numbers can be trusted: every expectation was kept",
        Verdict.DEGRADED: "Some of these numbers are doubtful, and were not enough to take anything away",
        Verdict.FAIL: "Some of these numbers cannot be trusted, and were not acted on",
    }[found]
    if not decisions:
        return f"{trusted}. Nothing was decided on them."
    changed = sum(one.action.changes for one in decisions)
    if changed:
        return f"{trusted}. Of {len(decisions)} targets {changed} were to change, on numbers that could be trusted."
    return f"{trusted}. Nothing was changed."


def about(subject: Subject, batch: MetricBatch, report: QualityReport) -> Html:
    """What the batch is, and where to go on."""
    run = subject.run_id.partition("/")[2]
    return definitions(
        batch=element("code", batch.batch_id),
        pulled=f"{batch.pulled_at:%F %T} UTC",
        window=f"{batch.window.start:%F %T} to {batch.window.end:%F %T} UTC",
        content=f"{batch.rows} points of {len(batch.series)} series for {len(batch.targets)} targets",
        judged=f"{report.judged_at:%F %T} UTC in {report.seconds:.3f} s by {report.suite}",
        in_Airflow=joined(
            element("a", "the run", href=run_from_page(batch.policy, run)),
            " of ",
            element("a", f"setpoint.{batch.policy}", href=dag_from_page(batch.policy)),
        ),
        in_the_ledger=element("code", f"setpoint explain '{subject.run_id}'"),
        judge_it_again=element("code", f"setpoint batch replay {batch.batch_id[:12]}"),
    )


def why(report: QualityReport) -> Html:
    """The first reasons, a sentence each."""
    reasons = reasons_of(report)
    if not reasons:
        return joined(element("h2", "Why"), element("p", "Every expectation was kept."))
    cut = element("p", f"These are the first {MOST_REASONS}.", class_="note") if len(reasons) == MOST_REASONS else None
    return joined(element("h2", "Why"), element("ul", *(element("li", one) for one in reasons)), cut)


def decided(subject: Subject) -> Html:
    """What was decided about the targets, those with the worst numbers first."""
    if not subject.decisions:
        return joined()
    counts = Counter(one.action.value for one in subject.decisions)
    summary = ", ".join(f"{count} {action}" for action, count in counts.most_common())
    worst = sorted(subject.decisions, key=lambda one: (-one.quality.severity, not one.action.changes))
    rows = [
        (one.target, short(one.action.value), short(_units(one)), one.reasons[0].text) for one in worst[:MOST_DECISIONS]
    ]
    left = len(worst) - MOST_DECISIONS
    return joined(
        element("h2", f"What was decided: {summary}"),
        table(("target", "decision", "units", "why"), rows),
        element("p", f"and {left} more, in the ledger", class_="note") if left > 0 else None,
    )


def _units(decision: Decision) -> str:
    if decision.from_units is None:
        return "not known"
    return f"{decision.from_units} → {decision.to_units}" if decision.action.changes else f"{decision.from_units}"


def plots(drawn: Sequence[Html], unplotted: int, found: Verdict) -> Html:
    """The plots, with what their marks mean."""
    if not drawn:
        return joined()
    legend = [
        element("span", element("span", class_=f"key {kind}"), words, class_="short")
        for kind, words in (("ring", "broke a check"), ("hole", "no point came"), ("dash", "the limits of the policy"))
    ]
    more = element("p", f"{unplotted} more series did not pass.", class_="note") if unplotted else None
    title = "Plots" if found is Verdict.PASS else "The series that did not pass"
    return joined(
        element("h2", title), element("p", *legend, class_="note keys"), element("div", *drawn, class_="plots"), more
    )


def expectations(rates: PassRates, asked: Mapping[str, Asked]) -> Html:
    """Which expectations some series broke, what they ask for, and which keys of the policy set their limits."""
    broken = sorted((one for one in rates.by_expectation.items() if one[1] < 1), key=lambda one: one[1])
    kept = [name for name, share in rates.by_expectation.items() if share == 1]
    if not rates.by_expectation:
        return joined()
    rows = [_asked_row(name, share, asked.get(name)) for name, share in broken]
    shown = table(("broken", "what it asks for", f"kept by, of {rates.series} series", "set by"), rows)
    return joined(
        element("h2", "Expectations"),
        shown if rows else None,
        element("p", element("span", "Kept by all: ", class_="held"), ", ".join(kept)) if kept else None,
    )


def _asked_row(name: str, share: float, asked: Asked | None) -> tuple[object, ...]:
    keys = ", ".join(f"quality.{one}" for one in asked.keys) if asked is not None else ""
    return (
        short(name, "broken"),
        asked.means if asked is not None else "",
        f"{share:.1%}",
        element("code", keys) if keys else "",
    )


def series(report: QualityReport) -> Html:
    """Every series that broke a check, with the numbers beside their limits."""
    wrong = sorted((one for one in report.series if one.broken), key=lambda one: -one.verdict.severity)
    if not wrong:
        return joined()
    more = element("p", f"and {len(wrong) - MOST_SERIES} more", class_="note") if len(wrong) > MOST_SERIES else None
    rows = [_series_row(one) for one in wrong[:MOST_SERIES]]
    shown = table(("target", "metric", "verdict", "what broke"), rows)
    return joined(element("h2", f"Series that did not keep all: {len(wrong)} of {len(report.series)}"), shown, more)


def _series_row(one: SeriesQuality) -> tuple[object, ...]:
    # Each check's words stand in a line of their own, however long they are.
    told = element("ul", *(element("li", _check_words(check)) for check in one.broken))
    return (one.target, one.metric, verdict(one.verdict), told)


def _check_words(check: Check) -> Html:
    return joined(short(check.expectation, "broken"), f": {check.observed}; allowed: {check.allowed}")


def data_docs(
    subject: Subject, report: QualityReport, validation: Mapping[str, Any] | None, suite: Mapping[str, Any] | None
) -> Html:
    """Great Expectations' own documents, with where they say otherwise than the report that was acted on."""
    if validation is None:
        problem = "The batch's file could not be judged as a whole, so no expectation was evaluated on it."
        gone = "They went with the batch's file; the numbers above are from the ledger."
        return joined(
            element("h2", "Great Expectations Data Docs"), element("p", problem if subject.gone is None else gone)
        )
    notes = []
    if subject.policy_changed:
        notes.append("The policy was changed after the batch was judged; these documents are of the policy of today.")
    if subject.differs:
        notes.append("They differ from the report that was acted on: " + "; ".join(subject.differs))
    return joined(
        element("h2", f"Great Expectations: validation result of {report.suite}"),
        *(element("p", one, class_="doubtful") for one in notes),
        document(validation),
        element("details", element("summary", f"The suite {report.suite}"), document(suite)) if suite else None,
    )


def files(batch: MetricBatch) -> Html:
    """The batch's file."""
    return joined(
        element("h2", "Files"), definitions(batch=element("code", batch.uri), sha256=element("code", batch.sha256))
    )
