"""``setpoint event``: sending through the queue, the webhook and the ledger, and looking after what came in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result
from webhook_parts import POLICY, Webhook

from setpoint.cli.main import app
from setpoint.events.arrivals import Arrival
from setpoint.lab.config import LabConfig
from setpoint.lab.process import LabProcess
from setpoint.lab.provision import airflow_connection, client
from setpoint.ledger import Ledger

Run = Callable[..., Result]


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """The test's own look into the ledger."""
    with Ledger.open(ledger_url) as opened:
        yield opened


@pytest.fixture
def run(policies: Path, ledger: Ledger, ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``setpoint event …`` in this process."""
    monkeypatch.setenv("SETPOINT_LEDGER_URL", ledger_url)

    def invoke(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, ["event", *arguments], input=stdin, catch_exceptions=False)

    return invoke


def told(result: Result) -> Any:
    """What a command printed as JSON, when all was well."""
    assert result.exit_code == 0, result.output
    # A test before this one may have set Airflow's logging up in this process, which then logs to the same stream.
    return json.loads(result.stdout[result.stdout.index("{") :])


def refused(ledger: Ledger, message_id: str, body: str) -> None:
    """Let the ledger refuse a message of a queue, as if an older Setpoint had read it."""
    ledger.receive(
        [Arrival(message_id=message_id, source="sqs:events", body=body, refused=("unknown_policy", "no such policy"))],
        datetime.now(UTC),
    )


def test_what_is_asked_for_waits_in_the_ledger(run: Run, ledger: Ledger) -> None:
    """A policy without a queue gets its event through the ledger, as a request of whoever called."""
    sent = told(
        run("send", "--policy", "web", "--wanted-units", "6", "--reason", "noon", "--target", "web-group", "--json")
    )
    assert sent["via"] == "ledger"
    (event,) = ledger.take_events("web", "run-1", datetime.now(UTC))
    assert event.request is not None
    assert (event.kind, event.request.wanted_units, event.request.reason) == ("manual", 6, "noon")
    assert event.request.targets == ("web-group",)
    assert event.request.requested_by.endswith("(command line)")
    shown = run(*sent["see"].removeprefix("setpoint event ").split())
    assert "policy web: taken; setpoint explain run-1" in shown.stdout


def test_a_mere_look_asks_for_nothing(run: Run, ledger: Ledger) -> None:
    """Without capacity, reason or dry run, the metrics decide; and the policy is due at once for its own stream."""
    told(run("send", "--policy", "web", "--json"))
    assert ledger.claim_wakes(None, datetime.now(UTC)) == {"web"}
    (event,) = ledger.take_events("web", "run-1", datetime.now(UTC))
    assert (event.request is None) or not event.request.wants_capacity


def test_the_same_id_counts_once(run: Run, ledger: Ledger) -> None:
    """A script that runs twice asks once, and is told so."""
    send = ("send", "--policy", "web", "--id", "deploy-4711", "--wanted-units", "4")
    fates = [told(run(*send, "--json"))["fate"] for _ in range(2)]
    assert fates == ["accepted", "duplicate"]
    assert "it was sent before, and counts once" in run(*send).stdout
    assert len(ledger.receipts()) == 1


def test_what_was_sent_is_found_by_its_own_id(run: Run, ledger: Ledger) -> None:
    """An operator has the id that the sender, or the queue, gave the message; of several with it none is guessed."""
    told(run("send", "--policy", "web", "--id", "deploy-4711", "--json"))
    shown = run("show", "deploy-4711")
    assert shown.exit_code == 0
    assert "policy web: waiting" in shown.stdout
    refused(ledger, "deploy-4711", "{}")
    several = run("show", "deploy-4711")
    assert several.exit_code == 1, "the answer is no; nothing is wrong with the ledger"
    ids = [one.receipt_id for one in ledger.receipts()]
    assert len(ids) == 2
    assert all(one in several.output for one in ids)


def test_what_is_still_on_its_queue_is_said_to_be(run: Run) -> None:
    """Right after it was sent, nobody may have taken it in yet: that is no reason to look among the refused."""
    assert "still on its queue" in run("show", "0123456789ab").output


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--policy", "wbe"], 1, "wbe"),
        (["--policy", "web", "--reason", "x" * 501], 1, "reason"),
        (["--policy", "web", "--via", "queue"], 1, "--via ledger"),
        (["--policy", "web", "--kind", "json"], 2, "--file"),
        (["--policy", "web", "--file", "-", "--reason", "x"], 2, "--file"),
        (["--policy", "web", "--via", "airflow"], 2, "--airflow-url"),
        (["--policy", "web", "--file", "/nowhere.json"], 2, "--file /nowhere.json: no such file or directory\n"),
        (["--policy", "web", "--file", "/"], 2, "--file /: is a directory\n"),
        (["--policy", "web", "--file", "-", "--kind", "morse"], 2, "there is no such kind. Known: aws.autoscaling, "),
        (["--policy", "web", "--wanted-units", "10"], 1, "10 is outside the limits of web, 1 to 9"),
        (["--policy", "queued", "--wanted-units", "0"], 1, "0 is outside the limits of queued, 1 to 9"),
        (["--policy", "web", "--file", "-", "--kind", "jsn"], 2, "did you mean json?"),
        (["--policy", "web", "--via", "airflow", "--airflow-url", "http://127.0.0.1:9"], 3, "127.0.0.1:9"),
    ],
)
def test_what_cannot_be_sent_says_why(run: Run, ledger: Ledger, arguments: list[str], code: int, says: str) -> None:
    """1: the answer is no; 2: called wrongly; 3: somebody does not answer. And nothing was sent."""
    result = run("send", *arguments, stdin="{}")
    assert result.exit_code == code, result.output
    assert says in result.output
    assert ledger.receipts() == ()


def test_a_file_that_would_be_refused_is_not_sent(run: Run, ledger: Ledger) -> None:
    """With every problem, before it leaves; and so is one that the policy does not want."""
    bad = run("send", "--policy", "web", "--file", "-", stdin='{"policy": "web", "sumary": 1, "id": 7}')
    assert bad.exit_code == 1
    assert "sumary" in bad.output
    assert "id" in bad.output
    other = run("send", "--policy", "web", "--file", "-", stdin='{"policy": "api"}')
    assert other.exit_code == 1
    assert "would not want" in other.output
    assert ledger.receipts() == ()
    assert told(run("send", "--policy", "web", "--file", "-", "--json", stdin='{"policy": "web"}'))["via"] == "ledger"
    assert ledger.pending_policies() == ("web",)


def test_a_policy_that_listens_to_nothing_needs_airflow(run: Run, policies: Path) -> None:
    """Nobody would wake it for what waits in the ledger."""
    text = POLICY.format(name="quiet", triggers="")
    (policies / "quiet.yaml").write_text(text)
    result = run("send", "--policy", "quiet")
    assert result.exit_code == 1
    assert "--via airflow" in result.output


def test_the_policys_queue_is_the_first_choice(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message is on the queue, as the intake reads it; also on a FIFO queue, where a repeated id is one message."""
    with LabProcess(LabConfig(fleets=()), log_path=tmp_path / "lab.log") as lab:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", airflow_connection(lab.url))
        sqs = client("sqs", lab.url)
        url = sqs.create_queue(QueueName="events")["QueueUrl"]
        sent = told(run("send", "--policy", "queued", "--wanted-units", "5", "--id", "d-1", "--json"))
        (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
        body = json.loads(message["Body"])
        assert (sent["via"], sent["message_id"]) == ("queue", message["MessageId"])
        assert (body["policy"], body["id"], body["request"]["wanted_units"]) == ("queued", "d-1", 5)
        missing = run("send", "--policy", "fifo")
        assert missing.exit_code == 1
        folder = Path(str(tmp_path / "policies"))
        (folder / "fifo.yaml").write_text(POLICY.format(name="fifo", triggers="{kind: json, queue: events.fifo}"))
        assert run("send", "--policy", "fifo").exit_code == 3
        fifo = sqs.create_queue(QueueName="events.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        for _ in range(2):
            told(run("send", "--policy", "fifo", "--id", "d-2", "--json"))
        assert len(sqs.receive_message(QueueUrl=fifo, MaxNumberOfMessages=10)["Messages"]) == 1


def test_the_webhook_takes_what_the_command_sends(webhook: Webhook, run: Run) -> None:
    """With a token, and with a signature, each from its Airflow connection; what it refuses ends with its words."""
    base = webhook.url.removesuffix("/setpoint")
    for policy in ("web", "api"):
        sent = told(run("send", "--policy", policy, "--via", "webhook", "--airflow-url", base, "--json"))
        assert sent["via"] == "webhook"
        assert "accepted" in run("show", sent["see"].rpartition(" ")[2]).stdout
    assert webhook.woken == ["web", "api"]
    webhook.senders_file.write_text("version: 1\nsenders: {}\n")
    gone = run("send", "--policy", "web", "--via", "webhook", "--airflow-url", base)
    assert gone.exit_code == 1
    assert "senders.yaml" in gone.output
    nobody = run("send", "--policy", "web", "--via", "webhook", "--airflow-url", "http://127.0.0.1:9")
    assert nobody.exit_code in (1, 3)


def test_refused_messages_are_listed_read_again_and_put_aside(run: Run, ledger: Ledger, policies: Path) -> None:
    """After the policy is there, the message wakes it; what is still wrong stays open until somebody puts it aside."""
    refused(ledger, "m-1", '{"policy": "later", "id": "x"}')
    refused(ledger, "m-2", "not json \x1b[31m")
    listed = told(run("rejects", "--json"))["rejects"]
    assert sorted(one["message_id"] for one in listed) == ["m-1", "m-2"]
    assert "\x1b" not in run("rejects").stdout

    assert run("replay", "--all").exit_code == 1
    (policies / "later.yaml").write_text(POLICY.format(name="later", triggers="{kind: json, webhook: tool}"))
    by_message = {one["message_id"]: one["reject_id"] for one in listed}
    again = told(run("replay", by_message["m-1"][:8], "--json"))["replayed"]
    assert [one["fate"] for one in again] == ["accepted"]
    assert ledger.pending_policies() == ("later",)
    assert ledger.claim_wakes(None, datetime.now(UTC)) == {"later"}

    still = run("replay", by_message["m-2"][:8])
    assert still.exit_code == 1
    assert "not_json" in still.output
    assert run("dismiss", by_message["m-2"][:8], "--reason", "a test").exit_code == 0
    assert told(run("rejects", "--json"))["rejects"] == []
    assert len(told(run("rejects", "--all", "--json"))["rejects"]) == 2
    assert "no refused message is open" in run("replay", "--all").stdout
    shown = told(run("show", by_message["m-2"], "--json"))
    assert (shown["reject"]["state"], shown["reject"]["resolution"]) == ("dismissed", "a test")


def test_an_unwanted_message_is_routed_again(webhook: Webhook, run: Run, ledger: Ledger, policies: Path) -> None:
    """Nobody wanted it; then a policy's trigger is mended, and the same message wakes it."""
    webhook.with_token({"policy": "queued", "id": "q"})
    (lost,) = told(run("unwanted", "--json"))["unwanted"]
    assert lost["receipt_id"][:12] in run("unwanted").stdout
    assert run("replay", lost["receipt_id"]).exit_code == 1
    (policies / "queued.yaml").write_text(POLICY.format(name="queued", triggers="{kind: json, webhook: tool}"))
    assert told(run("replay", lost["receipt_id"], "--json"))["replayed"][0]["fate"] == "accepted"
    assert ledger.pending_policies() == ("queued",)


def test_every_message_is_accounted_for(webhook: Webhook, run: Run, ledger: Ledger) -> None:
    """Sent, sent twice, refused, unwanted: the counts are the messages."""
    webhook.with_token({"policy": "web", "id": "1"})
    webhook.with_token({"policy": "web", "id": "1"})
    webhook.with_token({"policy": "queued"})
    webhook.with_token("{{")
    ledger.take_events("web", "run-1", datetime.now(UTC))
    ledger.close_events("run-1", "held", datetime.now(UTC))
    books = told(run("accounting", "--since", "1h", "--json"))
    counted = {name: books[name] for name in ("receipts", "acted_on", "duplicate", "unwanted", "rejected", "missing")}
    assert counted == {"receipts": 4, "acted_on": 1, "duplicate": 1, "unwanted": 1, "rejected": 1, "missing": 0}
    assert told(run("accounting", "--source", "webhook:nobody", "--json"))["receipts"] == 0
    assert "1 acted on" in run("accounting").stdout
    assert "4 messages since" in run("accounting").stdout
    assert "       0 messages since" in run("accounting", "--source", "webhook:nobody").stdout
    assert run("accounting", "--since", "yesterday").exit_code == 2


@pytest.mark.parametrize("command", ["show", "replay"])
def test_what_is_not_there_is_a_no(run: Run, command: str) -> None:
    """Exit status 1, and where to look."""
    result = run(command, "0123456789ab")
    assert result.exit_code == 1
    assert "setpoint event rejects" in result.output


@pytest.mark.parametrize("command", ["send", "show", "rejects", "unwanted", "replay", "dismiss", "accounting"])
def test_every_command_has_help_with_examples_and_json(run: Run, command: str) -> None:
    """Each says what it does, shows how, and can speak to programs."""
    result = run(command, "--help")
    assert result.exit_code == 0
    for words in (f"setpoint event {command}", "Examples:", "--json"):
        assert words in result.stdout
