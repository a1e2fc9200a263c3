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

from hypothesis import settings

# No wall clock in a test: a busy machine is not a failure.
settings.register_profile("setpoint", deadline=None)
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
    SETPOINT_DATA=str(_HOME / "setpoint"),
    NO_PROXY="127.0.0.1,localhost",
)
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
