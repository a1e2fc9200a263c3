"""Every test of the ledger runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from setpoint.ledger import Ledger, migrate
from setpoint.ledger.tables import Base
from setpoint.model import ApplyResult, ChangeState, Event, Reason
from setpoint.stack.postgres import TemporaryPostgres
from setpoint.testing.values import NOW

sys.path.insert(0, str(Path(__file__).parent))  # the helper modules beside the tests

_numbers = count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[TemporaryPostgres]:
    """A PostgreSQL server for the length of the session."""
    with TemporaryPostgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_ledger_url(postgres: TemporaryPostgres) -> str:
    """A migrated database that the tests empty and use one after the other."""
    url = postgres.create_database("ledger")
    migrate(url)
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("ledger") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def backend(request: pytest.FixtureRequest) -> str:
    """The kind of database a test runs on; each test runs on both."""
    return str(request.param)


@pytest.fixture
def empty_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, with no ledger in it yet."""
    if backend == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'ledger.db'}"
    server: TemporaryPostgres = request.getfixturevalue("postgres")
    return server.create_database(f"empty_{next(_numbers)}")


@pytest.fixture
def ledger_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated ledger with nothing in it."""
    if backend == "sqlite":
        path = tmp_path / "ledger.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("postgres_ledger_url")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(Base.metadata.tables)} RESTART IDENTITY"))
    engine.dispose()
    return url


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An open, empty ledger whose own clock stands at ``NOW``."""
    with Ledger.open(ledger_url, clock=lambda: NOW) as opened:
        yield opened


@pytest.fixture
def event() -> Callable[..., Event]:
    """Makes events: ``event("id")``, with other fields by name."""

    def make(event_id: str, at: datetime = NOW, **fields: object) -> Event:
        return Event.model_validate(
            {
                "event_id": event_id,
                "kind": "json",
                "source": "a test",
                "occurred_at": at,
                "received_at": at,
                **fields,
            }
        )

    return make


@pytest.fixture
def result() -> Callable[[ChangeState], ApplyResult]:
    """Makes results of asking the provider."""

    def make(state: ChangeState) -> ApplyResult:
        return ApplyResult(state=state, reason=Reason(code="told", text=f"the provider said {state.value}"))

    return make
