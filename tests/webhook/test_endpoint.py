"""``POST /setpoint/events/{sender}`` over HTTP, with a real ledger behind it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from webhook_parts import GRAFANA_KEY, SIGNING_KEY, TOKEN, TOPIC, Sns, Webhook, standard_signature, until

from setpoint.events.envelope import MAX_BYTES

KEY = b"0123456789abcdef0123456789abcdef"
HELLO = {"policy": "web", "id": "hello", "summary": "have a look"}


def signed(webhook: Webhook, body: Any, message_id: str = "m-1", at: datetime | None = None) -> httpx.Response:
    """POST as the sender that signs."""
    content = json.dumps(body).encode()
    return webhook.post("ci", content, **standard_signature(content, message_id, at or datetime.now(UTC), KEY))


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an answer that is a problem."""
    assert answer.headers["content-type"] == "application/problem+json"
    content = answer.json()
    assert content["status"] == answer.status_code
    assert content["title"]
    assert content["detail"]
    return answer.status_code, content["code"]


def nothing_came_of_it(webhook: Webhook) -> bool:
    """No event, no reject, nobody woken."""
    return not (webhook.ledger.pending_policies() or webhook.ledger.rejects() or webhook.woken)


def test_a_message_is_in_the_ledger_when_it_is_answered(webhook: Webhook) -> None:
    """202, and by then the policy that names the sender has an event waiting, and was woken."""
    answer = webhook.with_token(HELLO)
    assert answer.status_code == 202, answer.text
    assert (answer.json()["fate"], answer.json()["woken"]) == ("accepted", ["web"])
    (receipt,) = webhook.ledger.receipts()
    assert (receipt.receipt_id, receipt.source) == (answer.json()["receipt_id"], "webhook:tool")
    assert list(receipt.event_ids) == answer.json()["event_ids"] == ["json:id:web:hello"]
    assert webhook.ledger.pending_policies() == ("web",)
    assert webhook.woken == ["web"]


def test_the_same_event_twice_is_one(webhook: Webhook) -> None:
    """A sender that tries again is told so, and nobody is woken a second time."""
    webhook.with_token(HELLO)
    assert webhook.with_token(HELLO).json()["fate"] == "duplicate"
    assert webhook.woken == ["web"]


def test_a_message_without_identity_counts_once_by_its_idempotency_key(webhook: Webhook) -> None:
    """Without one each request is an event of its own; with one, the repeated request is not."""
    body = {"policy": "web", "summary": "look"}
    fates = [
        webhook.with_token(body, idempotency_key=key).json()["fate"] if key else webhook.with_token(body).json()["fate"]
        for key in (None, None, "k-1", "k-1")
    ]
    assert fates == ["accepted", "accepted", "accepted", "duplicate"]


def test_a_sender_reaches_only_policies_that_name_it(webhook: Webhook) -> None:
    """The tool's messages are not for the policy that hears another sender, nor for one that hears a queue."""
    for policy in ("api", "queued"):
        answer = webhook.with_token({"policy": policy})
        assert answer.json()["fate"] == "unwanted", answer.text
    assert webhook.ledger.pending_policies() == ()


@pytest.mark.parametrize("header", [None, "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer"])
def test_without_the_token_nothing_is_looked_at(webhook: Webhook, header: str | None) -> None:
    """401, whatever the body; neither events nor rejects, and no word of the body is repeated."""
    headers = {"Authorization": header} if header else {}
    for body in (HELLO, "{{ not json", "x" * 1000):
        answer = webhook.post("tool", body, **headers)
        status, code = problem(answer)
        assert (status, code.partition("_")[0]) == (401, "signature")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert TOKEN not in answer.text
    assert nothing_came_of_it(webhook)


def test_a_wrong_token_is_refused_before_the_body_is_read(webhook: Webhook) -> None:
    """The answer comes though the body never does."""
    place = urlsplit(webhook.url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as line:
        line.sendall(
            b"POST /setpoint/events/tool HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer wrong\r\nContent-Length: 1000\r\n\r\n"
        )
        assert line.recv(200).startswith(b"HTTP/1.1 401")


def test_an_unknown_sender_is_not_found(webhook: Webhook) -> None:
    """404, and the answer does not tell which ones there are."""
    answer = webhook.post("nobody", HELLO, Authorization=f"Bearer {TOKEN}")
    assert problem(answer) == (404, "unknown_sender")
    assert "tool" not in answer.text


def test_a_broken_senders_file_lets_nobody_in(webhook: Webhook) -> None:
    """503 until it is mended, then 202: who may post is not a thing to guess."""
    good = webhook.senders_file.read_text()
    webhook.senders_file.write_text("senders: [")
    assert problem(webhook.with_token(HELLO)) == (503, "not_ready")
    webhook.senders_file.write_text(good)
    assert webhook.with_token(HELLO).status_code == 202


def test_a_sender_without_a_secret_is_not_ready(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection, an empty password, a short one: nobody gets in, least of all with an empty token."""
    assert problem(webhook.post("forgotten", HELLO, Authorization="Bearer x")) == (503, "not_ready")
    assert nothing_came_of_it(webhook)


@pytest.mark.parametrize("password", ["", "short"])
def test_an_empty_secret_is_no_secret(webhook: Webhook, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    """A connection that was made and never filled in proves nothing."""
    monkeypatch.setenv(
        "AIRFLOW_CONN_SETPOINT_WEBHOOK_FORGOTTEN", json.dumps({"conn_type": "generic", "password": password})
    )
    assert problem(webhook.post("forgotten", HELLO, Authorization=f"Bearer {password or 'x'}"))[0] == 503


def test_a_body_that_is_too_large_is_refused_while_it_comes(webhook: Webhook) -> None:
    """By its declared length before it is read, and without one as soon as it is too much."""
    large = b'{"policy": "web", "summary": "' + b"x" * MAX_BYTES + b'"}'
    assert problem(webhook.with_token(large)) == (413, "too_large")

    def endless() -> Iterator[bytes]:
        for _ in range(2 * MAX_BYTES // 1000):
            yield b"x" * 1000

    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    try:
        answer = httpx.post(f"{webhook.url}/events/tool", content=endless(), headers=headers, trust_env=False)
        assert problem(answer) == (413, "too_large")
    except httpx.WriteError:
        pass  # the connection was closed while the body was still being sent
    assert nothing_came_of_it(webhook)


def test_a_body_that_does_not_come_is_not_waited_for(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that stops in the middle of its body does not keep its place for ever."""
    monkeypatch.setattr("setpoint_airflow.webhook.body.read_body.__kwdefaults__", {"seconds": 0.2})
    place = urlsplit(webhook.url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as line:
        line.sendall(
            b"POST /setpoint/events/tool HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            + f"Authorization: Bearer {TOKEN}\r\nContent-Length: 1000\r\n\r\n{{".encode()
        )
        assert line.recv(200).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": ""},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/cloudevents-batch+json"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_only_json_is_read(webhook: Webhook, headers: dict[str, str]) -> None:
    """415 says what would be read."""
    answer = httpx.post(
        f"{webhook.url}/events/tool",
        content=json.dumps(HELLO),
        headers={"Authorization": f"Bearer {TOKEN}", **headers},
        trust_env=False,
    )
    assert problem(answer) == (415, "media_type")
    assert nothing_came_of_it(webhook)


def test_what_cannot_be_read_is_answered_with_every_problem_and_kept(webhook: Webhook) -> None:
    """400 with the reject's code and all that is wrong, and the message is in the ledger's rejects."""
    answer = webhook.with_token({"policy": "web", "sumary": 1, "request": {"wanted_units": "six"}})
    assert problem(answer) == (400, "invalid")
    assert "sumary" in answer.json()["detail"]
    assert "wanted_units" in answer.json()["detail"]
    assert problem(webhook.with_token("{{ 7*7 }}")) == (400, "not_json")
    assert problem(webhook.with_token(b"\xff\xfe{}")) == (400, "not_json")
    assert problem(webhook.with_token({"policy": "wep"})) == (400, "unknown_policy")
    kept = webhook.ledger.rejects()
    assert sorted(one.code for one in kept) == ["invalid", "not_json", "not_json", "unknown_policy"]
    assert {one.source for one in kept} == {"webhook:tool"}
    assert webhook.woken == []


def test_too_many_messages_are_told_when_to_come_again(webhook: Webhook) -> None:
    """Five at once, then 429 with the seconds; after those it goes on. Other senders have rates of their own."""
    answers = [webhook.with_token({"policy": "web", "id": str(number)}) for number in range(6)]
    assert [one.status_code for one in answers] == [202] * 5 + [429]
    assert problem(answers[-1]) == (429, "rate")
    assert answers[-1].headers["retry-after"] == "1"
    assert signed(webhook, {"policy": "api"}).status_code == 202
    webhook.clock[0] += 1
    assert webhook.with_token({"policy": "web", "id": "5"}).status_code == 202


def test_who_is_not_the_sender_uses_up_nothing_of_its_rate(webhook: Webhook) -> None:
    """A flood of wrong tokens does not keep the right one out."""
    for _ in range(20):
        assert webhook.post("tool", HELLO, Authorization="Bearer wrong").status_code == 401
    assert webhook.with_token(HELLO).status_code == 202


def test_a_signed_message_is_accepted_once(webhook: Webhook) -> None:
    """A recorded request that is sent again is a duplicate, though its kind has no identity of its own."""
    body = {"policy": "api", "summary": "deployed"}
    at = datetime.now(UTC)
    assert signed(webhook, body, "m-1", at).json()["fate"] == "accepted"
    assert signed(webhook, body, "m-1", at).json()["fate"] == "duplicate"
    assert signed(webhook, body, "m-2", at).json()["fate"] == "accepted"
    assert webhook.woken == ["api"]  # the second joins the first, or is looked at when the debounce is over


def test_a_signature_of_ten_minutes_ago_is_refused(webhook: Webhook) -> None:
    """The recording is of no use later, and the answer says how far off the clocks are."""
    answer = signed(webhook, {"policy": "api"}, at=datetime.now(UTC) - timedelta(minutes=10))
    assert problem(answer) == (401, "signature_stale")
    assert SIGNING_KEY not in answer.text
    assert nothing_came_of_it(webhook)


def test_a_body_that_was_changed_is_refused(webhook: Webhook) -> None:
    """The signature covers every byte."""
    headers = standard_signature(b'{"policy": "api"}', "m-1", datetime.now(UTC), KEY)
    assert problem(webhook.post("ci", b'{"policy": "api" }', **headers)) == (401, "signature_wrong")
    assert nothing_came_of_it(webhook)


def test_grafana_may_post(webhook: Webhook) -> None:
    """Grafana's own headers, with its own connection."""
    import hashlib
    import hmac

    body, stamp = json.dumps({"policy": "api", "id": "g"}), str(int(datetime.now(UTC).timestamp()))
    digest = hmac.new(GRAFANA_KEY.encode(), f"{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"X-Grafana-Alerting-Timestamp": stamp, "X-Grafana-Alerting-Signature": digest}
    assert webhook.post("grafana", body, **headers).json()["fate"] == "accepted"


def test_sns_may_post(webhook: Webhook, sns: Sns) -> None:
    """In SNS's own media type: what was published is the message, and the certificate is fetched once."""
    for number in range(3):
        message = sns.notification({"policy": "api", "id": f"n-{number}"}, MessageId=f"sns-{number}")
        answer = webhook.post("aws", message, content_type="text/plain; charset=UTF-8")
        assert answer.json()["fate"] == "accepted", answer.text
    assert len(sns.fetched) == 1
    assert webhook.woken == ["api"]


def test_sns_of_somebody_else_may_not(webhook: Webhook, sns: Sns) -> None:
    """A true signature for another topic is 403; a false one for ours is 401; nothing is looked into."""
    other = sns.notification({"policy": "api"}, TopicArn="arn:aws:sns:eu-west-1:999999999999:mine")
    assert problem(webhook.post("aws", other)) == (403, "unknown_topic")
    forged = {**sns.notification({"policy": "web"}), "Message": json.dumps({"policy": "api"})}
    assert problem(webhook.post("aws", forged)) == (401, "signature_wrong")
    assert problem(webhook.post("aws", {"policy": "api"})) == (401, "signature_missing")
    assert problem(webhook.post("aws", "{{")) == (401, "signature_malformed")
    assert nothing_came_of_it(webhook)


def test_sns_is_asked_to_come_again_when_its_certificate_cannot_be_had(webhook: Webhook, sns: Sns) -> None:
    """503, which SNS tries again; and the address is not asked for with every message meanwhile."""
    sns.down = True
    for _ in range(3):
        assert problem(webhook.post("aws", sns.notification({"policy": "api"}))) == (503, "not_ready")
    assert len(sns.fetched) == 1
    assert nothing_came_of_it(webhook)


def test_a_subscription_of_a_configured_topic_is_confirmed(webhook: Webhook, sns: Sns) -> None:
    """By SNS's own address; one of another topic is not."""
    answer = webhook.post("aws", sns.confirmation(), content_type="text/plain; charset=UTF-8")
    assert (answer.status_code, answer.json()["fate"]) == (200, "confirmed")
    assert [url.partition("&TopicArn")[0] for url in sns.fetched[1:]] == [
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"
    ]
    sns.fetched.clear()
    other = sns.confirmation(TopicArn=TOPIC.replace("alarms", "others"))
    assert problem(webhook.post("aws", other)) == (403, "unknown_topic")
    assert sns.fetched == []
    assert nothing_came_of_it(webhook)


def test_a_ledger_that_is_down_is_503_and_the_message_comes_again(webhook: Webhook, tmp_path: Path) -> None:
    """Nothing is answered with 202 that is not committed; the same message is taken in when the ledger is back."""
    database = tmp_path / "ledger.db"
    webhook.ledger.close()
    for file in tmp_path.glob("ledger.db*"):
        file.rename(file.with_name(file.name.replace("ledger", "away")))
    database.mkdir()  # SQLite cannot open a folder
    answer = webhook.with_token(HELLO)
    assert problem(answer) == (503, "ledger")
    assert answer.headers["retry-after"] == "5"
    assert str(tmp_path) not in answer.text
    database.rmdir()
    for file in tmp_path.glob("away.db*"):
        file.rename(file.with_name(file.name.replace("away", "ledger")))
    assert webhook.with_token(HELLO).json()["fate"] == "accepted"
    assert webhook.woken == ["web"]


def test_an_event_is_kept_when_its_policy_cannot_be_woken(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger has it, so it is 202: the sweep wakes the policy."""

    class Full(list[str]):
        def extend(self, names: Any) -> None:
            raise RuntimeError("the database is locked")

    webhook.woken = Full()
    assert webhook.with_token(HELLO).json()["fate"] == "accepted"
    assert webhook.ledger.pending_policies() == ("web",)


def test_many_at_once_are_each_taken_in_once(webhook: Webhook) -> None:
    """Forty requests at the same time, each event twice."""
    webhook.senders_file.write_text("version: 1\nsenders: {tool: {auth: bearer, burst: 1000}}\n")
    bodies = [{"policy": "web", "id": f"m-{number % 20}"} for number in range(40)]
    with ThreadPoolExecutor(16) as pool:
        fates = sorted(answer.json()["fate"] for answer in pool.map(webhook.with_token, bodies))
    assert fates == ["accepted"] * 20 + ["duplicate"] * 20


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_only_post_is_answered(webhook: Webhook, method: str) -> None:
    """There is nothing to get, and no page that describes the webhook to strangers."""
    answer = httpx.request(method, f"{webhook.url}/events/tool", trust_env=False)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.headers["content-type"] == "application/problem+json"
    if method != "HEAD":
        assert problem(answer) == (405, "no_such_request")
    for page in ("docs", "redoc", "openapi.json"):
        assert httpx.get(f"{webhook.url}/{page}", trust_env=False).status_code == 404


def test_a_cloudevent_is_read_in_both_modes(webhook: Webhook, policies: Path) -> None:
    """Structured, and binary with its attributes in headers, are the same event."""
    file = policies / "web.yaml"
    file.write_text(file.read_text().replace("kind: json,", "kind: cloudevents,"))
    attributes = {"specversion": "1.0", "id": "c-1", "source": "/shop", "type": "shop.sale", "data": {"factor": 3}}
    structured = webhook.with_token(attributes, content_type="application/cloudevents+json")
    headers = {f"ce-{name}": str(value) for name, value in attributes.items() if name != "data"}
    binary = webhook.with_token({"factor": 3}, **headers)
    assert structured.json()["fate"] == "accepted", structured.text
    assert binary.json()["fate"] == "duplicate", binary.text
    assert binary.json()["event_ids"] == structured.json()["event_ids"]
    assert problem(webhook.with_token({}, ce_specversion="1.0", ce_data="x")) == (400, "invalid")


def test_a_signed_request_carries_no_binary_cloudevent(webhook: Webhook) -> None:
    """The signature covers the body, and a binary event's identity is in headers: 415 says to send structured ones."""
    body = b"{}"
    headers = standard_signature(body, "m-1", datetime.now(UTC), KEY)
    answer = webhook.post("ci", body, ce_specversion="1.0", ce_id="1", ce_source="/x", ce_type="y", **headers)
    assert problem(answer) == (415, "media_type")
    assert nothing_came_of_it(webhook)


def test_without_policies_nothing_is_taken_in(webhook: Webhook, policies: Path) -> None:
    """A folder that is gone for a moment is 503: routed to nobody now, the message would be lost."""
    away = policies.with_name("away")
    policies.rename(away)
    assert problem(webhook.with_token(HELLO)) == (503, "not_ready")
    away.rename(policies)
    assert webhook.with_token(HELLO).json()["fate"] == "accepted"


def test_who_posts_slowly_in_ones_name_keeps_no_other_out(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that are not proven yet hold their own sender's places, and only until their time is over."""
    monkeypatch.setattr("setpoint_airflow.webhook.app.MOST_WAITING", 3)
    place = urlsplit(webhook.url)
    slow = [socket.create_connection((place.hostname, place.port), timeout=10) for _ in range(3)]
    head = (
        b"POST /setpoint/events/ci HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    )
    try:
        for line in slow:
            line.sendall(head)
        until(lambda: signed(webhook, {"policy": "api"}).status_code == 503, "the sender's places to be taken")
        assert problem(signed(webhook, {"policy": "api"})) == (503, "busy")
        assert webhook.with_token(HELLO).status_code == 202
    finally:
        for line in slow:
            line.close()
    until(lambda: signed(webhook, {"policy": "api"}).status_code == 202, "the places to be free again")
