"""The pages of batches: whoever may read the Dag sees them, nobody else, and they reach no other file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from evidence_fleet import HOSTILE, clean

from setpoint.evidence.case import put_aside
from setpoint.evidence.page import CONTENT_SECURITY_POLICY
from setpoint.ledger import Ledger

PREFIX = "/setpoint/batches"
HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def aside(site: Any) -> Any:
    """A batch in quarantine whose page was built."""
    made = site.store({"web-1": clean(), HOSTILE: [0.0] * 10})
    put_aside(made.store, made.case(), made.report)
    made.store.keep_beside(made.batch, "page.html", b"<!DOCTYPE html><title>it</title>kept", quarantined=True)
    return made


@pytest.fixture
def address(aside: Any) -> str:
    """The page's path."""
    return f"{PREFIX}/setpoint.web/{aside.batch.batch_id}"


def test_who_may_read_the_dag_sees_the_page(site: Any, address: str) -> None:
    """With a bearer token, and with the cookie of the UI's session."""
    for cookie in (False, True):
        answer = site.get(address, cookie=cookie)
        assert (answer.status_code, answer.text) == (200, "<!DOCTYPE html><title>it</title>kept")
        assert answer.headers["content-type"].startswith("text/html")


def test_nobody_without_a_session_sees_anything(site: Any, address: str) -> None:
    """A program is refused; a browser is sent to the login, and from there back."""
    for path in (address, f"{PREFIX}/", f"{PREFIX}/setpoint.web/runs/run-1", f"{PREFIX}/other/{'0' * 32}"):
        assert site.get(path, "").status_code == 401
    sent = site.get(address, "", **HTML)
    assert sent.status_code == 307
    assert sent.headers["location"] == f"/api/v2/auth/login?next={address}"
    login = site.get(sent.headers["location"], "")
    assert (login.status_code, f"next={quote(address, safe='')}" in login.headers["location"]) == (307, True)


def test_a_token_that_is_none_is_refused(site: Any, address: str) -> None:
    """Also one that was altered, and a user without any right."""
    token = site.token_of("ADMIN")
    for wrong in ("nonsense", token[:-3] + "abc", token.split(".")[0] + ".e30."):
        answer = httpx.get(site.url + address, headers={"Authorization": f"Bearer {wrong}"}, trust_env=False)
        assert answer.status_code in (401, 403)
    assert site.get(address, None).status_code == 403


def test_airflows_permission_on_the_dag_decides(site: Any, aside: Any) -> None:
    """Who may not read a Dag sees neither the page of its batch nor that there is one."""
    hidden = aside.store.root / "hidden" / "quarantine"
    hidden.mkdir(parents=True, exist_ok=True)
    name = Path(aside.batch.uri).name
    for kind in ("parquet", "page.html"):
        (hidden / f"{name.partition('.')[0]}.{kind}").write_bytes(b"secret")
    path = f"{PREFIX}/setpoint.hidden/{aside.batch.batch_id}"
    assert site.get(path).status_code == 403
    assert site.get(f"{PREFIX}/setpoint.hidden/runs/run-1").status_code == 403
    assert site.get(path, "ADMIN").text == "secret"
    assert "hidden" not in site.get(f"{PREFIX}/").text
    assert "hidden" in site.get(f"{PREFIX}/", "ADMIN").text


def test_the_list_leads_to_the_pages(site: Any, address: str) -> None:
    """Of what lies in quarantine, newest first."""
    answer = site.get(f"{PREFIX}/")
    assert answer.status_code == 200
    assert f'href="{address}"' in answer.text


def test_every_answer_is_shut_tight(site: Any, address: str) -> None:
    """The policy allows nothing but the page's own style, also on a refusal."""
    for answer in (
        site.get(address),
        site.get(f"{PREFIX}/"),
        site.get(f"{PREFIX}/setpoint.web/none"),
        site.get(address, ""),
    ):
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    "path",
    [
        "setpoint.web/../../airflow.db",
        "setpoint.web/..%2f..%2fledger.db",
        "setpoint.web/%2e%2e/%2e%2e/ledger.db",
        "setpoint.web%2f..%2f../00000000000000000000000000000000",
        "setpoint.../00000000000000000000000000000000",
        "setpoint.web/" + "0" * 32,
        "setpoint.web/" + "0" * 31,
        "setpoint.web/%00",
        "other.dag/" + "0" * 32,
        "setpoint.web/runs/..%2f..",
        "setpoint.web/runs/%3Cscript%3E",
    ],
)
def test_no_address_leads_out_of_the_store(site: Any, aside: Any, path: str) -> None:
    """What is no batch of the policy is not found; what was asked for is not repeated as markup."""
    answer = site.get(f"{PREFIX}/{path}")
    assert answer.status_code in (404, 422)
    assert "<script>" not in answer.text
    assert "SQLite" not in answer.text


def test_a_link_in_the_store_is_not_followed(site: Any, aside: Any, tmp_path: Path) -> None:
    """A page that was replaced by a link to another file is not served."""
    made = site.store({"web-9": [0.0] * 10})
    put_aside(made.store, made.case(), made.report)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    stem = Path(made.batch.uri).name.partition(".")[0]
    os.symlink(secret, made.store.root / "web" / "quarantine" / f"{stem}.page.html")
    answer = site.get(f"{PREFIX}/setpoint.web/{made.batch.batch_id}")
    assert answer.status_code == 503
    assert "secret" not in answer.text


def test_a_run_leads_to_the_page_of_its_batch_which_is_built_when_it_is_asked_for(site: Any) -> None:
    """A batch that passed has no page until then; the API server itself does not load Great Expectations for it."""
    made = site.store({HOSTILE: clean(), "web-3": clean()})
    airflow_run = "asset_triggered__2026-03-01T12:00:00+00:00"
    with Ledger.open(f"sqlite:///{site.data / 'ledger.db'}") as ledger:
        run_id = f"web/{airflow_run}"
        ledger.start_run(run_id, "web", made.batch.pulled_at, "event", False, [])
        for kind, value in (("batch", made.batch), ("report", made.report)):
            ledger.record(kind, value, run_id=run_id, policy="web", at=made.batch.pulled_at)
    path = f"{PREFIX}/setpoint.web/runs/{quote(airflow_run, safe='')}"
    answer = site.get(path)
    assert answer.status_code == 200
    assert made.batch.batch_id in answer.text
    assert "validation result of setpoint.web" in answer.text
    assert "Every expectation was kept" in answer.text
    assert "&lt;script&gt;alert" in answer.text
    assert "<script" not in answer.text
    assert made.store.root.joinpath("web", Path(made.batch.uri).stem + ".page.html").exists()
    assert site.get(f"{PREFIX}/setpoint.web/runs/manual__never").status_code == 404


def test_the_task_links_to_the_page(site: Any) -> None:
    """Airflow makes the link itself when somebody looks at the task: no task stores it."""
    from airflow.sdk import DAG
    from airflow.serialization.serialized_objects import DagSerialization

    from setpoint_airflow.links.batch import BatchPageLink
    from setpoint_airflow.operators.evaluate import ValidateBatchOperator
    from setpoint_airflow.operators.record import QuarantineOperator

    with DAG("setpoint.web", schedule=None) as dag:
        ValidateBatchOperator(task_id="validate", policy="web")
        QuarantineOperator(task_id="quarantine", policy="web")
    again = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))

    class Key:
        dag_id, run_id, task_id, map_index = "setpoint.web", "manual__2026-01-01T00:00:00+00:00", "validate", -1

    for task in again.tasks:
        (link,) = task.operator_extra_links
        assert isinstance(link, BatchPageLink)
        assert link.get_link(task, ti_key=Key).endswith(
            "/setpoint/batches/setpoint.web/runs/manual__2026-01-01T00%3A00%3A00%2B00%3A00"
        )
