"""``setpoint plan``, ``setpoint doctor`` and ``setpoint lab``, against a practice AWS and without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import Result

from setpoint.cli.checks.airflow import check_health
from setpoint.cli.checks.aws import Place, check_clock
from setpoint.cli.checks.ledger import without_password
from setpoint.lab.config import ACCESS_KEY, REGION, SECRET_KEY
from setpoint.lab.process import LabProcess
from setpoint.lab.provision import client

NOWHERE = "http://127.0.0.1:5879"
DEADLINE_SECONDS = 60.0


def connection(url: str) -> dict[str, str]:
    """The variables under which Airflow's hooks reach an endpoint as ``aws_default``."""
    made = {
        "conn_type": "aws",
        "login": ACCESS_KEY,
        "password": SECRET_KEY,
        "extra": {"region_name": REGION, "endpoint_url": url, "config_kwargs": {"retries": {"total_max_attempts": 1}}},
    }
    return {"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(made)}


def wait_for(condition: Callable[[], bool]) -> None:
    """Until the condition holds; fails at the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.1)


def points(lab: LabProcess) -> int:
    """How many CPU points the lab has of the web fleet."""
    cloudwatch = client("cloudwatch", lab.url)
    now = datetime.now(UTC)
    answer = cloudwatch.get_metric_statistics(
        Namespace="AWS/EC2",
        MetricName="CPUUtilization",
        Dimensions=[{"Name": "AutoScalingGroupName", "Value": "storefront-web"}],
        StartTime=now - timedelta(seconds=32),
        EndTime=now,
        Period=5,
        Statistics=["Average"],
    )
    return len(answer["Datapoints"])


@pytest.fixture
def run_at(shell) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command as a process of its own with ``aws_default`` at an endpoint: ``run_at(url, "doctor")``.

    A process of its own, because Airflow's logging is what it was told when it was first imported.
    """

    def call(url: str | None, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return shell(*arguments, **{**(connection(url) if url else {}), **variables})

    return call


def test_plan_shows_what_would_happen_and_changes_nothing(run_at, lab: LabProcess, tmp_path: Path) -> None:
    """Real metrics, a decision with reasons and guards; no mutating call is made, and no ledger appears."""
    wait_for(lambda: points(lab) >= 6)
    before = lab.client.calls()
    done = run_at(lab.url, "plan", "storefront-web", "--wanted", "9", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    (decision,) = told["decisions"]
    assert (decision["action"], decision["from_units"], decision["to_units"]) == ("scale_out", 3, 7)
    assert {one["guard"] for one in decision["constraints"]} >= {"max_step"}
    assert decision["dry_run"] is True
    assert lab.client.calls() == before
    assert not (tmp_path / "ledger.db").exists()
    assert not Path(told["batch"]["uri"]).exists()


def test_plan_is_a_table_for_people(shell, lab: LabProcess) -> None:
    """Nothing but the answer: no log lines around it."""
    wait_for(lambda: points(lab) >= 6)
    done = shell("plan", "storefront-web", "--target", "storefront-web", **connection(lab.url))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "storefront-web" in done.stdout
    assert "hold" in done.stdout
    assert "Nothing was changed" in done.stdout


def test_an_unknown_policy_is_a_no_with_a_suggestion(run) -> None:
    """Exit status 1, before anything is asked of AWS."""
    result = run("plan", "storefrnt-web")
    assert result.exit_code == 1
    assert "did you mean storefront-web?" in result.stderr


def test_plan_for_a_target_that_is_not_there_is_a_no(run_at, lab: LabProcess) -> None:
    """A mistyped target is exit status 1, with the one that was meant, and not all being well."""
    wait_for(lambda: points(lab) >= 6)
    done = run_at(lab.url, "plan", "storefront-web", "--target", "storefront-wbe")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "did you mean storefront-web?" in done.stdout


@pytest.mark.parametrize(("url", "said"), [(None, "AIRFLOW_CONN_AWS_DEFAULT"), (NOWHERE, "5879")])
def test_plan_without_aws_says_which_connection(run_at, url: str | None, said: str) -> None:
    """A missing connection, or an endpoint that does not answer: exit status 3 with the way out, not a traceback."""
    done = run_at(url, "plan", "storefront-web")
    assert done.returncode == 3
    assert said in done.stderr


def checks(done: Result) -> dict[str, dict[str, Any]]:
    """A doctor's findings by what was looked at."""
    return {one["check"]: one for one in json.loads(done.stdout)["checks"]}


def test_doctor_finds_a_working_deployment_healthy(run_at, lab: LabProcess) -> None:
    """Every check is there, none fails; what reads was tried, and what changes was not."""
    wait_for(lambda: points(lab) >= 1)
    before = lab.client.calls()
    done = run_at(lab.url, "doctor", "--json")
    found = checks(done)
    assert done.returncode == 0, found
    assert lab.client.calls() == before
    status = {name: one["status"] for name, one in found.items()}
    assert status["policies"] == "ok"
    assert status["ledger"] == "warn"
    assert status[f"connection aws_default in {REGION}"] == "ok"
    assert status[f"clock (aws_default in {REGION})"] == "ok"
    assert status["queue setpoint-events"] == "ok"
    assert "setpoint-events-dlq" in found["queue setpoint-events: dead letters"]["text"]
    assert status["batches"] == "ok"
    assert status["airflow health"] == "warn"
    assert status["policy storefront-web: targets"] == "ok"
    said = [
        (one["status"], one["text"])
        for one in json.loads(done.stdout)["checks"]
        if one["check"] == f"permissions (aws_default in {REGION})"
    ]
    tried = next(text for status, text in said if status == "ok")
    assert "autoscaling:DescribeInstanceRefreshes" in tried
    assert "cloudwatch:GetMetricData" in tried
    untested = next(text for status, text in said if status == "warn")
    assert "autoscaling:SetDesiredCapacity" in untested
    assert "sqs:ReceiveMessage" in untested


def test_doctor_says_what_to_do_about_a_queue_without_dead_letters(run_at, lab: LabProcess, tmp_path: Path) -> None:
    """A warning for the queue without a redrive policy, a failure for one that is not there; the metrics' too."""
    client("sqs", lab.url).create_queue(QueueName="bare")
    text = (Path(__file__).resolve().parents[2] / "include/policies/storefront-api.yaml").read_text()
    changed = text.replace("queue: setpoint-events", "queue: bare", 1).replace(
        "queue: setpoint-events", "queue: gone", 1
    )
    (tmp_path / "storefront-api.yaml").write_text(changed.replace("name: LatencyP95", "name: LatencyP96"))
    done = run_at(lab.url, "doctor", "--json", SETPOINT_POLICIES=str(tmp_path))
    found = checks(done)
    assert done.returncode == 1
    assert (found["queue bare: dead letters"]["status"], found["queue gone"]["status"]) == ("warn", "fail")
    assert "dead-letter" in found["queue bare: dead letters"]["todo"]
    assert found["queue gone"]["todo"]


def test_doctor_without_aws_fails_once_per_connection(run_at, tmp_path: Path) -> None:
    """The cause is named, and what depends on it is not reported as a second failure."""
    (tmp_path / "bad.yaml").write_text("version: 2")
    (tmp_path / "ledger.db").write_text("this is no database, and long enough to be read as one" * 40)
    good = Path(__file__).resolve().parents[2] / "include/policies/storefront-api.yaml"
    (tmp_path / "storefront-api.yaml").write_text(good.read_text())
    done = run_at(NOWHERE, "doctor", "--json", "--airflow-url", NOWHERE, SETPOINT_POLICIES=str(tmp_path))
    assert done.returncode == 1
    failed = [one for one in json.loads(done.stdout)["checks"] if one["status"] == "fail"]
    names = [one["check"] for one in failed]
    assert names == ["policies", "ledger", "airflow health", f"connection aws_default in {REGION}"]
    assert all(one["todo"] for one in failed)


@pytest.mark.parametrize(
    ("seconds", "status"),
    [(0, "ok"), (3, "ok"), (-3, "ok"), (20, "warn"), (-20, "warn"), (400, "fail"), (-400, "fail")],
)
def test_the_clock_is_compared_with_awss_own(seconds: int, status: str) -> None:
    """A few seconds pass; more is a warning; what AWS would refuse to believe is a failure."""
    theirs = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    answer = {"ResponseMetadata": {"HTTPHeaders": {"date": "Sun, 01 Mar 2026 12:00:00 GMT"}}}
    place = Place("aws_default", None)
    assert check_clock(answer, theirs + timedelta(seconds=seconds), place).status == status


def test_an_answer_without_a_date_is_a_warning() -> None:
    """A proxy may have taken it away."""
    assert check_clock({}, datetime.now(UTC), Place("aws_default", None)).status == "warn"


def test_passwords_are_not_shown() -> None:
    """Neither of a URL, nor of what is no URL."""
    assert "s3cret" not in without_password("postgresql://me:s3cret@host/db")
    assert "s3cret" not in without_password("s3cret")


class _Health(BaseHTTPRequestHandler):
    """An Airflow whose triggerer is down."""

    def do_GET(self) -> None:
        body = json.dumps(
            {
                "metadatabase": {"status": "healthy"},
                "scheduler": {"status": "healthy"},
                "dag_processor": {"status": "unhealthy"},
                "triggerer": {"status": None},
            }
        ).encode()
        self.send_response(200 if self.path == "/api/v2/monitor/health" else 404)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


def test_components_that_are_not_healthy_fail() -> None:
    """Each with what it is needed for."""
    with HTTPServer(("127.0.0.1", 0), _Health) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        found = {one.check: one for one in check_health(f"http://127.0.0.1:{server.server_port}/")}
        server.shutdown()
        thread.join()
    assert {name: one.status.value for name, one in found.items()} == {
        "airflow metadatabase": "ok",
        "airflow scheduler": "ok",
        "airflow dag processor": "fail",
        "airflow triggerer": "fail",
    }
    assert "events" in found["airflow triggerer"].text


@pytest.mark.parametrize("url", ["file:///etc/passwd", "nonsense"])
def test_only_web_addresses_are_asked(url: str) -> None:
    """An address of another kind is refused, not opened."""
    (found,) = check_health(url)
    assert found.status == "fail"


def test_lab_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """It answers, provisions, and ends with status 0 on SIGTERM; a second one on the port is told so with status 3."""
    command = [sys.executable, "-m", "setpoint.cli.main", "lab", "--port", "5872"]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_for(lambda: _answers("http://127.0.0.1:5872/_lab/health") or process.poll() is not None)
            assert process.poll() is None, (tmp_path / "log").read_text()
            autoscaling = client("autoscaling", "http://127.0.0.1:5872")
            wait_for(lambda: len(autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]) == 3)
            second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert second.returncode == 3
            assert "--port" in second.stderr
        finally:
            os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_lab_tells_a_program_the_port_it_took() -> None:
    """``--port 0 --json``: what is printed is where it answers, and not what was asked for."""
    command = [sys.executable, "-m", "setpoint.cli.main", "lab", "--port", "0", "--no-provision", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line == "}\n":
                    break
            told = json.loads("".join(lines))
            assert told["port"] > 0
            assert told["url"] == f"http://127.0.0.1:{told['port']}"
            assert _answers(told["url"] + "/_lab/health")
        finally:
            os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def test_a_lab_config_with_a_mistake_is_refused(run, tmp_path: Path) -> None:
    """Exit status 1, with the file's name and what is wrong."""
    config = tmp_path / "fleets.json"
    config.write_text('{"fleets": [{"group": "a", "min_size": 5, "max_size": 1}]}')
    result = run("lab", "--config", str(config))
    assert result.exit_code == 1
    assert "fleets.json" in result.stderr
