"""What all tests share: an Airflow of their own in a temporary folder, chosen before anything imports Airflow.

Nothing of the caller's environment (another Airflow's settings, AWS credentials, SETPOINT_*) reaches a test.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# No wall clock in a test: a busy machine is not a failure.
settings.register_profile("setpoint", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=2000)  # --hypothesis-profile=thorough
settings.load_profile("setpoint")

REPOSITORY = Path(__file__).resolve().parents[1]

for _name in [name for name in os.environ if name.startswith(("AIRFLOW_", "AIRFLOW__", "AWS_", "SETPOINT_"))]:
    del os.environ[_name]

_HOME = Path(tempfile.mkdtemp(prefix="setpoint-tests-"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)

os.environ.update(
    AIRFLOW_HOME=str(_HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(REPOSITORY / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(REPOSITORY / "plugins"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME / 'airflow.db'}",
    AIRFLOW__LOGGING__BASE_LOG_FOLDER=str(_HOME / "logs"),
    AWS_EC2_METADATA_DISABLED="true",
    GX_ANALYTICS_ENABLED="false",
    # moto's own 1,300 images cost 0.3 s at every start and end of an AWS in the test's process.
    MOTO_AMIS_PATH=str(REPOSITORY / "include" / "setpoint" / "lab" / "aws" / "images.json"),
    SETPOINT_DATA=str(_HOME / "setpoint"),
    NO_PROXY="127.0.0.1,localhost",
)
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, by name, what cannot run on this machine."""
    left_out = [item for item in items if item.get_closest_marker("elsewhere")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("elsewhere")]
        for item in left_out:
            print(f"left out, what it needs is not on this machine: {item.nodeid}", file=sys.stderr)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A skipped test in CI is a failure: what a test needs, the set-up installs."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("tests were skipped, which in CI is a failure", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
