"""The Dag files as Airflow sees them: complete, light, and shaped like the design's sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "include" / "policies"

BAG = textwrap.dedent(
    """
    import json, sys
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=sys.argv[1])
    heavy = ("pandas", "numpy", "great_expectations", "boto3", "botocore", "pyarrow", "matplotlib", "moto")
    print("RESULT" + json.dumps({
        "errors": {file.rsplit("/", 1)[-1]: str(error) for file, error in bag.import_errors.items()},
        "dags": {
            name: {
                "downstream": {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks},
                "tags": sorted(dag.tags),
                "owners": sorted({task.owner for task in dag.tasks}),
                "schedule": type(dag.timetable).__name__,
                "documented": bool(dag.doc_md),
                "catchup": dag.catchup,
                "forms": [task.task_id for task in dag.tasks if task.params],
                "pools": {task.task_id: task.pool for task in dag.tasks if task.pool != "default_pool"},
                "params": {key: dag.params.get_param(key).schema for key in dag.params},
            }
            for name, dag in bag.dags.items()
        },
        "heavy": [name for name in heavy if name in sys.modules],
    }))
    """
)


def load(policies: Path, tmp_path: Path, dags: Path = REPOSITORY / "dags", **variables: str) -> dict[str, Any]:
    """Parse the Dag folder in a fresh process, as the Dag processor does, and describe what came of it."""
    environment = os.environ | {"SETPOINT_POLICIES": str(policies), "SETPOINT_DATA": str(tmp_path)} | variables
    done = subprocess.run(
        [sys.executable, "-c", BAG, str(dags)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    found: dict[str, Any] = json.loads(line.removeprefix("RESULT"))
    return found


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The Dags of the example policies."""
    return load(EXAMPLES, tmp_path_factory.mktemp("data"))


def test_every_example_policy_has_its_dag_and_nothing_is_broken(examples: dict[str, Any]) -> None:
    """One Dag per policy file, the reconcile Dag, and no import error."""
    policies = {f"setpoint.{path.stem}" for path in EXAMPLES.glob("*.yaml")}
    assert examples["errors"] == {}
    assert set(examples["dags"]) == policies | {"setpoint.reconcile"}


def test_parsing_imports_nothing_heavy(examples: dict[str, Any]) -> None:
    """The Dag processor parses the files again and again: pandas, boto3 and Great Expectations stay out of it."""
    assert examples["heavy"] == []


def test_the_graph_reads_like_the_sentence(examples: dict[str, Any]) -> None:
    """Event → MetricBatch → QualityReport → Signal → Decision → Change → Outcome, task by task."""
    downstream = examples["dags"]["setpoint.storefront-web"]["downstream"]
    chain = ["take_events", "pull_metrics", "validate", "aggregate", "decide"]
    for before, after in pairwise(chain):
        assert downstream[before] == [after]
    assert {"scale_out", "scale_in", "hold", "quarantine"} <= set(downstream["decide"])
    assert "feedback.in_service" in downstream["scale_out"]
    assert "feedback.in_service" in downstream["scale_in"]
    assert downstream["feedback.in_service"] == ["feedback.watch_health"]
    assert downstream["feedback.watch_health"] == ["feedback.record_outcome"]
    assert downstream["feedback.record_outcome"] == ["feedback.roll_back"]
    assert downstream["close_run"] == []


def test_every_dag_is_owned_tagged_documented_and_catches_nothing_up(examples: dict[str, Any]) -> None:
    """Whoever is on call finds the owner and the page, and a pause of a day does not start a day of runs."""
    for name, dag in examples["dags"].items():
        assert "setpoint" in dag["tags"], name
        assert dag["documented"], name
        assert dag["catchup"] is False, name
        assert dag["owners"], name


def test_events_and_the_clock_start_the_same_dag(examples: dict[str, Any]) -> None:
    """A policy with both kinds of triggers has both schedules at once."""
    assert examples["dags"]["setpoint.storefront-web"]["schedule"] == "AssetOrTimeSchedule"


def test_the_trigger_form_knows_the_limits(examples: dict[str, Any]) -> None:
    """The form refuses a capacity outside the policy's limits before a task runs."""
    policy = yaml.safe_load((EXAMPLES / "storefront-web.yaml").read_text())
    wanted = examples["dags"]["setpoint.storefront-web"]["params"]["wanted_units"]
    assert (wanted["minimum"], wanted["maximum"]) == (policy["limits"]["min"], policy["limits"]["max"])


def test_a_broken_policy_fails_alone_and_visibly(tmp_path: Path) -> None:
    """Its mistakes are an import error; the valid policy beside it has its Dag."""
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "good.yaml").write_text(
        (EXAMPLES / "storefront-web.yaml").read_text().replace("name: storefront-web", "name: good")
    )
    (policies / "bad.yaml").write_text("version: 2\nname: BAD\n")

    found = load(policies, tmp_path)

    assert "setpoint.good" in found["dags"]
    assert list(found["errors"]) == ["setpoint_policy_problems.py"]
    told = found["errors"]["setpoint_policy_problems.py"]
    assert "bad.yaml:1" in told
    assert "bad.yaml:2" in told


def test_importing_the_plugins_folder_shadows_no_module(tmp_path: Path) -> None:
    """Only the registration file is imported by its flat name, so nothing of the package hides a library's module."""
    code = textwrap.dedent(
        """
        import sys
        from airflow import plugins_manager
        plugins, errors = plugins_manager._get_plugins()
        own = [name for name, module in sys.modules.items()
               if "plugins/setpoint_airflow" in (getattr(module, "__file__", None) or "")
               and not name.startswith("setpoint_airflow")]
        print("RESULT", len(errors), own, any(plugin.name == "setpoint" for plugin in plugins))
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert "RESULT 0 [] True" in done.stdout, done.stdout[-500:] + done.stderr[-2000:]


def test_the_form_is_kept_once(tmp_path: Path) -> None:
    """No task carries a copy of the trigger form: checking and storing fourteen of them took most of the parsing."""
    dags = load(EXAMPLES, tmp_path)["dags"]
    assert {name: dag["forms"] for name, dag in dags.items()} == {name: [] for name in dags}


def test_what_changes_something_takes_the_pool(tmp_path: Path) -> None:
    """One pool bounds how many tasks call the provider to change something; those that look do not wait for it."""
    dags = load(EXAMPLES, tmp_path, SETPOINT_CHANGE_POOL="aws-changes")["dags"]
    pools = dags["setpoint.storefront-web"]["pools"]
    assert pools == dict.fromkeys(("scale_out", "scale_in", "feedback.roll_back"), "aws-changes")
    assert load(EXAMPLES, tmp_path)["dags"]["setpoint.storefront-web"]["pools"] == {}
