"""Lists of batches, as pages; every address in them is relative, because a proxy may have Airflow below a path."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import structlog

from setpoint.evidence.html import Html, element, joined
from setpoint.evidence.page import whole
from setpoint.evidence.sections import short, table
from setpoint.evidence.shelf import Shelved
from setpoint.sources.batches import BatchError

log = structlog.get_logger("setpoint.pages")

MOST_LISTED = 200
MOST_TOLD = 50
"""Batches of a list, the newest, whose first reason is told."""


def quarantine_list(found: Sequence[Shelved], dag_ids: Sequence[str]) -> str:
    """What lies in quarantine, newest first.

    :param dag_ids: the policies' Dags whose batches may be looked at.
    """
    rows = [
        (
            _when(one),
            element("a", one.policy, href=f"{_segment(one)}/"),
            element("a", short(one.batch_id[:12]), href=f"{_segment(one)}/{one.batch_id}"),
            _why(one) if place < MOST_TOLD else "",
        )
        for place, one in enumerate(found[:MOST_LISTED])
    ]
    shown = table(("pulled (UTC)", "policy", "batch", "why"), rows) if rows else element("p", "No batch lies here.")
    policies = [element("li", element("a", one, href=f"{quote(one, safe='')}/")) for one in sorted(dag_ids)]
    others = (
        joined(element("h2", "All batches of a policy"), element("ul", *policies[:MOST_LISTED])) if policies else ""
    )
    return whole(
        "Quarantine",
        joined(element("h1", "Quarantine"), element("section", shown), _left(found), others if policies else None),
    )


def policy_list(policy: str, found: Sequence[Shelved]) -> str:
    """A policy's batches, newest first: those in quarantine and those that passed."""
    rows = [
        (
            _when(one),
            element("a", short(one.batch_id[:12]), href=one.batch_id),
            short("in quarantine", "broken") if one.quarantined else "",
            _why(one) if place < MOST_TOLD else "",
        )
        for place, one in enumerate(found[:MOST_LISTED])
    ]
    shown = table(("pulled (UTC)", "batch", "", "why"), rows) if rows else element("p", "No batch lies here.")
    title = f"Batches of {policy}"
    back = element("nav", element("a", "quarantine of all policies", href="../"))
    return whole(title, joined(element("h1", title), back, element("section", shown), _left(found)))


def _segment(one: Shelved) -> str:
    return f"setpoint.{quote(one.policy, safe='')}"


def _when(one: Shelved) -> Html:
    return short(f"{one.pulled_at:%F %T}")


def _why(one: Shelved) -> str:
    try:
        return one.why()
    except BatchError as error:  # one case that was altered must not hide all others
        log.error("a batch's case cannot be read", batch=one.batch_id, error=str(error))
        return "its case cannot be read"


def _left(found: Sequence[Shelved]) -> Html | None:
    left = len(found) - MOST_LISTED
    return element("p", f"and {left} older ones", class_="note") if left > 0 else None
