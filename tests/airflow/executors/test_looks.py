"""Which runs the scheduler looks at next, on Airflow's own tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

PROGRAM = textwrap.dedent(
    """
    import json, sys
    from datetime import datetime, timedelta, timezone

    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.db import initdb
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunType

    from setpoint_airflow.executors.looks import WHOLE_SECONDS, Looks

    initdb()
    long_ago = datetime.now(timezone.utc) - timedelta(hours=1)
    with create_session() as session:
        session.add(DagBundleModel(name="dags"))
        session.flush()
        for number in range(6):
            dag = f"setpoint.{number}"
            session.add(DagModel(dag_id=dag, bundle_name="dags", is_paused=False, is_stale=False, fileloc="/x"))
            session.flush()
            run = DagRun(dag_id=dag, run_id="r", run_type=DagRunType.MANUAL, run_after=long_ago)
            run.state = DagRunState.RUNNING
            run.last_scheduling_decision = long_ago + timedelta(minutes=number)
            session.add(run)

    def looked_at():
        with create_session() as session:
            return [run.dag_id for run in DagRun.get_running_dag_runs_to_examine(session=session)]

    now = 100.0
    looks = Looks(clock=lambda: now)
    told = {"first": looked_at()}
    looks.at({("setpoint.5", "r"), ("setpoint.3", "r")})
    told["news"] = sorted(looked_at())
    now += WHOLE_SECONDS
    looks.at({("setpoint.4", "r")})
    told["due"] = looked_at()
    looks.at({("setpoint.4", "another"), ("no such Dag", "r")})
    told["unknown"] = looked_at()
    looks.at({(f"setpoint.{n}", f"{m}") for n in range(6) for m in range(100)})
    told["many"] = len(looked_at())
    looks.at_all()
    told["all"] = len(looked_at())
    print(json.dumps(told))
    """
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What each look would take, of six runs of which the first was looked at longest ago."""
    home = tmp_path_factory.mktemp("looks")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "PYTHONPATH": os.pathsep.join(str(Path(__file__).parents[3] / one) for one in ("include", "plugins")),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=240, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_runs_with_news_alone_are_looked_at(told: Any) -> None:
    """Two of six, and not the ones that have waited longest."""
    assert told["first"] == [f"setpoint.{number}" for number in range(6)]
    assert told["news"] == ["setpoint.3", "setpoint.5"]


def test_a_whole_look_is_never_far(told: Any) -> None:
    """After two seconds of news all runs are looked at, those with news first."""
    assert told["due"][:1] != ["setpoint.0"]
    assert "setpoint.4" in told["due"][:3]
    assert sorted(told["due"]) == [f"setpoint.{number}" for number in range(6)]


def test_news_of_unknown_runs_do_no_harm(told: Any) -> None:
    """A nudge about a run that is not there costs a look, and never more looks than Airflow is set to."""
    assert len(told["unknown"]) == 2
    assert told["many"] == told["all"] == 6
