"""The demo tells the truth: an act counts only when the ledger and AWS both say that it happened."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from setpoint.cli.main import app
from setpoint.demo.acts import ACTS
from setpoint.demo.evidence import Evidence, Witness
from setpoint.demo.picture import paint
from setpoint.demo.play import Performance, Stage, Status
from setpoint.demo.view import View, draw
from setpoint.lab.world.state import FleetState
from setpoint.ledger import Ledger
from setpoint.model import Action, ChangeState, Followed, HealthVerdict, Outcome, Reason
from setpoint.stack.errors import ApiError
from setpoint.testing.values import NOW, a_change, a_decision, a_planned_change

FLASH_SALE, QUIET, BROKEN_METRICS, BAD_CHANGE = ACTS
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def evidence(**parts: Any) -> Evidence:
    """Nothing has happened, but for the given parts."""
    nothing: dict[str, Any] = {
        "decisions": (),
        "changes": (),
        "outcomes": {},
        "quarantined_batches": (),
        "pages": (),
        "desired_units_before": 4,
        "aws_desired_units": 4,
    }
    return Evidence(**(nothing | parts))


def outcome(change_id: str, verdict: HealthVerdict, followed: Followed = Followed.KEEP) -> Outcome:
    """The outcome of a change."""
    return Outcome(
        change_id=change_id,
        policy="web",
        run_id="web/1",
        target="web-1",
        verdict=verdict,
        followed=followed,
        reasons=(Reason(code="health", text="latency went from 100 to 900"),),
        recorded_at=NOW,
    )


def test_nothing_happens_by_itself() -> None:
    """Without evidence no act has happened."""
    assert [act.happened(evidence()) for act in ACTS] == [None] * len(ACTS)


@pytest.mark.parametrize(
    ("state", "verdict", "counts"),
    [
        (ChangeState.SETTLED, HealthVerdict.IMPROVED, True),
        (ChangeState.SETTLED, HealthVerdict.HEALTHY, True),
        (ChangeState.SETTLED, HealthVerdict.DEGRADED, False),
        (ChangeState.SETTLED, HealthVerdict.INCONCLUSIVE, False),
        (ChangeState.APPLIED, HealthVerdict.HEALTHY, False),
    ],
)
def test_a_scale_out_counts_when_it_settled_and_did_good(
    state: ChangeState, verdict: HealthVerdict, counts: bool
) -> None:
    """Applied is not enough, and neither is a verdict nobody would like."""
    change = a_change(state=state)
    told = FLASH_SALE.happened(
        evidence(changes=(change,), outcomes={change.change_id: outcome(change.change_id, verdict)})
    )
    assert (told is not None) is counts


def test_a_scale_out_is_not_the_quiet_act() -> None:
    """Each act wants its own direction."""
    change = a_change()
    seen = evidence(changes=(change,), outcomes={change.change_id: outcome(change.change_id, HealthVerdict.HEALTHY)})
    assert QUIET.happened(seen) is None


def test_broken_metrics_count_only_when_nothing_changed() -> None:
    """A quarantine with a capacity that moved all the same, or without a page that can be seen, is no success."""
    distrusted = a_decision().model_copy(update={"action": Action.QUARANTINE})
    seen = {
        "decisions": (distrusted,),
        "quarantined_batches": (Path("batch.parquet"),),
        "pages": ("/setpoint/batches/setpoint.web/4f0c",),
    }
    assert BROKEN_METRICS.happened(evidence(**seen)) is not None
    assert BROKEN_METRICS.happened(evidence(**seen, aws_desired_units=5)) is None
    assert BROKEN_METRICS.happened(evidence(**seen, changes=(a_change(),))) is None
    assert BROKEN_METRICS.happened(evidence(**seen | {"pages": ()})) is None
    assert BROKEN_METRICS.happened(evidence(decisions=(distrusted,))) is None


def test_a_page_counts_when_the_api_server_shows_it_with_its_batch(tmp_path: Path) -> None:
    """Not before the task has built it, and not when it is of something else; it is fetched until it is right, once."""
    batch_id, fetched = "4f" * 16, list[str]()
    folder = tmp_path / "storefront-batch" / "quarantine"
    folder.mkdir(parents=True)
    batch = folder / f"20260101T000000Z-{batch_id}.parquet"
    documents = f"<h1>{batch_id}</h1><h2>Great Expectations: validation result of setpoint</h2>"
    answers = ["Sign in", f"<h1>{batch_id}</h1>", documents, f'{documents}<svg ><circle class="marked"/></svg>']

    def page(path: str) -> str:
        fetched.append(path)
        if len(fetched) == 1:
            raise ApiError("GET", path, 503, "busy")
        return answers[len(fetched) - 2]

    class Groups:
        def describe_auto_scaling_groups(self, **asked: Any) -> dict[str, Any]:
            return {"AutoScalingGroups": [{"DesiredCapacity": 3}]}

    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        witness = Witness(
            policy="storefront-batch",
            fleet="storefront-batch",
            since=BEGAN,
            ledger=ledger,
            autoscaling=Groups(),
            batches=tmp_path,
            page=page,
        )
        batch.write_bytes(b"x")
        assert (witness.look().pages, fetched) == ((), [])
        batch.with_suffix(".page.html").write_bytes(b"x")
        seen = [witness.look().pages for _ in range(6)]
    address = f"/setpoint/batches/setpoint.storefront-batch/{batch_id}"
    assert seen == [(), (), (), (), (address,), (address,)]
    assert fetched == [address] * 5


def test_a_bad_change_counts_when_aws_is_back() -> None:
    """The rollback has to be in the ledger, and the old capacity in AWS."""
    harmful = a_change()
    back = a_change(6, 4).model_copy(update={"plan": a_planned_change("web-1", 6, 4, reverts=harmful.change_id)})
    judged = {harmful.change_id: outcome(harmful.change_id, HealthVerdict.DEGRADED, Followed.ROLL_BACK)}
    assert BAD_CHANGE.happened(evidence(changes=(harmful, back), outcomes=judged)) is not None
    assert BAD_CHANGE.happened(evidence(changes=(harmful, back), outcomes=judged, aws_desired_units=6)) is None
    assert BAD_CHANGE.happened(evidence(changes=(harmful,), outcomes=judged)) is None


def states(fleet: str) -> list[FleetState]:
    """Half a minute of a fleet."""
    capacity = {"in_service": 3, "desired": 3, "min_size": 1, "max_size": 9, "exists": True}
    return [
        FleetState.model_validate(
            {
                "fleet": fleet,
                "time": BEGAN.timestamp() + second,
                "rps": 100.0 + second,
                "capacity": capacity,
                "cpu_percent": 50.0,
                "latency_p95_ms": 90.0,
                "error_percent": 0.0,
            }
        )
        for second in range(30)
    ]


def stage() -> Stage:
    """A stage with numbers, and with text from outside that would like to be more than text."""
    made = Stage([Performance(act) for act in ACTS], BEGAN)
    made.performances[0].status, made.performances[0].evidence = Status.HAPPENED, "[red]3 → 6[/red]"
    made.history = {act.fleet: states(act.fleet) for act in ACTS}
    made.tell("web: hold: [bold]{{ 7 * 7 }}[/bold]")
    return made


def test_the_view_shows_text_from_outside_as_text() -> None:
    """Markup in a reason is shown to the letter, on a wide and on a narrow terminal."""
    for width in (80, 200):
        console = Console(file=io.StringIO(), width=width, height=60, force_terminal=True, color_system=None)
        console.print(View(stage(), console, [("Airflow", "http://127.0.0.1:8080")]))
        shown = console.file.getvalue()  # type: ignore[attr-defined]
        assert "[bold]{{ 7 * 7 }}[/bold]" in shown
        assert "[red]3 → 6[/red]" in shown


def test_the_plot_has_load_and_capacity() -> None:
    """Both curves are named in the plot."""
    drawn = draw(states("web"), 60, 11)
    assert "requests/s" in drawn
    assert "in service" in drawn


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    """Load, capacity, decisions and health of every fleet, as a picture."""
    row = {
        "target": ACTS[0].fleet,
        "at": NOW.isoformat(),
        "action": "scale_out",
        "from": 3,
        "to": 6,
        "health": "improved",
    }
    path = tmp_path / "deep" / "demo.png"
    paint(stage(), [row], path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_folder_that_is_not_the_demos_is_left_alone(tmp_path: Path) -> None:
    """The demo empties its home at the start, so it refuses one with somebody's files in it."""
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    answer = CliRunner().invoke(app, ["demo", "--exit", "--home", str(tmp_path)])
    assert answer.exit_code == 2
    assert "not empty" in answer.output
    assert precious.read_text() == "mine"


def test_every_act_is_about_an_example_policy() -> None:
    """The scenario and the policies it plays with belong together."""
    policies = {path.stem for path in (Path(__file__).parents[2] / "include" / "policies").glob("*.yaml")}
    assert {act.policy for act in ACTS} <= policies
