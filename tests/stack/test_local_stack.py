"""A real start, a real run, a real stop."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from setpoint.stack.client import wait_until
from setpoint.stack.errors import ComponentFailedError, UnusableHomeError
from setpoint.stack.local import LocalStack, Progress
from setpoint.stack.settings import prepare_home

TRIVIAL_DAG = '''
"""A Dag of one Airflow task."""
from airflow.sdk import dag, get_current_context, task

@dag(dag_id="trivial", schedule=None)
def trivial():
    @task
    def echo():
        import os, sys
        return {
            "conf": get_current_context()["dag_run"].conf,
            "data": os.environ["SETPOINT_DATA"],
            "preloaded": "great_expectations" in sys.modules,
        }
    echo()

trivial()
'''


@pytest.mark.live
def test_a_stack_starts_runs_a_dag_and_leaves_nothing(tmp_path: Path) -> None:
    """All components become healthy, a triggered run succeeds with its conf, and no process outlives the stack."""
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "trivial.py").write_text(TRIVIAL_DAG)
    (dags / "broken.py").write_text('"""dag airflow"""\nraise RuntimeError("as it must")\n')
    settings = prepare_home(tmp_path / "home", dags_folder=dags, variables={"SETPOINT_DATA": "/srv/data"})
    steps: list[Progress] = []
    stack = LocalStack(settings, on_progress=steps.append)

    with stack, stack.client() as client:
        ready = [step.part for step in steps if step.state == "ready"]
        assert sorted(ready) == ["api-server", "dag-processor", "database", "scheduler", "triggerer"]
        sessions = [component.session for component in stack.components.values()]
        addresses = {
            connection.laddr.ip
            for session in sessions
            for pid in session.members()
            for connection in psutil.Process(pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert addresses == {"127.0.0.1"}

        client.wait_for_dags(["trivial"])
        run = client.trigger("trivial", conf={"reason": "a test"}, run_id="by-hand")
        assert client.wait_for_run("trivial", run["dag_run_id"])["state"] == "success"
        assert client.xcom("trivial", "by-hand", "echo") == {
            "conf": {"reason": "a test"},
            "data": "/srv/data",
            "preloaded": True,
        }
        assert [(task["task_id"], task["state"]) for task in client.task_instances("trivial", "by-hand")] == [
            ("echo", "success")
        ]
        assert "Returned value was" in client.log("trivial", "by-hand", "echo")
        broken = wait_until(client.import_errors, what="the import error", deadline_seconds=60)
        assert [name.rsplit("/", 1)[-1] for name in broken] == ["broken.py"]

        with pytest.raises(UnusableHomeError, match=rf"another stack is using it \(pid {os.getpid()}\)"):
            LocalStack(settings.model_copy(update={"api_port": 1 + settings.api_port})).start()

        stack.components["triggerer"].stop(grace_seconds=5)
        with pytest.raises(ComponentFailedError, match=r"Airflow's triggerer (ended with status|was ended by signal)"):
            stack.require_running()

    assert [session.members() for session in sessions] == [[], [], [], []]


START_AND_TELL = """
import sys
from pathlib import Path
from setpoint.stack.local import LocalStack
from setpoint.stack.settings import prepare_home
stack = LocalStack(prepare_home(Path(sys.argv[1])))
start = stack.start_component

def start_and_tell(name):
    start(name)
    print(stack.components[name].pid, flush=True)

stack.start_component = start_and_tell
stack.start()
"""


@pytest.mark.live
def test_nothing_is_left_of_a_stack_whose_owner_was_killed(tmp_path: Path) -> None:
    """SIGKILL in the middle of a start: the components end all the same, and the home can be used again."""
    owner = subprocess.Popen([sys.executable, "-c", START_AND_TELL, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pids = [int(owner.stdout.readline()) for _ in range(4)]

    owner.kill()
    owner.wait()
    owner.stdout.close()

    wait_until(
        lambda: not [pid for pid in pids if psutil.pid_exists(pid)],
        what="the components' end",
        deadline_seconds=60,
    )


@pytest.mark.live
def test_a_component_that_cannot_start_shows_its_own_words(tmp_path: Path) -> None:
    """An unusable metadata database ends the start with the tail of the log that says why, and leaves nothing."""
    settings = prepare_home(tmp_path, database_url=f"sqlite:///{tmp_path}/no/such/folder/airflow.db")
    stack = LocalStack(settings)

    with pytest.raises(ComponentFailedError, match=r"database migration ended with status(.|\n)*unable to open"):
        stack.start()

    assert stack.components == {}
