"""The plugins folder: what Airflow picks up from it, and what importing the Dag's side of it costs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

_LOADED = """
import json, queue, sys
own = queue.__file__
from airflow.plugins_manager import _get_plugins
plugins, errors = _get_plugins()
print("ANSWER" + json.dumps({
    "plugins": [plugin.name for plugin in plugins],
    "links": [type(link).__name__ for plugin in plugins for link in plugin.operator_extra_links],
    "errors": errors,
    "queue_is_pythons": sys.modules["queue"].__file__ == own,
}))
"""

_IMPORTED = """
import json, sys
import setpoint_airflow.watch
heavy = "boto3 botocore aiobotocore airflow.providers.amazon.aws.hooks great_expectations pandas pyarrow"
print("ANSWER" + json.dumps([name for name in heavy.split() if name in sys.modules]))
"""


def _python(code: str, plugins: Path = ROOT / "plugins") -> Any:
    environment = {**os.environ, "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert "ANSWER" in done.stdout, done.stderr
    return json.loads(done.stdout.partition("ANSWER")[2])


def test_airflow_picks_up_the_one_file() -> None:
    """The plugin and its links are there, nothing failed, and no module of ours took a standard module's place."""
    loaded = _python(_LOADED)
    assert "setpoint" in loaded["plugins"]
    assert "AutoScalingGroupLink" in loaded["links"]
    assert loaded["errors"] == {}
    assert loaded["queue_is_pythons"]


def test_without_the_ignore_file_modules_would_collide(tmp_path: Path) -> None:
    """The negative control: the check above sees the collision that .airflowignore prevents."""
    copy = shutil.copytree(
        ROOT / "plugins", tmp_path / "plugins", ignore=shutil.ignore_patterns(".airflowignore", "__pycache__")
    )
    assert not _python(_LOADED, copy)["queue_is_pythons"]


def test_the_dag_files_side_is_light() -> None:
    """Parsing a Dag file that builds a policy's assets loads no AWS library, no provider and no data frame."""
    assert _python(_IMPORTED) == []
