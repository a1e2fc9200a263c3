"""What ``setpoint doctor`` says of permissions: tried where a call reads, asked of IAM where it would change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest

from setpoint.cli.checks.aws import Place
from setpoint.cli.checks.permissions import Need, check_permissions, needs_of, principal_of, simulate
from setpoint.testing.values import a_policy

HERE = Place("aws_fake", "eu-west-1")
ROLE = "arn:aws:sts::123456789012:assumed-role/setpoint/task"
GROUP = "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:1:autoScalingGroupName/web"
CHANGE = "autoscaling:SetDesiredCapacity"
READ = "autoscaling:DescribeAutoScalingGroups"


class _Aws(BaseHTTPRequestHandler):
    """Answers IAM's simulation as the test says, and every other call with the error the test says."""

    decisions: dict[str, tuple[str, list[str]]]
    errors: dict[str, tuple[int, str]]
    asked: list[dict[str, list[str]]]

    def do_POST(self) -> None:
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.asked.append(asked)
        action = asked["Action"][0]
        if action in self.errors:
            status, code = self.errors[action]
            self._answer(
                status, f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
            )
        elif action == "SimulatePrincipalPolicy":
            name = asked["ActionNames.member.1"][0]
            decision, missing = self.decisions.get(name, ("allowed", []))
            keys = "".join(f"<member>{key}</member>" for key in missing)
            resource = asked.get("ResourceArns.member.1", ["*"])[0]
            self._answer(
                200,
                "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults><member>"
                f"<EvalActionName>{name}</EvalActionName><EvalResourceName>{resource}</EvalResourceName>"
                f"<EvalDecision>{decision}</EvalDecision><MissingContextValues>{keys}</MissingContextValues>"
                "</member></EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>",
            )
        else:
            self._answer(200, f"<{action}Response><{action}Result/></{action}Response>")

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Aws]]:
    """An AWS of which the test decides what it allows."""

    class Handler(_Aws):
        decisions: dict[str, tuple[str, list[str]]] = {}  # noqa: RUF012 - a class a test
        errors: dict[str, tuple[int, str]] = {}  # noqa: RUF012
        asked: list[dict[str, list[str]]] = []  # noqa: RUF012

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        extra = {
            "region_name": "eu-west-1",
            "endpoint_url": f"http://127.0.0.1:{server.server_port}",
            "config_kwargs": {"retries": {"total_max_attempts": 1}},
        }
        made = {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_FAKE", json.dumps(made))
        yield Handler
        server.shutdown()
        thread.join()


def told(results: Iterator[Any]) -> list[tuple[str, str]]:
    return [(one.status.value, one.text) for one in results]


def test_a_change_is_asked_of_iam_on_the_group_itself(aws: type[_Aws]) -> None:
    """As the role behind the session; nothing but the simulation is called."""
    results = told(simulate(HERE, [Need(CHANGE, (GROUP,))], ROLE))
    assert results == [("ok", f"IAM would allow {CHANGE} on 1 targets or queues")]
    (asked,) = aws.asked
    assert asked["Action"] == ["SimulatePrincipalPolicy"]
    assert asked["PolicySourceArn"] == ["arn:aws:iam::123456789012:role/setpoint"]
    assert asked["ResourceArns.member.1"] == [GROUP]


def test_a_change_that_iam_would_deny_fails_with_what_to_allow(aws: type[_Aws]) -> None:
    """Named with the resource, so that it can be pasted into a policy."""
    aws.decisions[CHANGE] = ("implicitDeny", [])
    (found,) = simulate(HERE, [Need(CHANGE, (GROUP,))], ROLE)
    assert found.status == "fail"
    assert "implicitDeny" in found.text
    assert found.todo == f"allow arn:aws:iam::123456789012:role/setpoint {CHANGE} on {GROUP}"


@pytest.mark.parametrize(
    ("need", "decision", "words"),
    [
        (Need(CHANGE, (GROUP,)), ("implicitDeny", ["aws:ResourceTag/tier"]), "depends on aws:ResourceTag/tier"),
        (Need(CHANGE, ()), ("implicitDeny", []), "without a target or queue to ask about"),
    ],
)
def test_what_iam_cannot_know_is_not_called_denied(
    aws: type[_Aws], need: Need, decision: tuple[str, list[str]], words: str
) -> None:
    """A condition on a tag, or no resource to ask about: not testable, and said so."""
    aws.decisions[CHANGE] = decision
    (found,) = simulate(HERE, [need], ROLE)
    assert (found.status, words in found.text, found.text.startswith("not testable")) == ("warn", True, True)


def test_without_the_right_to_ask_it_is_not_testable(aws: type[_Aws]) -> None:
    """One warning for all that could not be asked, with the permission that would help."""
    aws.errors["SimulatePrincipalPolicy"] = (403, "AccessDenied")
    (found,) = simulate(HERE, [Need(CHANGE, (GROUP,)), Need("sqs:DeleteMessage", ())], ROLE)
    assert found.status == "warn"
    assert f"{CHANGE}, sqs:DeleteMessage" in found.text
    assert "iam:SimulatePrincipalPolicy on arn:aws:iam::123456789012:role/setpoint" in found.todo


def test_what_reads_is_tried(aws: type[_Aws]) -> None:
    """Denied is a failure; an answer about the request (no such group) is as good as a yes."""
    aws.errors["DescribeScalingActivities"] = (403, "AccessDenied")
    aws.errors["DescribeInstanceRefreshes"] = (400, "ValidationError")
    actions = ("DescribeAutoScalingGroups", "DescribeInstanceRefreshes", "DescribeScalingActivities")
    results = list(check_permissions(HERE, [Need(f"autoscaling:{one}", ()) for one in actions], ROLE))
    assert [one.status.value for one in results] == ["fail", "ok"]
    assert results[0].text == "autoscaling:DescribeScalingActivities: AWS denies it"
    assert results[1].text == f"tried and allowed: {READ}, autoscaling:DescribeInstanceRefreshes"


@pytest.mark.parametrize(("status", "code"), [(400, "Throttling"), (503, "ServiceUnavailable")])
def test_trouble_is_no_permission(aws: type[_Aws], status: int, code: str) -> None:
    """What AWS could not answer is not counted as allowed."""
    aws.errors["DescribeAutoScalingGroups"] = (status, code)
    (found,) = check_permissions(HERE, [Need(READ, ())], ROLE)
    assert (found.status, code in found.text) == ("warn", True)


@pytest.mark.parametrize(
    ("identity", "principal"),
    [
        (ROLE, "arn:aws:iam::123456789012:role/setpoint"),
        ("arn:aws-cn:sts::1:assumed-role/r/s", "arn:aws-cn:iam::1:role/r"),
        ("arn:aws:iam::1:user/path/me", "arn:aws:iam::1:user/path/me"),
        ("arn:aws:iam::1:root", None),
        ("arn:aws:sts::1:federated-user/me", None),
    ],
)
def test_the_principal_behind_an_identity(identity: str, principal: str | None) -> None:
    """IAM is asked about users and roles only."""
    assert principal_of(identity) == principal


def test_needs_are_gathered_by_connection_and_region() -> None:
    """To look at targets and metrics, and to change targets, the latter on the targets themselves."""
    policy = a_policy()
    here = Place(policy.targets.connection, policy.targets.region)
    needs = needs_of([policy, policy], lambda one: [GROUP])
    assert needs.keys() == {here}
    by_action = {one.action: one.resources for one in needs[here]}
    assert by_action[CHANGE] == (GROUP,)
    assert by_action[READ] == by_action["cloudwatch:GetMetricData"] == ()
