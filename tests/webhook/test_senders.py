"""senders.yaml: who may post, and every mistake in it."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from webhook_parts import SENDERS

from setpoint.events.senders import BearerSender, HmacSender, SendersError, SnsSender, load_senders


def test_the_file_says_who_may_post(tmp_path: Path) -> None:
    """Each sender with its way of proving itself, and the connections its secrets are in."""
    file = tmp_path / "senders.yaml"
    file.write_text(SENDERS)
    senders = load_senders(file)
    assert sorted(senders) == ["aws", "ci", "forgotten", "grafana", "tool"]
    tool, ci, aws = senders["tool"], senders["ci"], senders["aws"]
    assert isinstance(tool, BearerSender)
    assert tool.connections("my-tool") == ("setpoint_webhook_my_tool",)
    assert isinstance(ci, HmacSender)
    assert (ci.connections("ci"), ci.tolerance) == (("webhook_ci",), timedelta(minutes=5))
    assert isinstance(aws, SnsSender)


def test_both_connections_count_while_a_secret_is_changed() -> None:
    """The current one first."""
    sender = BearerSender(auth="bearer", connection="new", previous_connection="old")
    assert sender.connections("x") == ("new", "old")


def test_no_file_is_no_sender(tmp_path: Path) -> None:
    """A deployment without a webhook needs no file."""
    assert load_senders(tmp_path / "senders.yaml") == {}


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """A sender that is taken out is out at once."""
    file = tmp_path / "senders.yaml"
    file.write_text(SENDERS)
    assert load_senders(file)
    file.write_text("version: 1\n")
    assert load_senders(file) == {}


def test_every_mistake_is_listed_with_its_place(tmp_path: Path) -> None:
    """Line, path, value; and a secret that was put in the file is not repeated."""
    file = tmp_path / "senders.yaml"
    file.write_text(
        "version: 1\n"
        "senders:\n"
        "  tool: {auth: bearer, token: very-secret-token}\n"
        "  ci: {auth: hmac, format: github, tolerance: 2d}\n"
        "  aws: {auth: sns, topics: [alarms]}\n"
        "  other: {auth: none}\n"
        "  fast: {auth: bearer, per_minute: 0}\n"
    )
    with pytest.raises(SendersError) as refused:
        load_senders(file)
    places = {(one.line, one.path) for one in refused.value.problems}
    assert places == {
        (3, "senders.tool.token"),
        (4, "senders.ci.format"),
        (4, "senders.ci.tolerance"),
        (5, "senders.aws.topics[0]"),
        (6, "senders.other"),
        (7, "senders.fast.per_minute"),
    }
    assert "very-secret-token" not in str(refused.value)


@pytest.mark.parametrize("text", ["senders: [", "version: 1\nversion: 1\n", "\xff", "version: 2\n", "- 1\n", ""])
def test_what_is_no_senders_file_is_refused(tmp_path: Path, text: str) -> None:
    """Nothing is guessed: a broken file is an error, not an empty one."""
    file = tmp_path / "senders.yaml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(SendersError):
        load_senders(file)


def _documented() -> list[tuple[str, str]]:
    """Every ``senders.yaml`` that a page shows."""
    pages = sorted((Path(__file__).resolve().parents[2] / "docs").rglob("*.md"))
    blocks = [(page.name, text) for page in pages for text in re.findall(r"```ya?ml\n(.*?)```", page.read_text(), re.S)]
    return [(name, text) for name, text in blocks if re.search(r"^senders:", text, re.M)]


@pytest.mark.parametrize(("page", "text"), _documented(), ids=lambda value: str(value)[:30])
def test_every_senders_file_in_the_docs_is_valid(tmp_path: Path, page: str, text: str) -> None:
    """What a page shows can be copied."""
    file = tmp_path / "senders.yaml"
    file.write_text(text)
    assert load_senders(file), page
