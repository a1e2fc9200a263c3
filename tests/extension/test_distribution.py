"""Somebody outside the project adds a source, a strategy and a target: one file each, one entry point each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

DISTRIBUTION = Path(__file__).parent / "distribution"

POLICY = """\
version: 1
name: outside
owner: tests
targets: {kind: example.counter}
metrics: {load: {source: example.flat, value: 90, period: 10s, window: 2m}}
scale: {strategy: example_double, metric: load, above: 70}
limits: {min: 1, max: 10}
feedback: {after: 1m, healthy: {load: {max: 95}}}
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example distribution really installed in it, entry points included."""
    source = tmp_path_factory.mktemp("source") / "distribution"
    shutil.copytree(DISTRIBUTION, source)
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "--target", str(folder), str(source)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def run(code: str, installed: Path, **variables: str) -> str:
    """Run code in a fresh process that has the distribution on its path."""
    paths = os.pathsep.join([str(installed), *(path for path in sys.path if path)])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | {"PYTHONPATH": paths} | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_policy_of_foreign_parts_runs_from_pull_to_change(installed: Path, tmp_path: Path) -> None:
    """The policy validates, the fleet is evaluated, and the change is carried out, without a line of ours changed."""
    (tmp_path / "outside.yaml").write_text(POLICY)
    told = run(
        """
        import os
        from datetime import UTC, datetime, timedelta
        from pathlib import Path
        from setpoint.ledger import Ledger
        from setpoint.policy.loader import load_policy
        from setpoint.sources import SOURCES
        from setpoint.sources.batches import BatchStore
        from setpoint.steps.apply import carry_out
        from setpoint.steps.evaluate import evaluate
        from setpoint.targets import TARGETS

        home = Path(os.environ["HOME_OF_TEST"])
        policy = load_policy(home / "outside.yaml").policy
        target = TARGETS.load(policy.targets.kind)()
        now = datetime.now(UTC)
        seen = evaluate(policy, run_id="outside/1", sources={"example.flat": SOURCES.load("example.flat")()},
                        reader=target, store=BatchStore(home / "batches"), memory={}, now=now)
        decision = seen.decisions[0]
        print(decision.action, decision.from_units, decision.to_units, decision.reasons[0].code)
        with Ledger.open(f"sqlite:///{home / 'ledger.db'}") as ledger:
            change = seen.plan.changes[0].model_copy(update={"dry_run": False})
            done = carry_out(change, policy=policy, plan_expires_at=now + timedelta(minutes=1), target=target,
                             ledger=ledger, clock=lambda: datetime.now(UTC))
        print(done.state, target.read(["counter"])["counter"].desired_units)
        """,
        installed,
        HOME_OF_TEST=str(tmp_path),
    )
    assert told.splitlines() == ["scale_out 3 6 doubled", "applied 6"]


def test_foreign_parts_are_in_the_schema_and_their_mistakes_are_reported(installed: Path, tmp_path: Path) -> None:
    """The JSON schema names them, and a mistake in their own keys has its file, line and path."""
    (tmp_path / "outside.yaml").write_text(POLICY.replace("above: 70", "abov: 70"))
    told = run(
        """
        import json, os
        from pathlib import Path
        from setpoint.policy.jsonschema import policy_schema
        from setpoint.policy.loader import load_policies

        schema = json.dumps(policy_schema())
        print(all(name in schema for name in ("example.flat", "example_double", "example.counter")))
        for problems in load_policies(Path(os.environ["HOME_OF_TEST"])).broken.values():
            print("\\n".join(map(str, problems)))
        """,
        installed,
        HOME_OF_TEST=str(tmp_path),
    )
    assert told.startswith("True\n")
    assert "outside.yaml:6" in told
    assert "did you mean" in told


def test_a_broken_extension_fails_loudly_and_names_its_distribution(installed: Path, tmp_path: Path) -> None:
    """Whoever installed it reads which distribution, which entry point and why."""
    broken = tmp_path / "broken"
    shutil.copytree(installed, broken)
    (broken / "setpoint_example" / "flat.py").write_text("import a_module_that_is_not_there\n")
    told = run(
        """
        from setpoint.registry import ExtensionError
        from setpoint.sources import SOURCES
        try:
            SOURCES.load("example.flat")
        except ExtensionError as error:
            print(error)
        """,
        broken,
    )
    for word in ("setpoint-example", "example.flat", "a_module_that_is_not_there"):
        assert word in told


def test_an_unknown_name_is_answered_with_a_suggestion(installed: Path) -> None:
    """A misspelt name names the one that may have been meant."""
    told = run(
        """
        from setpoint.registry import UnknownNameError
        from setpoint.strategies import STRATEGIES
        try:
            STRATEGIES.load("treshold")
        except UnknownNameError as error:
            print(error)
        """,
        installed,
    )
    assert "did you mean 'threshold'" in told
