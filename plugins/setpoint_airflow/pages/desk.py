"""Finds the page of a batch, or has it built: what lies behind the routes, without Airflow's web framework."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

import structlog

from setpoint.evidence.address import page_path
from setpoint.evidence.apart import BuildError, Request, build_apart
from setpoint.evidence.html import element, joined
from setpoint.evidence.page import whole
from setpoint.evidence.recorded import case_of_run, recorded_case
from setpoint.evidence.shelf import Shelved, find, on_the_shelf
from setpoint.ledger import Ledger, LedgerError
from setpoint.settings import SettingsError, load_settings
from setpoint.sources.batches import BatchError, BatchStore
from setpoint.sources.retention import load_retention
from setpoint.steps.intake import run_identity
from setpoint_airflow.ledger import open_ledger
from setpoint_airflow.pages.lists import policy_list, quarantine_list

log = structlog.get_logger("setpoint.pages")

DAG_PREFIX = "setpoint."
LONGEST_RUN_ID = 250
"""Characters of a run's id in Airflow's database."""
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
        return Answer(quarantine_list(found, [f"{DAG_PREFIX}{one}" for one in policies]))

    def batches(self, dag_id: str) -> Answer:
        """The newest batches of a policy, in quarantine and not."""
        policy = _policy_of(dag_id)
        if policy is None:
            return _no_policy(dag_id)
        try:
            return Answer(policy_list(policy, on_the_shelf(self._store, policy)))
        except BatchError as error:
            return self._broken(error)

    def page_of_run(self, dag_id: str, run_id: str) -> Answer | str:
        """Where the page of the batch is that a run has pulled; an answer when there is none any more, or not yet."""
        policy = _policy_of(dag_id)
        if policy is None:
            return _no_policy(dag_id)
        if len(run_id) > LONGEST_RUN_ID or not run_id.isprintable():
            return self.refusal(HTTPStatus.NOT_FOUND, f"{dag_id} has no run of such a name.")
        identity = run_identity(policy, run_id)
        try:
            with self._open_ledger() as ledger:
                batch = ledger.batch_of(identity)
                if batch is None:
                    return self.refusal(HTTPStatus.NOT_FOUND, f"Run {run_id} of {dag_id} has pulled no batch yet.")
                if find(self._store, batch.batch_id, policy):
                    return page_path(policy, batch.batch_id)
                found = case_of_run(ledger, identity)
        except (BatchError, LedgerError) as error:
            return self._broken(error)
        if found is None:
            return self.refusal(HTTPStatus.GONE, f"{_gone()} Run {run_id} never judged it.")
        from setpoint.evidence.build import gone_page

        return Answer(gone_page(*found, _gone()), HTTPStatus.GONE)

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
                    f"There is no batch {batch_id} of {policy}, or not any more. {_gone()} What was decided stays in "
                    "the ledger: look it up from the run's task in Airflow, or with setpoint history.",
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


def _gone() -> str:
    try:
        kept = load_retention()
    except SettingsError:
        return "Batches are deleted after a while."  # the settings' own task says what is wrong with them
    return (
        f"The files of batches are deleted after {_days(kept.batches)}, in quarantine after "
        f"{_days(kept.quarantined)}, or sooner when they are too many."
    )


def _days(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} hours"
