"""Building the page of one batch, from the batch, the report that was acted on, and the policy.

Great Expectations is imported when a page is built, which takes seconds where it is not loaded yet; nothing on the way
from an event to a decision builds one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from setpoint.evidence.case import Case, policy_digest
from setpoint.evidence.page import page
from setpoint.evidence.rates import pass_rates
from setpoint.evidence.sections import Asked, Subject
from setpoint.model import MetricBatch, QualityReport
from setpoint.policy.schema import Policy
from setpoint.quality.rules import RULES
from setpoint.sources.batches import BatchError, BatchStore

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_MOST_DIFFERENCES = 5


def build_page(store: BatchStore, case: Case, report: QualityReport, policy: Policy, *, quarantined: bool) -> str:
    """The page of a batch.

    The gate's suite is run once more over the stored batch, which gives the same result, because ages are taken at the
    pull; where it does not, because the policy was changed since, the page says what differs.

    :param case: its batch's ``uri`` names the file to read.
    :param policy: the policy of today.
    :raises GateError: Great Expectations could not evaluate an expectation.
    """
    batch = case.batch
    expectations = [rule.name for rule in RULES]
    rates = pass_rates(report, expectations)
    subject = Subject(
        run_id=case.run_id,
        quarantined=quarantined,
        decisions=case.decisions,
        policy_changed=case.policy_digest is not None and case.policy_digest != policy_digest(policy),
    )
    frame = _readable(store, batch)
    if frame is None or report.frame_problems:
        return page(subject, batch, report, rates)
    from setpoint.evidence.data_docs import suite_document, validation_document
    from setpoint.evidence.marks import MOST_PLOTS, plots_of, worst_series
    from setpoint.evidence.validated import validated

    suite, result, again = validated(frame, batch, policy, report.judged_at, case.history)
    document = None
    if result is not None:
        asset = f"batch {batch.batch_id} of {batch.policy}"
        document = validation_document(result, asset=asset, run_name=case.run_id, run_time=report.judged_at)
    return page(
        subject.model_copy(update={"differs": differences(report, again)[:_MOST_DIFFERENCES]}),
        batch,
        report,
        rates,
        asked=asked_of(report, policy),
        plots=plots_of(frame, batch, report, policy),
        unplotted=max(0, len(worst_series(report)) - MOST_PLOTS),
        validation=document,
        suite=None if suite is None else suite_document(suite),
    )


def gone_page(case: Case, report: QualityReport, why: str) -> str:
    """The page of a batch whose file is not there any more: what the ledger has of it.

    :param why: a sentence on where the file went.
    """
    subject = Subject(run_id=case.run_id, quarantined=False, decisions=case.decisions, gone=why)
    return page(subject, case.batch, report, pass_rates(report, [rule.name for rule in RULES]))


def asked_of(report: QualityReport, policy: Policy) -> dict[str, Asked]:
    """What the broken expectations ask for, each with the limits of the metrics that broke it."""
    metrics: dict[str, set[str]] = {}
    for one in report.series:
        for check in one.broken:
            metrics.setdefault(check.expectation, set()).add(one.metric)
    found = {}
    for rule in RULES:
        known = sorted(metrics.get(rule.name, set()) & set(policy.metrics))
        limits = sorted({limit for limit in (rule.bound(policy, one) for one in known) if limit is not None})
        if limits:
            means = rule.means.format(limit=" or ".join(f"{one:g}" for one in limits))
            found[rule.name] = Asked(means=means, keys=rule.keys)
    return found


def keep_page(store: BatchStore, batch: MetricBatch, document: str, *, quarantined: bool) -> Path:
    """Keep a page beside its batch, where the batch's retention finds it.

    :raises BatchError: it cannot be written.
    """
    return store.keep_beside(batch, "page.html", document.encode(), quarantined=quarantined)


def differences(then: QualityReport, now: QualityReport) -> tuple[str, ...]:
    """Where two reports on one batch differ, a sentence a series; verdicts first, then which expectations broke."""
    told = [] if then.verdict is now.verdict else [f"the verdict was {then.verdict.value}, now {now.verdict.value}"]
    told += [f"new: {one}" for one in now.frame_problems if one not in then.frame_problems]
    told += [f"no more: {one}" for one in then.frame_problems if one not in now.frame_problems]
    before = {(one.target, one.metric): one for one in then.series}
    after = {(one.target, one.metric): one for one in now.series}
    for key in dict.fromkeys([*before, *after]):
        old, new, name = before.get(key), after.get(key), f"{key[0]} {key[1]}"
        if old is None or new is None:
            told.append(f"{name}: judged only {'then' if new is None else 'now'}")
            continue
        words = [] if old.verdict is new.verdict else [f"{old.verdict.value}, now {new.verdict.value}"]
        broke, breaks = ({check.expectation for check in one.broken} for one in (old, new))
        words += [f"{one} broken only then" for one in sorted(broke - breaks)]
        words += [f"{one} broken only now" for one in sorted(breaks - broke)]
        if words:
            told.append(f"{name}: {', '.join(words)}")
    return tuple(told)


def _readable(store: BatchStore, batch: MetricBatch) -> pd.DataFrame | None:
    try:
        return store.read(batch)
    except BatchError:
        return None  # the report says so too: it is why the batch failed, or the file was pruned since
