"""What a failing batch leaves behind, through the real Dag."""

from __future__ import annotations

from typing import Any

from setpoint.evidence.replay import replay
from setpoint.evidence.shelf import find
from setpoint.model import Action, Verdict
from setpoint.policy.loader import load_policy
from setpoint.settings import load_settings
from setpoint.sources.batches import BatchStore


def shelved(fleet: Any, run: str) -> Any:
    """The run's batch on the shelf."""
    batch = fleet.ledger.batch_of(run)
    (found,) = find(BatchStore(load_settings().data / "batches"), batch.batch_id)
    return found


def test_a_failing_batch_is_kept_with_its_case_its_report_and_its_page(fleet: Any) -> None:
    """Nothing but zeros: whoever looks later finds the points, the reasons, the run and the decisions."""
    fleet.cpu = 0
    fleet.live()
    run = fleet.run()

    kept = shelved(fleet, run)
    assert (kept.quarantined, set(kept.paths)) == (True, {"parquet", "report.json", "case.json", "page.html"})
    case, report = kept.case(), kept.report()
    assert (case.run_id, case.batch) == (run, fleet.ledger.batch_of(run))
    assert report == fleet.ledger.report_of(run)
    assert any("zero" in one for one in case.why)
    assert [one.action for one in case.decisions] == [Action.QUARANTINE]
    page = kept.page().decode()
    assert case.batch.batch_id in page
    assert "Great Expectations: validation result" in page
    assert "differ from the report" not in page
    assert page.count('class="marked"') > 5

    policy = load_policy(fleet.policies / f"{fleet.name}.yaml").policy
    again = case.model_copy(update={"batch": case.batch.model_copy(update={"uri": str(kept.paths["parquet"])})})
    told = replay(again, report, policy, BatchStore(load_settings().data / "batches"), report.judged_at)
    assert (told.differs, told.policy_changed) == ((), False)


def test_a_batch_whose_health_metric_fails_is_kept_although_the_fleet_goes_on(fleet: Any) -> None:
    """No decision is about latency, so the fleet is held as usual; the batch is put aside when the run is closed."""
    cpu = {"max_age": "10s", "min_coverage": 0.6, "full_coverage": 0.7, "between": [0, 100]}
    latency = {"max_age": "10s", "min_coverage": 0.3, "full_coverage": 0.3, "between": [0, 50]}
    fleet.policy(quality={"cpu": cpu, "latency": latency})
    fleet.live()
    run = fleet.run()

    (decision,) = fleet.ledger.decisions_of(run)
    assert (decision.action, decision.quality) == (Action.HOLD, Verdict.PASS)
    assert fleet.task_states[("quarantine", -1)] == "skipped"
    kept = shelved(fleet, run)
    assert (kept.quarantined, "page.html" in kept.paths) == (True, True)
    assert all("latency" in one for one in kept.case().why)


def test_a_batch_that_passed_leaves_no_more_than_its_points(fleet: Any) -> None:
    """No page is built on the way."""
    fleet.live()
    kept = shelved(fleet, fleet.run())
    assert (kept.quarantined, set(kept.paths)) == (False, {"parquet"})
