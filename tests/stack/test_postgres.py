"""A PostgreSQL server for the length of a test."""

from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from setpoint.stack.errors import PostgresUnavailableError
from setpoint.stack.postgres import TemporaryPostgres, find_server_programs


def test_the_newest_installed_version_is_used(tmp_path: Path) -> None:
    """Version numbers are compared as numbers, and a directory without a server does not count."""
    for version in ("9.6", "15", "16"):
        (tmp_path / version / "bin").mkdir(parents=True)
    for version in ("9.6", "15"):
        (tmp_path / version / "bin" / "initdb").touch()

    assert find_server_programs(tmp_path) == tmp_path / "15" / "bin"


def test_a_missing_server_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who runs the tests without PostgreSQL is told what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(PostgresUnavailableError, match=r"make system-packages.*postgresql-15"):
        find_server_programs(tmp_path)


@pytest.mark.postgres
def test_it_serves_databases_on_loopback_behind_a_password_and_leaves_nothing() -> None:
    """A new database can be written to; another password is refused; afterwards process and data are gone."""
    with TemporaryPostgres() as server:
        engine = create_engine(server.create_database("ledger"))
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE t (n int)"))
            connection.execute(text("INSERT INTO t VALUES (7)"))
            assert connection.execute(text("SELECT n FROM t")).scalar_one() == 7
        engine.dispose()

        with pytest.raises(OperationalError, match="password authentication failed"):
            create_engine(make_url(server.url()).set(password="wrong")).connect()

        assert server._process is not None
        assert server._folder is not None
        pid, folder = server._process.pid, server._folder
        listening = [c.laddr.ip for c in psutil.Process(pid).net_connections() if c.status == "LISTEN"]
        assert listening == ["127.0.0.1"]

    assert not psutil.pid_exists(pid)
    assert not folder.exists()


@pytest.mark.postgres
def test_what_was_committed_survives_a_kill() -> None:
    """SIGKILL ends the whole server at once; restarted, it has each commit, and nothing else, on the same port."""
    with TemporaryPostgres(keeps_commits=True) as server:
        engine = create_engine(server.create_database("ledger"))
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE t (n int)"))
        for number in range(50):
            with engine.begin() as connection:
                connection.execute(text("INSERT INTO t VALUES (:n)"), {"n": number})
        with engine.connect() as connection:
            connection.execute(text("INSERT INTO t VALUES (1000)"))
            assert server._process is not None
            family = psutil.Process(server._process.pid).children(recursive=True)
            port = server.port
            server.kill()
            assert not [process for process in family if process.is_running()]
            with pytest.raises(OperationalError):
                connection.execute(text("SELECT 1"))

        server.restart()

        assert server.port == port
        with engine.connect() as connection:
            assert connection.execute(text("SELECT n FROM t ORDER BY n")).scalars().all() == list(range(50))
        engine.dispose()
