"""What every registered target keeps, whoever wrote it."""

import ast
import inspect
import subprocess
import sys
from typing import Any

import boto3
import pytest

from setpoint.targets import TARGETS, autoscaling_group, checks
from setpoint.targets.contract import TargetConfig

KINDS = tuple(TARGETS)
READS = ("describe_", "get_", "list_", "can_paginate")


def client_for(service: str) -> Any:
    return boto3.client(service, region_name="eu-west-1", aws_access_key_id="lab", aws_secret_access_key="lab")


def reader_of(kind: str) -> Any:
    target = TARGETS.load(kind)
    return target.Reader(client_for(target.service)) if target.service else target.Reader()


def operations(service: str) -> set[str]:
    """Every operation of an AWS service, as boto3 names its methods."""
    client = client_for(service)
    return set(client.meta.method_to_api_mapping)


@pytest.mark.parametrize("kind", KINDS)
def test_declares_itself(kind: str) -> None:
    """A target has a typed config, a unit, and permissions that include those of reading."""
    target = TARGETS.load(kind)
    assert issubclass(target.Config, TargetConfig)
    assert target.Config.model_config["extra"] == "forbid"
    assert target.unit
    assert set(target.read_permissions) < set(target.permissions)
    assert inspect.getdoc(target)


@pytest.mark.parametrize("kind", KINDS)
def test_reader_asks_for_reading_permissions_only(kind: str) -> None:
    """The permissions of a dry run contain no action that changes anything."""
    target = TARGETS.load(kind)
    if target.service is None:
        pytest.skip("not an AWS target: its permissions are not IAM actions")
    verbs = {permission.partition(":")[2] for permission in target.read_permissions}
    assert all(verb.startswith(("Describe", "Get", "List")) for verb in verbs)


@pytest.mark.parametrize("kind", KINDS)
def test_dry_run_reader_has_nothing_that_mutates(kind: str) -> None:
    """No mutating API method is an attribute of the reader or of anything it holds."""
    reader = reader_of(kind)
    assert not hasattr(reader, "apply")
    if reader.service is None:
        return
    mutating = {name for name in operations(reader.service) if not name.startswith(READS)}
    assert "set_desired_capacity" in mutating or kind != "aws.autoscaling_group"
    held = [reader, *vars(reader).values()]
    found = {(type(one).__name__, name) for one in held for name in mutating if hasattr(one, name)}
    assert found == set()


@pytest.mark.parametrize("kind", KINDS)
def test_reader_client_cannot_be_given_more(kind: str) -> None:
    """What the reader holds is frozen: no method can be put on it afterwards."""
    for one in vars(reader_of(kind)).values():
        if type(one).__module__.startswith("setpoint."):
            with pytest.raises(AttributeError, match="read-only client"):
                one.set_desired_capacity = print


@pytest.mark.parametrize("kind", KINDS)
def test_importing_a_target_needs_no_cloud_library(kind: str) -> None:
    """Reading a policy file imports the target's module; that must not cost boto3."""
    code = (
        "import sys; from setpoint.targets import TARGETS; TARGETS.load(sys.argv[1]); "
        "print([m for m in ('boto3', 'botocore', 'airflow', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, kind], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.parametrize("module", [autoscaling_group, checks], ids=lambda module: module.__name__)
def test_every_reason_of_a_change_is_documented(module: Any) -> None:
    """Each code that stands in the source beside a change's state is in the table the reference is made from."""
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Call)]
    said = {
        call.args[1].value
        for call in calls
        if len(call.args) > 1
        and ast.unparse(call.args[0]).startswith("ChangeState.")
        and isinstance(call.args[1], ast.Constant)
    }
    assert len(said) >= 4
    assert said <= set(checks.APPLY_CODES)
