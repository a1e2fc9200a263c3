"""The control API and its client."""

from typing import Any

import httpx
import pytest
from werkzeug.test import Client

from setpoint.lab.calls import CallLog, identify
from setpoint.lab.client import LabClient, LabError
from setpoint.lab.control import ControlApi
from setpoint.lab.faults import FaultKind, FaultRequest
from setpoint.lab.process import LabProcess
from setpoint.lab.provision import provision
from setpoint.lab.world.runner import WorldRunner
from setpoint.lab.world.traffic import Keyframe, LoadProgramme
from setpoint.stack.ports import free_port


def test_health_names_the_process(lab: LabProcess) -> None:
    """Health is ok when the world ticks, and says who and where it is."""
    health = lab.client.health()
    assert (health.ok, health.pid, health.problem) == (True, lab.pid, None)
    assert (health.region, health.account_id) == ("eu-west-1", "123456789012")


def test_load_is_commanded_and_undone(calm_lab: LabProcess, eventually: Any) -> None:
    """A programme moves the traffic of its fleet only, and ordinary traffic comes back on command."""
    frames = (Keyframe(at_seconds=0, rps=700.0),)
    calm_lab.client.load(LoadProgramme(fleet="shop", keyframes=frames))
    assert calm_lab.client.fleet("shop").rps > 500
    assert calm_lab.client.fleet("office").rps < 100
    calm_lab.client.ordinary("shop")
    assert calm_lab.client.fleet("shop").rps < 200
    calm_lab.client.quiet(factor=0.1, ramp_seconds=0.2)
    eventually(lambda: calm_lab.client.fleet("office").rps < 10)


def test_faults_are_shown_while_they_last(calm_lab: LabProcess) -> None:
    """A fault appears in the state and in its fleet, and is gone when removed."""
    fault = calm_lab.client.fault(FaultKind.ZEROS, "shop", duration_seconds=60)
    state = calm_lab.client.state()
    assert state.faults == (fault,)
    assert {one.fleet: one.faults for one in state.fleets} == {"shop": (FaultKind.ZEROS,), "office": ()}
    assert calm_lab.client.remove_faults(fleet="office") == []
    assert calm_lab.client.remove_faults(fleet="shop") == [fault]
    assert calm_lab.client.state().faults == ()


def test_the_series_grows_and_can_be_continued(lab: LabProcess, eventually: Any) -> None:
    """The series of a fleet gives its ticks after a time, oldest first."""
    last = eventually(lambda: lab.client.series("shop"))[-1].time
    more = eventually(lambda: lab.client.series("shop", since=last))
    times = [state.time for state in more]
    assert times == sorted(times)
    assert times[0] > last


def test_the_config_can_be_read(lab: LabProcess) -> None:
    """The client gets the very config the process was given."""
    assert lab.client.config() == lab.config


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/load", {"keyframes": []}, ["keyframes", "at least 1 item"]),
        ("/load", {"fleet": "ghost", "keyframes": [{"at_seconds": 0, "rps": 1}]}, ["ghost", "shop, office"]),
        ("/faults", {"kind": "earthquake"}, ["kind", "earthquake", "metric_outage"]),
        ("/faults", {"kind": "zeros", "share": 2, "colour": "red"}, ["share", "colour"]),
        ("/faults", {"kind": "throttling", "services": ["s3"]}, ["services", "s3", "autoscaling"]),
    ],
)
def test_a_wrong_request_is_explained(lab: LabProcess, path: str, body: dict[str, Any], words: list[str]) -> None:
    """A request with mistakes is refused as JSON that names each mistake, its value and what is allowed."""
    response = httpx.post(f"{lab.url}/_lab{path}", json=body, trust_env=False)
    assert response.status_code == 400
    assert response.json()["error"]
    for word in words:
        assert word in response.text


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/_lab/weather", 404, ["/_lab/state", "/_lab/faults"]),
        ("PUT", "/_lab/state", 405, ["GET"]),
        ("DELETE", "/_lab/faults?kind=rain", 400, ["rain", "zeros"]),
        ("GET", "/_lab/series?since=yesterday", 400, ["since", "yesterday"]),
        ("POST", "/_lab/load", 400, ["application/json"]),
        ("GET", "/moto-api/data.json", 404, ["/_lab/"]),
    ],
)
def test_a_wrong_address_says_which_are_right(
    lab: LabProcess, method: str, path: str, status: int, words: list[str]
) -> None:
    """Unknown paths, methods and parameters are refused with what there is; moto's own API is closed."""
    response = httpx.request(method, f"{lab.url}{path}", trust_env=False)
    assert response.status_code == status
    for word in words:
        assert word in response.text


def test_a_web_page_cannot_use_it(lab: LabProcess) -> None:
    """A request under another host name is refused: a page could point its name at 127.0.0.1."""
    response = httpx.get(f"{lab.url}/_lab/state", headers={"Host": "evil.example:80"}, trust_env=False)
    assert response.status_code == 403
    assert "evil.example" in response.json()["error"]


def test_another_machine_cannot_use_it(practice: Any) -> None:
    """A request from an address that is not loopback is refused."""
    control = ControlApi(practice.world, WorldRunner(practice.world), CallLog(10))
    response = Client(control).get("/_lab/state", environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert response.status_code == 403
    assert "192.0.2.7" in response.text


def test_a_world_that_breaks_is_not_healthy(practice: Any) -> None:
    """Health is not ok, with the reason, when the thread is not running or its last tick failed."""
    runner = WorldRunner(practice.world)
    http = Client(ControlApi(practice.world, runner, CallLog(10)))
    answer = http.get("/_lab/health", environ_base={"REMOTE_ADDR": "127.0.0.1"}).get_json()
    assert (answer["ok"], answer["problem"]) == (False, "the world's thread is not running")
    runner.failure = "ValueError: broken"
    answer = http.get("/_lab/health", environ_base={"REMOTE_ADDR": "127.0.0.1"}).get_json()
    assert (answer["ok"], answer["problem"]) == (False, "ValueError: broken")


def test_a_lab_that_is_not_there_is_a_clear_error() -> None:
    """The client says where it looked and how to start the laboratory."""
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(LabError, match=f"{url} does not answer .*setpoint lab"):
        LabClient(url).health()


def test_an_unknown_fleet_is_named(lab: LabProcess) -> None:
    """The client lists the fleets there are."""
    with pytest.raises(LabError, match="no fleet 'ghost', there are: shop, office"):
        lab.client.fleet("ghost")


def test_a_reset_forgets_everything(calm_lab: LabProcess, eventually: Any) -> None:
    """After a reset there are no groups, faults and calls, the world goes on, and provisioning works again."""
    calm_lab.client.add_fault(FaultRequest(kind=FaultKind.ZEROS))
    assert calm_lab.client.fleet("shop").capacity.exists
    calm_lab.client.reset()
    try:
        state = calm_lab.client.state()
        assert not calm_lab.client.fleet("shop").capacity.exists
        assert (state.faults, state.mutating_calls) == ((), 0)
        assert calm_lab.client.health().ok
    finally:
        provision(calm_lab.url, calm_lab.config.fleets)
    eventually(lambda: calm_lab.client.fleet("shop").capacity.in_service == 2)


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        (
            ("AWS4-HMAC-SHA256 Credential=lab/20260101/eu-west-1/autoscaling/aws4_request, SignedHeaders=x", ""),
            b"Action=SetDesiredCapacity&Version=2011-01-01&AutoScalingGroupName=a%26b&DesiredCapacity=3",
            ("autoscaling", "SetDesiredCapacity", "a&b", True),
        ),
        (
            (
                "AWS4-HMAC-SHA256 Credential=lab/20260101/eu-west-1/monitoring/aws4_request, SignedHeaders=x",
                "GraniteServiceVersion20100801.PutMetricAlarm",
            ),
            b'{"AlarmName": "x"}',
            ("monitoring", "PutMetricAlarm", None, True),
        ),
        (
            ("AWS4-HMAC-SHA256 Credential=lab/20260101/eu-west-1/sqs/aws4_request, x", "AmazonSQS.DeleteMessage"),
            b"not json",
            ("sqs", "DeleteMessage", None, False),
        ),
        (("", ""), b"", None),
        (("Bearer nonsense", ""), b"Action=X", None),
        (("AWS4-HMAC-SHA256 Credential=lab/20260101/eu-west-1/autoscaling/aws4_request", ""), b"\xff\xfe", None),
    ],
)
def test_calls_are_identified(
    headers: tuple[str, str], body: bytes, expected: tuple[str, str, str | None, bool] | None
) -> None:
    """Service, action and group are read from every protocol, and what is no call is none."""
    call = identify(headers[0], headers[1], "application/x-amz-json-1.0", body)
    found = None if call is None else (call.service, call.action, call.group, call.mutating)
    assert found == expected
