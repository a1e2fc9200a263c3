"""What a person sees: the real UI of the real Airflow, in Chromium."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "pages"))
from pages_browser import chromium_page

from setpoint.lab.faults import FaultKind
from setpoint.model import Action

pytestmark = [pytest.mark.live, pytest.mark.browser]


@pytest.fixture(scope="module", autouse=True)
def zeros(live: Any) -> Iterator[None]:
    """Monitoring of one fleet reads zeros; from the start, so that its window is full of them when a test looks."""
    live.lab.client.fault(FaultKind.ZEROS, "zeros")
    yield
    live.lab.client.remove_faults(fleet="zeros")


@pytest.fixture(scope="module")
def page(live: Any) -> Iterator[Any]:
    """A page of a browser on Airflow's UI."""
    with chromium_page(live.stack.settings.api_url) as page:
        yield page


def picture(page: Any, name: str, tmp_path: Path) -> None:
    """Keep a picture, for whoever looks into a failure."""
    page.screenshot(path=tmp_path / f"{name}.png")


def test_the_graph_reads_like_the_sentence(live: Any, page: Any, tmp_path: Path) -> None:
    """Every step of the design's sentence stands in the Dag's graph."""
    page.goto("/dags/setpoint.alarm")
    page.get_by_label(re.compile("Show Graph")).first.click()
    for step in ("take_events", "pull_metrics", "validate", "aggregate", "decide", "hold", "quarantine", "scale_out"):
        page.get_by_text(step, exact=False).first.wait_for()
    picture(page, "graph", tmp_path)


def test_a_person_fills_the_trigger_form_in(live: Any, page: Any, tmp_path: Path) -> None:
    """The form names each field and the limits; with one field filled in, it starts the run that was asked for."""
    page.goto("/dags/setpoint.form")
    page.get_by_label("Trigger Dag").first.click()
    for text in ("Targets", "Wanted capacity", "2 to 20", "Dry run", "Reason"):
        page.get_by_text(text, exact=False).first.wait_for()
    page.locator("[name='element_wanted_units']").first.fill("4")
    picture(page, "form", tmp_path)
    page.get_by_role("dialog").get_by_role("button", name="Trigger", exact=True).click()

    live.until(lambda: live.desired("form") == 4, "the capacity that was asked for")


def test_the_mistakes_of_a_broken_policy_are_on_the_home_page(live: Any, page: Any, tmp_path: Path) -> None:
    """The home page shows the import error; opened, it names the file, the line and the mistake."""
    live.until(live.api.import_errors, "the import error of the broken policy")
    page.goto("/")
    page.get_by_text(re.compile(r"Dag Import Error", re.IGNORECASE)).first.click()
    page.get_by_text(re.compile("setpoint_policy_problems")).first.click()
    page.get_by_text(re.compile("limits")).first.wait_for()
    picture(page, "problems", tmp_path)


def test_the_tasks_link_leads_to_the_failed_expectation_and_its_plot(live: Any, page: Any, tmp_path: Path) -> None:
    """Monitoring reads zeros: the validate task's link opens a page that shows why, and nothing on it is blocked."""

    def run_on_zeros() -> str | None:
        """A run whose window has nothing but zeros in it."""
        run_id = str(live.api.trigger("setpoint.zeros")["dag_run_id"])
        assert live.api.wait_for_run("setpoint.zeros", run_id)["state"] == "success"
        (decision,) = live.ledger.decisions_of(f"zeros/{run_id}")
        return run_id if decision.action is Action.QUARANTINE else None

    run_id = live.until(run_on_zeros, "a batch in quarantine")
    batch = live.ledger.batch_of(f"zeros/{run_id}")

    page.goto(f"/dags/setpoint.zeros/runs/{quote(run_id, safe='')}/tasks/validate/details")
    page.get_by_role("link", name="Batch page").first.click()
    page.wait_for_url(f"**/setpoint/batches/setpoint.zeros/{batch.batch_id}")
    blocked = list[str]()
    page.on("console", lambda message: blocked.append(message.text))
    page.reload()
    page.get_by_text(re.compile("zero_guard: .* points zero")).first.wait_for()
    page.get_by_text("Unsuccessful Expectations").wait_for()
    drawn = page.locator("svg.plot").first
    drawn.wait_for()
    assert drawn.bounding_box()["height"] > 100
    assert page.locator("svg .marked").count() > 0
    assert page.evaluate("getComputedStyle(document.querySelector('.fail')).fontWeight") == "600"
    assert [one for one in blocked if "favicon" not in one] == []
    page.screenshot(path=tmp_path / "batch.png", full_page=True)

    page.get_by_role("link", name="the run", exact=True).click()
    page.wait_for_url(f"**/dags/setpoint.zeros/runs/{quote(run_id, safe='')}*")
    page.get_by_text("quarantine", exact=False).first.wait_for()
