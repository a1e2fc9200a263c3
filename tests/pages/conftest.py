"""Airflow's own API application with the plugin in it, served on loopback; users are told apart by their tokens."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

TESTS = Path(__file__).resolve().parents[1]
for folder in ("pages", "evidence", "webhook"):
    if str(TESTS / folder) not in sys.path:
        sys.path.insert(0, str(TESTS / folder))

from evidence_fleet import Stored, policy_document, store_of  # noqa: E402
from webhook_parts import served  # noqa: E402


@dataclass
class Site:
    """The API server, as browsers and programs see it."""

    url: str
    data: Path
    token_of: Callable[[str | None], str]

    def get(self, path: str, role: str | None = "VIEWER", *, cookie: bool = False, **headers: str) -> httpx.Response:
        """GET a path as a user of a role; ``""`` is nobody, ``None`` a user without any right."""
        given = dict(headers)
        cookies = {}
        if role != "":
            token = self.token_of(role)
            if cookie:
                cookies["_token"] = token
            else:
                given["Authorization"] = f"Bearer {token}"
        return httpx.get(self.url + path, headers=given, cookies=cookies, trust_env=False, timeout=120)

    def store(self, fleet: dict[str, Any], **options: Any) -> Stored:
        """A batch in the deployment's store."""
        return store_of(self.data / "batches", fleet, **options)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Airflow's application: its routes, its middleware, its auth manager, and our plugin."""
    home = tmp_path_factory.mktemp("pages")
    policies = home / "policies"
    policies.mkdir()
    (policies / "web.yaml").write_text(yaml.safe_dump(policy_document()))
    variables = {
        "AIRFLOW__CORE__AUTH_MANAGER": "pages_auth.HidesOneDag",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__API_AUTH__JWT_SECRET": "a-secret-of-the-tests-of-the-pages",
        "SETPOINT_DATA": str(home),
        "SETPOINT_POLICIES": str(policies),
        "SETPOINT_LEDGER_URL": f"sqlite:///{home / 'ledger.db'}",
        "PYTHONPATH": str(TESTS.parent / "include"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield from _site(home)


def _site(home: Path) -> Iterator[Site]:
    from airflow.api_fastapi.app import create_app, get_auth_manager, purge_cached_app
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.utils.db import initdb

    initdb()

    def token_of(role: str | None) -> str:
        return str(get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=f"a-{role}", role=role)))

    purge_cached_app()
    with _known_dags("setpoint.web", "setpoint.hidden"), served(create_app(apps="core")) as url:
        yield Site(url, home, token_of)
    purge_cached_app()


@contextmanager
def _known_dags(*dag_ids: str) -> Iterator[None]:
    """Dags that Airflow knows, for as long as the block lasts."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    with create_session() as session:
        session.merge(DagBundleModel(name="pages"))
        session.flush()
        for dag_id in dag_ids:
            session.merge(DagModel(dag_id=dag_id, bundle_name="pages", fileloc="there", is_stale=False))
    try:
        yield
    finally:
        with create_session() as session:
            for dag_id in dag_ids:
                session.delete(session.get(DagModel, dag_id))
            session.flush()
            session.delete(session.get(DagBundleModel, "pages"))
