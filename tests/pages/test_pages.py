"""The pages of batches: whoever may read the Dag sees them, nobody else, and they reach no other file."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import httpx
import pytest
from evidence_fleet import HOSTILE, clean
from pages_browser import chromium_page
from webhook_parts import served

from setpoint.evidence.build import build_page, keep_page
from setpoint.evidence.case import put_aside
from setpoint.evidence.page import content_security_policy
from setpoint.ledger import Ledger

PREFIX = "/setpoint/batches"
KEPT = "<!DOCTYPE html><html><head><title>it</title><style>b{color:red}</style></head><body>kept</body></html>"
HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def aside(site: Any) -> Any:
    """A batch in quarantine whose page was built."""
    made = site.store({"web-1": clean(), HOSTILE: [0.0] * 10})
    put_aside(made.store, made.case(), made.report)
    made.store.keep_beside(made.batch, "page.html", KEPT.encode(), quarantined=True)
    return made


@pytest.fixture
def address(aside: Any) -> str:
    """The page's path."""
    return f"{PREFIX}/setpoint.web/{aside.batch.batch_id}"


def test_who_may_read_the_dag_sees_the_page(site: Any, address: str) -> None:
    """With a bearer token, and with the cookie of the UI's session."""
    for cookie in (False, True):
        answer = site.get(address, cookie=cookie)
        assert (answer.status_code, answer.text) == (200, KEPT)
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
    (shown,) = [one for one in re.findall(r'href="([^"]+)"', answer.text) if one.endswith(address[-32:])]
    assert urljoin(f"{PREFIX}/", shown) == address
    assert "zero_guard: 10 of 10 points zero" in answer.text


def test_a_policy_has_a_list_of_all_its_batches(site: Any, address: str) -> None:
    """Those in quarantine and those that passed, for who may read the Dag."""
    passed = site.store({"web-5": clean()})
    listing = f"{PREFIX}/setpoint.web/"
    answer = site.get(listing)
    hrefs = re.findall(r'href="([^"]+)"', answer.text)
    assert {urljoin(listing, one) for one in hrefs} >= {address, f"{PREFIX}/setpoint.web/{passed.batch.batch_id}"}
    assert answer.text.count("in quarantine") >= 1
    assert site.get(listing, "").status_code == 401
    assert site.get(f"{PREFIX}/setpoint.hidden/").status_code == 403
    assert site.get(f"{PREFIX}/other/", "ADMIN").status_code == 404


def test_a_case_that_was_altered_hides_no_other(site: Any, aside: Any) -> None:
    """The list still has every batch, and says of one that its case cannot be read."""
    made = site.store({"web-8": [0.0] * 10})
    put_aside(made.store, made.case(), made.report)
    made.store.keep_beside(made.batch, "case.json", b'{"why": ["<script>"]}', quarantined=True)
    answer = site.get(f"{PREFIX}/")
    assert answer.status_code == 200
    assert "its case cannot be read" in answer.text
    assert aside.batch.batch_id in answer.text


def test_every_answer_is_shut_tight(site: Any, address: str) -> None:
    """The policy allows nothing but the page's own style, also on a refusal and on the way to another address."""
    for answer in (
        site.get(address),
        site.get(f"{PREFIX}/"),
        site.get(f"{PREFIX}/setpoint.web/none"),
        site.get(address, ""),
    ):
        policy = answer.headers["content-security-policy"]
        assert policy == content_security_policy(answer.content)
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
    kept = content_security_policy(KEPT)
    assert site.get(address).headers["content-security-policy"] == kept != content_security_policy()


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
        "setpoint.web/runs/%00",
        "setpoint.web/runs/" + "x" * 5000,
        "setpoint.web/runs/%F0%9F%92%A5%E2%80%AE",
        "..%2f..%2f/",
        "setpoint..%2f/",
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
    path = pulled(site, made)
    answer = site.get(path)
    address = f"{PREFIX}/setpoint.web/{made.batch.batch_id}"
    assert (answer.status_code, answer.headers["location"]) == (303, address)
    assert answer.headers["cache-control"] == "private, no-store"
    answer = site.get(address)
    assert answer.status_code == 200
    assert made.batch.batch_id in answer.text
    assert "validation result of setpoint.web" in answer.text
    assert "Every expectation was kept" in answer.text
    assert "&lt;script&gt;alert" in answer.text
    assert "<script" not in answer.text
    assert made.store.root.joinpath("web", Path(made.batch.uri).stem + ".page.html").exists()
    assert site.get(f"{PREFIX}/setpoint.web/runs/manual__never").status_code == 404


def pulled(site: Any, made: Any, run_id: str = "asset_triggered__2026-03-01T12:00:00+00:00") -> str:
    """Records a batch as pulled and judged by a run; the path that the run's tasks link to."""
    identity = f"web/{run_id}"
    with Ledger.open(f"sqlite:///{site.data / 'ledger.db'}") as ledger:
        ledger.start_run(identity, "web", made.batch.pulled_at, "event", False, [])
        for kind, value in (("batch", made.batch), ("report", made.report)):
            ledger.record(kind, value, run_id=identity, policy="web", at=made.batch.pulled_at)
    return f"{PREFIX}/setpoint.web/runs/{quote(run_id, safe='')}"


def test_a_batch_past_its_time_is_told_to_be_gone_with_what_the_ledger_has_of_it(site: Any) -> None:
    """The link of an old run says what became of the files and how long they are kept, and why the gate failed it."""
    made = site.store({"web-6": [0.0] * 10})
    path = pulled(site, made, "manual__old")
    Path(made.batch.uri).unlink()
    answer = site.get(path)
    assert answer.status_code == 410
    for words in ("deleted after 7 days, in quarantine after 90 days", "web-6 cpu: zero_guard", made.batch.batch_id):
        assert words in answer.text
    assert answer.headers["content-security-policy"] == content_security_policy()
    answer = site.get(f"{PREFIX}/setpoint.web/{made.batch.batch_id}")
    assert answer.status_code == 404
    assert "deleted after 7 days, in quarantine after 90 days" in answer.text


def test_below_a_path_of_a_proxy_every_way_leads_back_below_it(site: Any, address: str) -> None:
    """Airflow's base address may have a path: neither the redirects nor the links lose it."""
    from airflow.api_fastapi import app as airflow_app

    made = site.store({"web-7": [0.0] * 10})
    path = pulled(site, made, "manual__proxied")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(airflow_app, "API_ROOT_PATH", "/below/")
        with served(airflow_app.create_app(apps="core")) as url:
            below = replace(site, url=f"{url}/below")
            assert below.get(path).headers["location"] == f"/below{PREFIX}/setpoint.web/{made.batch.batch_id}"
            login = below.get(address, "", **HTML).headers["location"]
            assert login == f"/below/api/v2/auth/login?next=/below{address}"
            hrefs = re.findall(r'href="([^"]+)"', below.get(f"{PREFIX}/").text)
            assert f"/below{address}" in {urljoin(f"/below{PREFIX}/", one) for one in hrefs}


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


@pytest.mark.browser
def test_a_stranger_signs_in_and_comes_back_to_the_page(site: Any, tmp_path: Path) -> None:
    """Signed out, the link leads to the login and from there to the page; nothing on the page is blocked or runs."""
    made = site.store({"web-1": clean(), "web-2": [0.0] * 10, HOSTILE: [*clean()[:3], None, None, None, *clean()[6:]]})
    put_aside(made.store, made.case(), made.report)
    document = build_page(made.store, made.case(), made.report, made.policy, quarantined=True)
    keep_page(made.store, made.batch, document, quarantined=True)
    ((name, password),) = json.loads((site.data / "passwords.json").read_text()).items()
    address = f"/setpoint/batches/setpoint.web/{made.batch.batch_id}"

    with chromium_page(site.url) as page:
        page.goto(address)
        page.locator("[name='username']").fill(name)
        assert made.batch.batch_id not in page.content().replace(page.url, "")
        page.locator("[name='password']").fill(password)
        told, dialogs = list[str](), list[str]()
        page.on("console", lambda message: told.append(message.text))
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.get_by_role("button", name=re.compile("sign in", re.IGNORECASE)).click()
        page.wait_for_url(f"**{address}")
        page.get_by_text("Nothing was changed").wait_for()
        told.clear()
        page.reload()
        page.screenshot(path=tmp_path / "page.png", full_page=True)
        assert page.locator("svg.plot").count() == 2
        assert page.locator("svg .marked").count() == 10
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.set_viewport_size({"width": 380, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("getComputedStyle(document.querySelector('header.verdict')).borderLeftWidth") == "6px"
        assert ([one for one in told if "favicon" not in one], dialogs) == ([], [])
        page.screenshot(path=tmp_path / "phone.png", full_page=True)
        page.get_by_role("link", name="all batches of web").click()
        page.get_by_role("heading", name="Batches of web").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.screenshot(path=tmp_path / "list.png", full_page=True)
