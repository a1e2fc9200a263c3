"""The real system that is broken on purpose: the practice AWS, PostgreSQL, a whole Airflow, and what restarts it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from chaos_matrix import ROWS, Row, policy_document

from setpoint.failpoints import VARIABLE, Failpoint
from setpoint.lab.client import LabError
from setpoint.lab.config import FleetConfig, LabConfig
from setpoint.lab.process import LabProcess
from setpoint.lab.provision import airflow_connection, client, provision
from setpoint.ledger import Ledger
from setpoint.stack.client import StackClient, wait_until
from setpoint.stack.errors import ApiError
from setpoint.stack.keeper import Keeper
from setpoint.stack.local import LocalStack
from setpoint.stack.ports import free_port
from setpoint.stack.postgres import TemporaryPostgres
from setpoint.stack.settings import REPOSITORY, prepare_home

T = TypeVar("T")

OPTIONS = {
    "scheduler.scheduler_heartbeat_sec": "1",
    "scheduler.job_heartbeat_sec": "1",
    "scheduler.scheduler_health_check_threshold": "20",
    "scheduler.orphaned_tasks_check_interval": "3",
    "scheduler.task_instance_heartbeat_timeout": "20",
    "scheduler.task_instance_heartbeat_timeout_detection_interval": "2",
    "scheduler.task_queued_timeout": "30",
    "scheduler.task_queued_timeout_check_interval": "5",
    "triggerer.job_heartbeat_sec": "1",
    "triggerer.triggerer_health_check_threshold": "10",
    "workers.min_heartbeat_interval": "2",
    "workers.execution_api_retry_wait_max": "5",
}
"""How soon Airflow notices what died; the page says what its defaults mean."""

RECONCILE_EVERY_SECONDS = 30
RECONCILE_GRACE = "60s"
DOWN_SECONDS = 2.0
"""How long the database stays away."""
PARALLELISM = 16


class Gate:
    """A way to the practice AWS that can be closed: connections to it are then refused."""

    def __init__(self, to_port: int) -> None:
        self.port = free_port()
        self._to_port = to_port
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gate", daemon=True)

    @property
    def url(self) -> str:
        """The address of the practice AWS through this gate."""
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Let connections through."""
        if not self._thread.is_alive():
            self._thread.start()
        if self._server is None:
            self._server = self._run(asyncio.start_server(self._pass_on, "127.0.0.1", self.port))

    def close(self) -> None:
        """Refuse connections; those that are there are cut."""
        if self._server is not None:
            self._server.close()
            self._server = None

            async def cut() -> None:
                others = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
                for one in others:
                    one.cancel()
                await asyncio.gather(*others, return_exceptions=True)

            self._run(cut())

    def stop(self) -> None:
        """Close it for good."""
        self.close()
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = asyncio.current_task()
        assert me is not None
        self._passing.add(me)  # asyncio itself does not keep it
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        try:
            await asyncio.gather(_copy(reader, to_writer), _copy(to_reader, writer))
        except asyncio.CancelledError:
            pass
        finally:
            self._passing.discard(me)
            for one in (writer, to_writer):
                one.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # either end may be gone at any moment
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


@dataclass
class System:
    """The running parts, and how they are broken."""

    stack: LocalStack
    keeper: Keeper
    lab: LabProcess
    gate: Gate
    postgres: TemporaryPostgres
    ledger_url: str
    failpoints: Path
    queues: dict[str, str]
    """URLs by name."""
    api: StackClient
    sent: dict[str, list[str]] = field(default_factory=dict)
    """The ids of the events sent so far, by policy."""

    def send_breach(self, row: Row) -> None:
        """Put the event of one breach on the queue of a row's policy."""
        ids = self.sent.setdefault(row.name, [])
        ids.append(f"{row.name}-{len(ids) + 1}")
        body = {"policy": row.name, "id": ids[-1], "summary": f"breach {len(ids)}"}
        sqs = client("sqs", self.lab.url)
        sqs.send_message(QueueUrl=self.queues[row.queue], MessageBody=json.dumps(body))

    def messages_left(self, queue: str) -> int:
        """How many messages are on a queue, those being worked on included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        sqs = client("sqs", self.lab.url)
        told = sqs.get_queue_attributes(QueueUrl=self.queues[queue], AttributeNames=names)["Attributes"]
        return sum(int(told[name]) for name in names)

    def failpoint(self, row: Row) -> Failpoint:
        """The harness's side of a row's point."""
        assert row.point is not None
        return Failpoint(self.failpoints, row.point, row.about)

    def restart_database(self) -> None:
        """Bring the database back, as its init system would."""
        time.sleep(DOWN_SECONDS)
        self.postgres.restart()

    def patiently(self, ask: Callable[[], T], default: T) -> T:
        """Ask something of a system that may just be down."""
        self.keeper.require_working()
        try:
            return ask()
        except ApiError:
            return default


@contextmanager
def running_system(home: Path, rows: Sequence[Row] = ROWS, say: Callable[[str], None] = print) -> Iterator[System]:
    """Start everything, with a policy and a fleet for each row, and wait until all Dags are there."""
    folders = {name: home / name for name in ("policies", "dags", "data", "failpoints")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    for row in rows:
        (folders["policies"] / f"{row.name}.yaml").write_text(yaml.safe_dump(policy_document(row)))
    _copy_dags(folders["dags"])
    fleets = tuple(map(_fleet, rows))
    config = LabConfig(fleets=fleets, tick_seconds=1, publish_seconds=1, calls_kept=100_000, history_points=60)
    with ExitStack() as parts:
        say("starting the practice AWS and PostgreSQL")
        postgres = parts.enter_context(TemporaryPostgres(keeps_commits=True))
        lab = parts.enter_context(LabProcess(config, log_path=home / "lab.log"))
        queues = _provisioned(lab, fleets, rows)
        gate = Gate(lab.port)
        parts.callback(gate.stop)
        gate.open()
        ledger_url = postgres.create_database("ledger")
        Ledger.open(ledger_url).close()
        settings = prepare_home(
            home / "airflow",
            dags_folder=folders["dags"],
            all_admins=True,
            parallelism=PARALLELISM,
            database_url=postgres.create_database("airflow"),
            options=OPTIONS,
            connections={"aws_default": airflow_connection(lab.url), "aws_gate": airflow_connection(gate.url)},
            variables={
                "SETPOINT_POLICIES": str(folders["policies"]),
                "SETPOINT_DATA": str(folders["data"]),
                "SETPOINT_LEDGER_URL": ledger_url,
                "SETPOINT_RECONCILE_GRACE": RECONCILE_GRACE,
                VARIABLE: str(folders["failpoints"]),
            },
        )
        say("starting Airflow")
        stack = parts.enter_context(LocalStack(settings))
        api = parts.enter_context(stack.client())
        api.wait_for_dags(["setpoint.reconcile", *(f"setpoint.{row.name}" for row in rows)], deadline_seconds=120)
        keeper = parts.enter_context(Keeper(stack))
        yield System(stack, keeper, lab, gate, postgres, ledger_url, folders["failpoints"], queues, api)


def _fleet(row: Row) -> FleetConfig:
    boot = 8.0 if row.point == "while_waiting" else 0.5
    return FleetConfig(group=row.name, min_size=1, desired_capacity=2, max_size=90, boot_seconds=boot, base_rps=50_000)


def _copy_dags(folder: Path) -> None:
    """The deployment's own Dags, with reconciliation every few seconds instead of minutes."""
    for file in (REPOSITORY / "dags").glob("*.py"):
        text = file.read_text()
        if file.name == "setpoint_reconcile.py":
            assert text.count('"*/5 * * * *"') == 1, "the schedule of setpoint.reconcile is written in another way"
            text = text.replace('"*/5 * * * *"', f'"* * * * * */{RECONCILE_EVERY_SECONDS}"')
        (folder / file.name).write_text(text)


def _provisioned(lab: LabProcess, fleets: Sequence[FleetConfig], rows: Sequence[Row]) -> dict[str, str]:
    """Groups and queues. The alarms are taken away again: here a breach is one event, sent by us."""
    there = provision(lab.url, fleets)
    client("cloudwatch", lab.url).delete_alarms(AlarmNames=list(there.alarms))
    sqs = client("sqs", lab.url)
    attributes = {"VisibilityTimeout": "30"}
    names = sorted({row.queue for row in rows})
    return {name: sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"] for name in names}


def until(condition: Callable[[], T | None], what: str, seconds: float) -> T:
    """Wait for something that is to happen; see :func:`setpoint.stack.client.wait_until`."""
    return wait_until(condition, what=what, deadline_seconds=seconds, poll_seconds=0.2)


__all__ = ["OPTIONS", "RECONCILE_EVERY_SECONDS", "Gate", "LabError", "System", "running_system", "until"]
