"""The infrastructure that the pages show is valid, and both languages make the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cloudformation_files import load, made_by, path_of
from infrastructure_names import FOLDER, STEMS, VARIABLES, canonical
from infrastructure_twins import ONLY_IN_TERRAFORM, TWINS, twin_of
from terraform_arguments import problems
from terraform_files import Module, Resource

MODULE = Module()
RESOURCES = list(MODULE.resources())


def test_cfn_lint_has_nothing_to_say() -> None:
    """No error, no warning, no remark; against the schemas it carries, without a network."""
    program = Path(sys.executable).with_name("cfn-lint")
    command = [str(program), "--include-checks", "I", "--regions", "eu-west-1", "us-east-1", "--"]
    paths = [str(path_of(stem)) for stem in STEMS]
    done = subprocess.run([*command, *paths], capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("stem", STEMS)
def test_each_template_has_a_terraform_twin(stem: str) -> None:
    """Same name, same purpose in its first line."""
    twin = FOLDER / "terraform" / f"{stem}.tf"
    assert path_of(stem).read_text().splitlines()[0] == twin.read_text().splitlines()[0]


def described(kind: str, arguments: dict[str, Any]) -> tuple[str, Any]:
    return kind, canonical(
        {key: value for key, value in arguments.items() if key not in ONLY_IN_TERRAFORM.get(kind, ())}
    )


def ordered(said: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return sorted(said, key=repr)


@pytest.mark.parametrize("stem", STEMS)
def test_both_languages_make_the_same(stem: str) -> None:
    """Every resource with every argument: names, policies, patterns, actions, limits."""
    wanted = [described(kind, own) for made in made_by(stem).values() for kind, own in twin_of(made)]
    found = [described(one.type, dict(one.arguments)) for one in RESOURCES if one.file == stem]
    assert ordered(found) == ordered(wanted)


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: f"{one.file}-{one.type}-{one.name}")
def test_terraform_gives_the_provider_what_it_knows(resource: Resource) -> None:
    """Every required argument is there, and none that the resource does not have."""
    assert problems(resource.type, resource.arguments) == []


def test_a_mistake_would_be_found() -> None:
    """An argument that is not there, one that is missing, one in a nested block; a reference that leads nowhere."""
    assert problems("aws_sqs_queue_policy", {"url": "x", "policy": "{}"}) == [
        "aws_sqs_queue_policy has no argument url",
        "aws_sqs_queue_policy needs queue_url",
    ]
    nested = {"rule": "r", "arn": "a", "retry_policy": [{"attempts": 3}]}
    assert problems("aws_cloudwatch_event_target", nested) == [
        "aws_cloudwatch_event_target.retry_policy has no argument attempts"
    ]
    for wrong in ("aws_sqs_queue.gone.arn", "var.gone", "aws_sqs_queue.events.colour"):
        with pytest.raises(LookupError):
            MODULE._expression(wrong, None)


def test_every_variable_is_used_and_every_parameter_too() -> None:
    """A parameter that nothing reads would only be in the way."""
    assert MODULE.variables.keys() == VARIABLES.keys() == set().union(*MODULE.used.values())
    for stem in STEMS:
        template = load(stem)
        text = path_of(stem).read_text().partition("Resources:")[2]
        unused = [
            name for name in template.get("Parameters", {}) if f"!Ref {name}" not in text and f"${{{name}}}" not in text
        ]
        assert unused == [], stem


def test_every_type_has_its_translation() -> None:
    """And no translation is left over."""
    used = {made.type for stem in STEMS for made in made_by(stem).values()}
    assert used == TWINS.keys()


def test_both_languages_forward_logs_by_the_same_code() -> None:
    """What stands in the template is the file that Terraform packs; its handler is there."""
    code = load("logs")["Resources"]["Function"]["Properties"]["Code"]["ZipFile"]
    assert code == (FOLDER / "terraform" / "forward_logs.py").read_text()
    (function,) = [one for one in RESOURCES if one.type == "aws_lambda_function"]
    assert function.arguments["handler"] == "forward_logs.handler"
    assert "def handler(event, context):" in code


def test_every_file_is_shown_on_the_page() -> None:
    """Whole: the reference's own check keeps what is shown equal to the file."""
    page = (FOLDER / "README.md").read_text()
    files = [path for folder in ("cloudformation", "terraform") for path in (FOLDER / folder).iterdir()]
    assert [path.name for path in files if path.is_file() and path.read_text() not in page] == []
