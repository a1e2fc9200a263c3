"""The webhook, served by uvicorn on loopback, with a real ledger and a certificate authority that plays Amazon SNS."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

HERE = str(Path(__file__).resolve().parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

from webhook_parts import GRAFANA_KEY, POLICY, SENDERS, SIGNING_KEY, TOKEN, Sns, Webhook, served  # noqa: E402

from setpoint.ledger import Ledger  # noqa: E402


@pytest.fixture(scope="session")
def signer() -> Sns:
    """One key for all tests: making one takes a while."""
    return Sns()


@pytest.fixture
def sns(signer: Sns) -> Sns:
    """Amazon SNS, up, and asked nothing yet."""
    signer.fetched, signer.down = [], False
    return signer


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of policies: ``web`` hears the tool, ``api`` hears ``ci`` and Amazon SNS, ``queued`` hears a queue."""
    folder = tmp_path / "policies"
    folder.mkdir()
    triggers = {
        "web": "{kind: json, webhook: tool}",
        "api": "{kind: json, webhook: ci}, {kind: json, webhook: aws}, {kind: json, webhook: grafana}",
        "queued": "{kind: json, queue: events}",
    }
    for name, text in triggers.items():
        (folder / f"{name}.yaml").write_text(POLICY.format(name=name, triggers=text))
    monkeypatch.setenv("SETPOINT_POLICIES", str(folder))
    return folder


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    """Where the ledger is; a test may put something else there before the first message."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def webhook(
    tmp_path: Path, policies: Path, ledger_url: str, sns: Sns, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Webhook]:
    """The webhook as Airflow mounts it."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from setpoint_airflow.webhook.app import webhook_app
    from setpoint_airflow.webhook.deployment import Deployment

    senders_file = policies.parent / "senders.yaml"
    senders_file.write_text(SENDERS)
    for name, secret in (("SETPOINT_WEBHOOK_TOOL", TOKEN), ("WEBHOOK_CI", SIGNING_KEY)):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps({"conn_type": "generic", "password": secret}))
    monkeypatch.setenv(
        "AIRFLOW_CONN_SETPOINT_WEBHOOK_GRAFANA", json.dumps({"conn_type": "generic", "password": GRAFANA_KEY})
    )
    with Ledger.open(ledger_url) as ledger:
        made = Webhook("", ledger, senders_file)

        def wake(names: Iterable[str]) -> None:
            made.woken.extend(sorted(names))

        deployment = Deployment(open_ledger=lambda: Ledger.open(ledger_url), wake=wake, fetch=sns.fetch)
        app = webhook_app(deployment, clock_seconds=lambda: made.clock[0])
        with served(Starlette(routes=[Mount("/setpoint", app)])) as url:
            made.url = f"{url}/setpoint"
            yield made
        deployment.close()
