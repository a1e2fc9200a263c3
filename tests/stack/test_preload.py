"""What config/airflow_local_settings.py imports, and in which processes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from setpoint.stack.environment import PRELOAD, airflow_environment, inherited_environment
from setpoint.stack.settings import REPOSITORY, prepare_home

REPORT = """
import json, sys
sys.argv = {arguments!r}
import airflow
print(json.dumps([name for name in {modules!r} if name in sys.modules]))
"""
PARSE = """
import sys
sys.argv = ["airflow", "dag-processor"]
import airflow
from airflow.dag_processing.dagbag import DagBag
known = set(sys.modules)
bag = DagBag(dag_folder={dags!r}, load_op_links=False)
assert bag.dags and not bag.import_errors, bag.import_errors
print(sorted(name for name in set(sys.modules) - known if name.startswith("setpoint")))
"""
LATE = """
import json, sys
sys.argv = ["airflow", "scheduler"]
import airflow
there = [name for name in {modules!r} if name in sys.modules]
from scipy import stats
import scipy.stats as the_same
from scipy.stats import norm
print(json.dumps([there, stats is the_same, float(stats.norm.cdf(0)), norm is stats.norm]))
"""
NEEDLESS = [
    "matplotlib",
    "scipy.stats._continuous_distns",
    "altair.vegalite",
    "setpoint_airflow.pages.app",
    "setpoint_airflow.webhook.app",
    "setpoint.lab.server",
]
HEAVY = [
    "great_expectations",
    "pyarrow.parquet",
    "boto3",
    "setpoint.model",
    "airflow.providers.amazon.aws.hooks.base_aws",
]


def preloaded(home: Path, *arguments: str, switch: str = "1") -> list[str]:
    """Return which heavy modules ``airflow ARGUMENTS`` has imported once Airflow's settings are initialised."""
    environment = inherited_environment({}) | airflow_environment(prepare_home(home)) | {PRELOAD: switch}
    program = REPORT.format(arguments=["airflow", *arguments], modules=HEAVY)
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    found: list[str] = json.loads(result.stdout.splitlines()[-1])
    return found


def test_the_process_that_forks_tasks_imports_the_heavy_libraries(tmp_path: Path) -> None:
    """The scheduler's forks find Great Expectations, Parquet, boto3 and Setpoint's own rooms already there."""
    assert preloaded(tmp_path, "scheduler", "--skip-serve-logs") == HEAVY


def test_what_no_task_uses_is_not_in_every_tasks_memory(tmp_path: Path) -> None:
    """The API server's pages stay out; what a library imports in vain is loaded by whoever uses it, and is whole."""
    environment = inherited_environment({}) | airflow_environment(prepare_home(tmp_path))
    result = subprocess.run(
        [sys.executable, "-c", LATE.format(modules=NEEDLESS)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert json.loads(result.stdout.splitlines()[-1]) == [[], True, 0.5, True]


@pytest.mark.parametrize(
    ("arguments", "switch"), [(("api-server",), "1"), (("dags", "list"), "1"), (("scheduler",), "0")]
)
def test_other_processes_are_spared(tmp_path: Path, arguments: tuple[str, ...], switch: str) -> None:
    """A component that forks no tasks, and a scheduler that was told not to, stays small."""
    assert "great_expectations" not in preloaded(tmp_path, *arguments, switch=switch)


def test_the_process_that_forks_parsers_has_what_dag_files_import(tmp_path: Path) -> None:
    """A parser imports nothing of ours anew, and the heavy libraries are in no parser at all."""
    environment = inherited_environment({}) | airflow_environment(prepare_home(tmp_path))
    program = PARSE.format(dags=str(REPOSITORY / "dags"))
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]", "a Dag file imports these; add them to _FOR_PARSERS"
    assert preloaded(tmp_path, "dag-processor") == ["setpoint.model"]
