"""The page of one batch: verdict and reasons, plots, what every check found, and Great Expectations' Data Docs.

One HTML document that stands by itself: no script, no font, no picture from elsewhere. It may be served with the
strictest of policies (:func:`content_security_policy`), kept, and sent to somebody.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from setpoint.evidence import sections
from setpoint.evidence.html import Html, element, joined
from setpoint.evidence.plot import STYLE as PLOT_STYLE
from setpoint.evidence.rates import PassRates
from setpoint.evidence.sections import Asked, Subject
from setpoint.model import MetricBatch, QualityReport

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;color:#0f172a;margin:0 auto;max-width:76rem;padding:1.5rem}"
    "h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2.25rem 0 .5rem;border-bottom:1px solid #cbd5e1}"
    "table{border-collapse:collapse;margin:.5rem 0;max-width:100%}"
    "td,th{border:1px solid #cbd5e1;padding:.25rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    "th{background:#f1f5f9;overflow-wrap:normal;white-space:nowrap}"
    "code{background:#f1f5f9;padding:.1rem .3rem;overflow-wrap:anywhere}a{color:#1d4ed8}"
    ".verdict{border-left:6px solid;border-radius:.25rem;padding:.75rem 1rem;background:#f8fafc}"
    ".verdict h1,.verdict p{color:#0f172a}.verdict p{margin:.25rem 0 0;font-weight:400}"
    ".verdict small{color:#64748b;font-size:.9rem;font-weight:400}.short{white-space:nowrap}"
    "nav{display:flex;flex-wrap:wrap;gap:.1rem 1rem;margin:.75rem 0}section{overflow-x:auto}"
    "dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.15rem 1rem;margin:1rem 0}"
    "dt{color:#64748b}dd{margin:0;overflow-wrap:anywhere}"
    ".pass,.held{color:#15803d}.fail,.broken{color:#b91c1c}.degraded,.doubtful{color:#b45309}"
    ".pass,.fail,.degraded{font-weight:600}.note{color:#64748b}.banner{background:#f1f5f9;padding:.25rem .5rem}"
    ".badge{background:#e2e8f0;border-radius:.25rem;padding:0 .3rem}.heading{font-weight:600}"
    ".gx{border-left:3px solid #e2e8f0;padding-left:.75rem;margin:.75rem 0}"
    ".key{display:inline-block;width:.75rem;height:.75rem;margin:0 .35rem 0 0;vertical-align:-.05rem}"
    ".ring{border:2px solid #dc2626;border-radius:50%;box-sizing:border-box}.hole{background:#fde68a}"
    ".dash{border-top:2px dashed #b45309;height:0;vertical-align:.3rem}"
    ".plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(30rem,100%),1fr));gap:.5rem 1rem}"
    "td ul{margin:0;padding-left:1.1rem}section>table td:last-child{min-width:12rem}.keys>span{margin-right:1rem}"
    "summary{cursor:pointer}" + PLOT_STYLE
)

_STYLE_ELEMENT = re.compile(rb"<head>(?:(?!</head>).)*?<style>(.*?)</style>", re.DOTALL)
_HEAD_BYTES = 100_000


def content_security_policy(document: str | bytes = b"") -> str:
    """What a browser may do for a page: show it, with its own style. There is nothing else to it.

    :param document: a page that was made by :func:`whole`, now or by an earlier version with another style.
    """
    head = (document.encode() if isinstance(document, str) else document)[:_HEAD_BYTES]
    found = _STYLE_ELEMENT.search(head)
    style = STYLE.encode() if found is None else found[1]
    digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )


def page(
    subject: Subject,
    batch: MetricBatch,
    report: QualityReport,
    rates: PassRates,
    *,
    asked: Mapping[str, Asked] | None = None,
    plots: Sequence[Html] = (),
    unplotted: int = 0,
    validation: Mapping[str, Any] | None = None,
    suite: Mapping[str, Any] | None = None,
) -> str:
    """The page as a document.

    :param asked: what the expectations that some series broke ask for.
    :param plots: of the series that did not pass, the worst first.
    :param unplotted: how many more there would be.
    :param validation: Great Expectations' document of the result; ``None`` when the batch could not be read.
    :param suite: Great Expectations' document of the suite.
    """
    parts = {
        "Why": sections.why(report),
        "Plots": sections.plots(plots, unplotted, report.verdict),
        "Decided": sections.decided(subject),
        "Expectations": sections.expectations(rates, asked or {}),
        "Series": sections.series(report),
        "Great Expectations": sections.data_docs(subject, report, validation, suite),
        "Files": sections.files(batch),
    }
    there = {name: (f"part-{number}", part) for number, (name, part) in enumerate(parts.items()) if part}
    body = joined(
        sections.head(subject, batch, report),
        element(
            "nav",
            *(element("a", name, href=f"#{anchor}") for name, (anchor, _) in there.items()),
            element("a", f"all batches of {batch.policy}", href="./"),
        ),
        sections.about(subject, batch, report),
        *(element("section", part, id=anchor) for anchor, part in there.values()),
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
