"""The page of one batch: verdict and reasons, plots, what every check found, and Great Expectations' Data Docs.

One HTML document that stands by itself: no script, no font, no picture from elsewhere. It may be served with the
strictest of policies (:data:`CONTENT_SECURITY_POLICY`), kept, and sent to somebody.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from setpoint.evidence.case import reasons_of
from setpoint.evidence.html import Html, element, joined
from setpoint.evidence.plot import STYLE as PLOT_STYLE
from setpoint.evidence.rates import PassRates
from setpoint.evidence.view import document
from setpoint.model import MetricBatch, QualityReport, SeriesQuality, Verdict
from setpoint.model.base import Value

MOST_SERIES = 100
"""Series in the table of those that did not pass."""

STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;color:#0f172a;margin:0 auto;max-width:70rem;padding:1.5rem}"
    "h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem;border-bottom:1px solid #cbd5e1}"
    "table{border-collapse:collapse;margin:.5rem 0;max-width:100%}"
    "td,th{border:1px solid #cbd5e1;padding:.25rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    "th{background:#f1f5f9;overflow-wrap:normal;white-space:nowrap}"
    "code{background:#f1f5f9;padding:.1rem .3rem;overflow-wrap:anywhere}"
    ".pass,.held{color:#15803d}.fail,.broken{color:#b91c1c}.degraded,.doubtful{color:#b45309}"
    ".pass,.fail,.degraded{font-weight:600}.note{color:#64748b}.banner{background:#f1f5f9;padding:.25rem .5rem}"
    ".badge{background:#e2e8f0;border-radius:.25rem;padding:0 .3rem}.heading{font-weight:600}"
    ".gx{border-left:3px solid #e2e8f0;padding-left:.75rem;margin:.75rem 0}"
    "summary{cursor:pointer}dt{font-weight:600}dd{margin:0 0 .25rem}" + PLOT_STYLE
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""What a browser may do for a page: show it, with its own style. There is nothing else to it."""


class Subject(Value):
    """What a page is about, apart from the batch and the report."""

    run_id: str
    """The ledger's id of the run."""
    quarantined: bool
    policy_changed: bool = False
    """The policy is another one than the one the report was made with."""
    differs: tuple[str, ...] = ()
    """Where the documents, made for this page, say otherwise than the report that was acted on."""


def page(
    subject: Subject,
    batch: MetricBatch,
    report: QualityReport,
    rates: PassRates,
    *,
    plots: Sequence[Html] = (),
    unplotted: int = 0,
    validation: Mapping[str, Any] | None = None,
    suite: Mapping[str, Any] | None = None,
) -> str:
    """The page as a document.

    :param plots: of the series that did not pass, the worst first.
    :param unplotted: how many more there would be.
    :param validation: Great Expectations' document of the result; ``None`` when the batch could not be read.
    :param suite: Great Expectations' document of the suite.
    """
    body = joined(
        _head(subject, batch, report),
        _why(report),
        _plots(plots, unplotted),
        _checks(rates),
        _series(report),
        _data_docs(subject, report, validation, suite),
        _files(batch),
    )
    return whole(f"Batch {batch.batch_id} of {batch.policy}: {report.verdict.value}", body)


def whole(title: str, body: Html) -> str:
    """An HTML document around a body, with the one style of all pages."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Html(STYLE)),
    )
    return "<!DOCTYPE html>" + element("html", head, element("body", body), lang="en")


def verdict(found: Verdict) -> Html:
    """A verdict in its colour."""
    return element("span", found.value, class_=found.value)


def definitions(**entries: object) -> Html:
    """Names and what they stand for; an underscore in a name is a space."""
    pairs = [(element("dt", name.replace("_", " ")), element("dd", entry)) for name, entry in entries.items()]
    return element("dl", *pairs)


def _head(subject: Subject, batch: MetricBatch, report: QualityReport) -> Html:
    where = "in quarantine" if subject.quarantined else "not in quarantine"
    window = f"{batch.window.start:%F %T} to {batch.window.end:%F %T} UTC"
    run = element("code", f"setpoint explain '{subject.run_id}'")
    return joined(
        element("h1", f"Batch of {batch.policy}: ", verdict(report.verdict)),
        element("p", element("code", batch.batch_id), f" {where}"),
        definitions(
            pulled=f"{batch.pulled_at:%F %T} UTC",
            window=window,
            content=f"{batch.rows} points of {len(batch.series)} series for {len(batch.targets)} targets",
            judged=f"{report.judged_at:%F %T} UTC in {report.seconds:.3f} s by {report.suite}",
            run=run,
            in_Airflow=element("a", "the Dag of the policy", href=f"/dags/setpoint.{quote(batch.policy, safe='')}"),
            again=element("code", f"setpoint batch replay {batch.batch_id[:12]}"),
        ),
    )


def _why(report: QualityReport) -> Html:
    reasons = reasons_of(report)
    if not reasons:
        return joined(element("h2", "Why"), element("p", "Every expectation was kept."))
    return joined(element("h2", "Why"), element("ul", *(element("li", one) for one in reasons)))


def _plots(plots: Sequence[Html], unplotted: int) -> Html:
    if not plots:
        return joined()
    legend = "Ringed in red: points that broke a check. Yellow: periods without a point. Dashed: what is allowed."
    more = element("p", f"{unplotted} more series did not pass.", class_="note") if unplotted else None
    return joined(element("h2", "Plots"), element("p", legend, class_="note"), *plots, more)


def _checks(rates: PassRates) -> Html:
    rows = [
        element("tr", element("td", name), element("td", f"{share:.1%}", class_="held" if share == 1 else "broken"))
        for name, share in rates.by_expectation.items()
    ]
    if not rows:
        return joined()
    head = element("tr", element("th", "expectation"), element("th", f"kept by, of {rates.series} series"))
    return joined(element("h2", "Expectations"), element("table", element("thead", head), element("tbody", *rows)))


def _series(report: QualityReport) -> Html:
    wrong = sorted((one for one in report.series if one.broken), key=lambda one: -one.verdict.severity)
    if not wrong:
        return joined()
    head = element("tr", *(element("th", one) for one in ("target", "metric", "verdict", "broken")))
    rows = [_series_row(one) for one in wrong[:MOST_SERIES]]
    more = element("p", f"and {len(wrong) - MOST_SERIES} more", class_="note") if len(wrong) > MOST_SERIES else None
    table = element("table", element("thead", head), element("tbody", *rows))
    return joined(element("h2", "Series that did not keep all"), table, more)


def _series_row(one: SeriesQuality) -> Html:
    broken = [
        element("div", f"{check.expectation}: {check.observed}; allowed: {check.allowed}") for check in one.broken
    ]
    cells = (one.target, one.metric, verdict(one.verdict), broken)
    return element("tr", *(element("td", cell) for cell in cells))


def _data_docs(
    subject: Subject, report: QualityReport, validation: Mapping[str, Any] | None, suite: Mapping[str, Any] | None
) -> Html:
    if validation is None:
        problem = "The batch's file could not be judged as a whole, so no expectation was evaluated on it."
        return joined(element("h2", "Great Expectations"), element("p", problem))
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


def _files(batch: MetricBatch) -> Html:
    return joined(
        element("h2", "Files"), definitions(batch=element("code", batch.uri), sha256=element("code", batch.sha256))
    )
