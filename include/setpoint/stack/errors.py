"""What can go wrong when a stack starts. Every message ends with what to do.

* :class:`StackError`
    * :class:`BrokenEnvironmentError`   packages are missing or of another version than the lock says
    * :class:`UnusableHomeError`        the home cannot be written, or another stack is using it
    * :class:`PortTakenError`           somebody else listens on the port that was asked for
    * :class:`ComponentFailedError`     a component ended or never became healthy; carries the tail of its log
    * :class:`PostgresUnavailableError` PostgreSQL's server programs are not installed, or the server did not start
    * :class:`ApiError`                 the API answered with an error
"""

from pathlib import Path


class StackError(Exception):
    """Base of everything the stack raises on purpose; ``except StackError`` around a start is enough."""


class BrokenEnvironmentError(StackError):
    """The Python environment cannot run the stack."""

    def __init__(self, problems: list[str]) -> None:
        """:param problems: one line per package that is missing or of the wrong version."""
        self.problems = problems
        listing = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(
            f"this Python environment cannot run Airflow:\n{listing}\n"
            "Build it with `make setup` (it rebuilds an unfinished .venv), or remove .venv and run it again."
        )


class UnusableHomeError(StackError):
    """The stack's home directory cannot be used."""

    def __init__(self, home: Path, reason: str, way_out: str) -> None:
        """:param reason: what is wrong with ``home``. :param way_out: what to do about it."""
        self.home = home
        super().__init__(f"cannot use {home} as the stack's home: {reason}\n{way_out}")


class PortTakenError(StackError):
    """A port that was asked for by number is in use."""

    def __init__(self, port: int, purpose: str, holder: str | None) -> None:
        """:param holder: command line and pid of who listens there, when it can be seen."""
        self.port = port
        who = f" by {holder}" if holder else ""
        super().__init__(
            f"port {port} on 127.0.0.1 is taken{who}; the {purpose} needs it.\n"
            "End that process, ask for another port, or ask for none to get a free one."
        )


class ComponentFailedError(StackError):
    """A component of the stack ended, or did not become healthy in time."""

    def __init__(self, component: str, what: str, log_file: Path, tail: str) -> None:
        """:param what: what happened, a clause. :param tail: the last lines of ``log_file``."""
        self.component, self.log_file, self.tail = component, log_file, tail
        shown = tail.strip() or "(the log is empty)"
        super().__init__(f"Airflow's {component} {what}. The end of {log_file}:\n\n{shown}\n")


class PostgresUnavailableError(StackError):
    """No PostgreSQL server can be started here."""


class ApiError(StackError):
    """Airflow's API answered a request with an error, or with nothing."""

    def __init__(self, method: str, path: str, status: int | None, detail: str) -> None:
        """:param status: the HTTP status; ``None`` when there was no answer at all."""
        self.status, self.detail = status, detail
        answered = f"answered {status}" if status is not None else "did not answer"
        super().__init__(f"{method} {path} {answered}: {detail}")
