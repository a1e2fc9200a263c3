"""What the pages show is true: links lead somewhere, policies are valid, commands and code work."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer
from doc_pages import REPOSITORY, Block, anchors, blocks, commands, links, pages, prose

from setpoint.cli.main import app
from setpoint.policy.loader import load_policy


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    """The file or folder is there, and so is the heading behind the hash."""
    broken = []
    for link in links(page):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_page_begins_with_one_title(page: Path) -> None:
    """One heading of the first level, and it comes first."""
    titles = [line for line in prose(page).splitlines() if line.startswith("# ")]
    lines = [line for line in prose(page).splitlines() if line and not line.startswith("<!--")]
    assert titles == lines[:1]


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_every_policy_is_valid(block: Block, tmp_path: Path) -> None:
    """A policy that is shown is accepted by the loader; a part of one says that it is a fragment."""
    if block.text.startswith("# fragment\n"):
        return
    file = tmp_path / "policy.yaml"
    file.write_text(block.text)
    load_policy(file)


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_every_json_is_json(block: Block) -> None:
    """A JSON block parses."""
    json.loads(block.text)


@pytest.mark.parametrize(("where", "arguments"), commands("setpoint"), ids=lambda value: str(value)[:80])
def test_every_setpoint_command_parses(where: str, arguments: list[str]) -> None:
    """The command exists and takes these arguments; it is not run."""
    group: Any = typer.main.get_command(app)
    context = group.make_context("setpoint", [], resilient_parsing=True)
    command = group.get_command(context, arguments[0])
    assert command is not None, where
    # A file that is the reader's own need not be here.
    inner = [argument for argument in arguments[1:] if argument not in OWN_FILES]
    command.make_context(arguments[0], inner, parent=context)


OWN_FILES = ("my-policies", "my-policies/", "--config", "fleets.json")


@pytest.mark.parametrize(("where", "arguments"), commands("make"), ids=lambda value: str(value)[:80])
def test_every_make_target_is_there(where: str, arguments: list[str]) -> None:
    """The Makefile has the target."""
    makefile = (REPOSITORY / "Makefile").read_text()
    assert all(f"\n{word}:" in makefile for word in arguments if "=" not in word), where


@pytest.mark.parametrize(("where", "arguments"), commands("aws"), ids=lambda value: str(value)[:80])
def test_every_aws_command_is_one_of_the_api(where: str, arguments: list[str]) -> None:
    """Service, operation and options are in AWS's own description of the API."""
    from botocore import xform_name
    from botocore.session import Session

    service, operation, *rest = arguments
    model = Session().get_service_model(service)
    by_name = {xform_name(name).replace("_", "-"): name for name in model.operation_names}
    assert operation in by_name, where
    members = model.operation_model(by_name[operation]).input_shape.members
    known = {f"--{xform_name(name).replace('_', '-')}" for name in members} | {"--cli-input-json"}
    # The AWS CLI's own name for the endpoint of a subscription.
    known |= {"--notification-endpoint"} if operation == "subscribe" else set()
    assert {word for word in rest if word.startswith("--")} <= known, where


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_test_that_is_named_is_there(page: Path) -> None:
    """``tests/room/test_x.py::test_y`` names a test function in that file."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text(encoding="utf-8"))
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (REPOSITORY / file).is_file() or f"def {name}(" not in (REPOSITORY / file).read_text()
    ]
    assert missing == []


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_every_python_block_compiles(block: Block) -> None:
    """What is shown is Python."""
    compile(block.text, str(block), "exec", dont_inherit=True)


def test_the_reference_is_what_the_code_says() -> None:
    """The checked-in pages are those that ``make docs`` would write."""
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "scripts" / "reference.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_no_page_is_a_promise(page: Path) -> None:
    """Documentation says what is, not what will be."""
    words = page.read_text(encoding="utf-8").lower()
    assert not any(word in words for word in ("todo", "fixme", "coming soon", "placeholder"))
