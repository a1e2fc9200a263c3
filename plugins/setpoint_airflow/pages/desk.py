"""Finds the page of a batch, or has it built: what lies behind the routes, without Airflow's web framework."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from http import HTTPStatus

import structlog

from setpoint.evidence.address import page_path
from setpoint.evidence.apart import BuildError, Request, build_apart
from setpoint.evidence.html import Html, element, joined
from setpoint.evidence.page import whole
from setpoint.evidence.recorded import recorded_case
from setpoint.evidence.shelf import Shelved, find, on_the_shelf
from setpoint.ledger import Ledger, LedgerError
from setpoint.settings import load_settings
from setpoint.sources.batches import BatchError, BatchStore
from setpoint.steps.intake import run_identity
from setpoint_airflow.ledger import open_ledger

log = structlog.get_logger("setpoint.pages")

DAG_PREFIX = "setpoint."
MOST_LISTED = 200
_POLICY = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_BATCH = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Answer:
    """What is answered: always a page for people."""

    content: str | bytes
    status: HTTPStatus = HTTPStatus.OK
    retry_seconds: int | None = None


class Desk:
    """Serves pages from the store of batches.

    :param store: the store; the deployment's own by default.
    :param open_ledger: opens the ledger, when something is looked up that lies in no file.
    :param build: builds a page that was not built yet, away from this process.
    """

    def __init__(
        self,
        store: BatchStore | None = None,
        open_ledger: Callable[[], Ledger] = open_ledger,
        build: Callable[[Request], None] = build_apart,
    ) -> None:
        self._store = store or BatchStore(load_settings().data / "batches")
        self._open_ledger = open_ledger
        self._build = build
        self._building = threading.Lock()

    def quarantine(self, dags: Collection[str]) -> Answer:
        """The newest batches in quarantine, of the Dags that may be read."""
        policies = {one.removeprefix(DAG_PREFIX) for one in dags if one.startswith(DAG_PREFIX)}
        try:
            found = [one for one in on_the_shelf(self._store, only_quarantined=True) if one.policy in policies]
        except BatchError as error:
            return self._broken(error)
        rows = [_row(one) for one in found[:MOST_LISTED]]
        if not rows:
            return Answer(whole("Quarantine", joined(element("h1", "Quarantine"), element("p", "No batch lies here."))))
        head = element("tr", *(element("th", one) for one in ("pulled (UTC)", "policy", "batch")))
        table = element("table", element("thead", head), element("tbody", *rows))
        more = element("p", f"and {len(found) - MOST_LISTED} older ones") if len(found) > MOST_LISTED else None
        return Answer(whole("Quarantine", joined(element("h1", "Quarantine"), table, more)))

    def page_of_run(self, dag_id: str, run_id: str) -> Answer:
        """The page of the batch that a run has pulled."""
        policy = _policy_of(dag_id)
        if policy is None:
            return _no_policy(dag_id)
        try:
            with self._open_ledger() as ledger:
                batch = ledger.batch_of(run_identity(policy, run_id))
        except LedgerError as error:
            return self._broken(error)
        if batch is None:
            return self.refusal(HTTPStatus.NOT_FOUND, f"Run {run_id} of {dag_id} has pulled no batch yet.")
        return self.page(dag_id, batch.batch_id)

    def page(self, dag_id: str, batch_id: str) -> Answer:
        """The page of a batch; built now when it was not yet, which takes seconds."""
        policy = _policy_of(dag_id)
        if policy is None:
            return _no_policy(dag_id)
        try:
            found = find(self._store, batch_id, policy) if _BATCH.fullmatch(batch_id) else []
            if not found:
                return self.refusal(
                    HTTPStatus.NOT_FOUND,
                    f"There is no batch {batch_id} of {policy} any more. Batches are kept for a while, those in "
                    "quarantine longer; what was decided stays in the ledger: setpoint history.",
                )
            content = found[0].page()
            return Answer(content) if content is not None else self._built(found[0])
        except (BatchError, LedgerError) as error:
            return self._broken(error)

    def refusal(self, status: HTTPStatus, words: str, retry_seconds: int | None = None) -> Answer:
        """A page that says why there is none."""
        body = joined(element("h1", status.phrase), element("p", words))
        return Answer(whole(status.phrase, body), status, retry_seconds)

    def _built(self, shelved: Shelved) -> Answer:
        request = self._request(shelved)
        if request is None:
            return self.refusal(HTTPStatus.NOT_FOUND, "The batch was not judged yet, or its run is not recorded.", 5)
        # One at a time: each is a process of its own for some seconds.
        if not self._building.acquire(blocking=False):
            return self.refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Another page is being built; load this one again.", 5)
        try:
            self._build(request)
        except BuildError as error:
            log.error("a batch's page could not be built", batch=shelved.batch_id, error=str(error))
            return self.refusal(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                f"The page could not be built; the API server's log says why. setpoint batch show {shelved.batch_id}",
            )
        finally:
            self._building.release()
        again = find(self._store, shelved.batch_id, shelved.policy)
        content = again[0].page() if again else None
        if content is None:
            return self.refusal(HTTPStatus.NOT_FOUND, "The batch was deleted while its page was built.")
        return Answer(content)

    def _request(self, shelved: Shelved) -> Request | None:
        """What is to be built, from the files in quarantine or from the ledger."""
        path = str(shelved.paths.get("parquet", ""))
        case, report = shelved.case(), shelved.report()
        if case is not None and report is not None:
            return Request(case=case, report=report, quarantined=True, path=path)
        with self._open_ledger() as ledger:
            found = recorded_case(ledger, shelved)
        return None if found is None else Request(case=found[0], report=found[1], quarantined=False, path=path)

    def _broken(self, error: Exception) -> Answer:
        log.error("a batch's page cannot be shown", error=str(error))
        return self.refusal(
            HTTPStatus.SERVICE_UNAVAILABLE, "Batches cannot be read now; the API server's log says why.", 30
        )


def _policy_of(dag_id: str) -> str | None:
    policy = dag_id.removeprefix(DAG_PREFIX)
    return policy if dag_id.startswith(DAG_PREFIX) and _POLICY.fullmatch(policy) else None


def _no_policy(dag_id: str) -> Answer:
    body = joined(element("h1", "Not Found"), element("p", f"{dag_id} is no Dag of a policy."))
    return Answer(whole("Not Found", body), HTTPStatus.NOT_FOUND)


def _row(one: Shelved) -> Html:
    link = element("a", one.batch_id, href=page_path(one.policy, one.batch_id))
    return element("tr", element("td", f"{one.pulled_at:%F %T}"), element("td", one.policy), element("td", link))
