"""The practice AWS as a process: what boto3 and aiobotocore see, and how it starts and ends."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from setpoint.lab.config import ACCESS_KEY, REGION, SECRET_KEY, FleetConfig, LabConfig
from setpoint.lab.faults import FaultKind
from setpoint.lab.process import LabProcess, LabStartError
from setpoint.lab.provision import HIGH_CPU_PERCENT, client, provision
from setpoint.lab.server import PortTakenError, run_lab, serving
from setpoint.stack.ports import free_port

Client = Callable[[str], Any]
Eventually = Callable[..., Any]


def _cpu_query(fleet: str = "shop") -> dict[str, Any]:
    now = datetime.now(UTC)
    metric = {
        "Namespace": "AWS/EC2",
        "MetricName": "CPUUtilization",
        "Dimensions": [{"Name": "AutoScalingGroupName", "Value": fleet}],
    }
    return {
        "MetricDataQueries": [{"Id": "cpu", "MetricStat": {"Metric": metric, "Period": 1, "Stat": "p90"}}],
        "StartTime": now - timedelta(minutes=2),
        "EndTime": now + timedelta(seconds=1),
    }


def test_the_environment_is_left_as_it_was() -> None:
    """A practice AWS in this process leaves its credentials to nobody: they would be taken for the machine's own."""
    before = dict(os.environ)
    with serving(LabConfig(fleets=())):
        pass
    assert dict(os.environ) == before


def test_a_change_of_capacity_arrives(calm_lab: LabProcess, aws: Client, eventually: Eventually) -> None:
    """Desired capacity set through boto3 becomes instances in service after the boot time."""
    before = calm_lab.client.calls()
    aws("autoscaling").set_desired_capacity(AutoScalingGroupName="shop", DesiredCapacity=4)
    state = calm_lab.client.fleet("shop")
    assert (state.capacity.desired, state.capacity.min_size, state.capacity.max_size) == (4, 1, 10)
    eventually(lambda: calm_lab.client.fleet("shop").capacity.in_service == 4)
    (call,) = calm_lab.client.calls(since=before[-1].number)
    assert (call.service, call.action, call.group) == ("autoscaling", "SetDesiredCapacity", "shop")
    assert call.effective
    assert (call.capacity_before, call.capacity_after) == ((1, 2, 10), (1, 4, 10))
    aws("autoscaling").set_desired_capacity(AutoScalingGroupName="shop", DesiredCapacity=4)
    with pytest.raises(ClientError):
        aws("autoscaling").set_desired_capacity(AutoScalingGroupName="shop", DesiredCapacity=40)
    repeated, refused = calm_lab.client.calls(since=call.number)
    assert not repeated.effective
    assert (refused.status, refused.error_code, refused.effective) == (400, "ValidationError", False)
    aws("autoscaling").set_desired_capacity(AutoScalingGroupName="shop", DesiredCapacity=2)
    eventually(lambda: calm_lab.client.fleet("shop").capacity.in_service == 2)


def test_reading_is_not_a_mutating_call(calm_lab: LabProcess, aws: Client) -> None:
    """Describing, publishing metrics and queue traffic are not recorded as changes."""
    before = calm_lab.client.state().mutating_calls
    aws("autoscaling").describe_auto_scaling_groups()
    aws("cloudwatch").put_metric_data(Namespace="T", MetricData=[{"MetricName": "m", "Value": 1.0}])
    aws("sqs").get_queue_url(QueueName="setpoint-events")
    assert calm_lab.client.state().mutating_calls == before


def test_a_flash_sale_arrives_in_the_queue_as_an_alarm(
    calm_lab: LabProcess, aws: Client, eventually: Eventually
) -> None:
    """Traffic beyond the threshold becomes an alarm message in the provisioned queue, in an SNS envelope."""
    sqs = aws("sqs")
    url = sqs.get_queue_url(QueueName="setpoint-events")["QueueUrl"]
    eventually(lambda: calm_lab.client.fleet("shop").cpu_percent)
    calm_lab.client.flash_sale("shop", factor=4.0, ramp_seconds=0.5)

    def alarm() -> dict[str, Any] | None:
        """The alarm of the shop is in the queue"""
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            envelope = json.loads(message["Body"])
            body: dict[str, Any] = json.loads(envelope["Message"])
            if (body["AlarmName"], body["NewStateValue"]) == ("shop-cpu-high", "ALARM"):
                assert envelope["Type"] == "Notification"
                return body
        return None

    trigger = eventually(alarm, 60.0)["Trigger"]
    assert trigger["Threshold"] == HIGH_CPU_PERCENT
    assert trigger["Dimensions"] == [{"value": "shop", "name": "AutoScalingGroupName"}]


def test_aiobotocore_reads_metrics_too(calm_lab: LabProcess, eventually: Eventually) -> None:
    """GetMetricData through aiobotocore answers what boto3 gets."""
    from aiobotocore.session import get_session

    async def read() -> dict[str, Any]:
        async with get_session().create_client(
            "cloudwatch",
            endpoint_url=calm_lab.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        ) as cloudwatch:
            answer: dict[str, Any] = await cloudwatch.get_metric_data(**_cpu_query())
            return answer

    def result() -> Any:
        """CPU has values"""
        found = asyncio.run(read())["MetricDataResults"][0]
        return found if found["Values"] else None

    found = eventually(result)
    assert found["StatusCode"] == "Complete"
    assert all(0 <= value <= 100 for value in found["Values"])


def _impatient(service: str, lab: LabProcess) -> Any:
    """Return a client that does not try again."""
    import boto3
    from botocore.config import Config

    create: Any = boto3.client
    return create(
        service,
        endpoint_url=lab.url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("autoscaling", "describe_auto_scaling_groups", "Throttling"),
        ("cloudwatch", "describe_alarms", "Throttling"),
        ("ec2", "describe_instances", "RequestLimitExceeded"),
        ("sns", "list_topics", "Throttling"),
        ("sqs", "list_queues", "RequestThrottled"),
    ],
)
def test_throttling_speaks_every_protocol(calm_lab: LabProcess, service: str, operation: str, code: str) -> None:
    """A throttled call raises the code botocore knows for that service, and works again afterwards."""
    caller = _impatient(service, calm_lab)
    services = ("autoscaling", "monitoring", "ec2", "sns", "sqs")
    calm_lab.client.fault(FaultKind.THROTTLING, share=1.0, services=services)
    with pytest.raises(ClientError) as error:
        getattr(caller, operation)()
    answered = error.value.response["Error"]
    assert (answered["Code"], answered["Message"]) == (code, "Rate exceeded")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    calm_lab.client.remove_faults(FaultKind.THROTTLING)
    getattr(caller, operation)()


def test_an_api_that_is_down_answers_500_for_its_fleet_only(calm_lab: LabProcess, aws: Client) -> None:
    """A fault of the API for one fleet hits the calls that name it, and records a refused change."""
    calm_lab.client.fault(FaultKind.API_DOWN, "shop")
    with pytest.raises(ClientError) as error:
        aws("autoscaling").set_desired_capacity(AutoScalingGroupName="shop", DesiredCapacity=3)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    call = calm_lab.client.calls()[-1]
    assert (call.status, call.error_code, call.effective) == (500, "InternalFailure", False)
    names = ["office"]
    assert aws("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=names)["AutoScalingGroups"]


def test_a_share_of_the_calls_is_throttled(calm_lab: LabProcess) -> None:
    """Half of the calls fail when half are asked to, and the others are answered."""
    calm_lab.client.fault(FaultKind.THROTTLING, share=0.5)
    autoscaling = _impatient("autoscaling", calm_lab)
    failures = 0
    for _ in range(40):
        try:
            autoscaling.describe_auto_scaling_groups()
        except ClientError:
            failures += 1
    assert 5 < failures < 35


def test_provisioning_twice_changes_nothing(calm_lab: LabProcess, aws: Client) -> None:
    """The second provisioning finds everything, and leaves capacity and bounds that somebody changed."""
    fleets = calm_lab.config.fleets
    first = provision(calm_lab.url, fleets)
    aws("autoscaling").update_auto_scaling_group(AutoScalingGroupName="office", MaxSize=3)
    groups = aws("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert provision(calm_lab.url, fleets) == first
    again = aws("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert [(g["AutoScalingGroupARN"], g["DesiredCapacity"], g["MaxSize"], g["Tags"]) for g in again] == [
        (g["AutoScalingGroupARN"], g["DesiredCapacity"], g["MaxSize"], g["Tags"]) for g in groups
    ]
    assert len(aws("sqs").list_queues()["QueueUrls"]) == 2
    assert len(aws("sns").list_subscriptions()["Subscriptions"]) == 1
    assert len(aws("cloudwatch").describe_alarms()["MetricAlarms"]) == 4
    assert len(aws("ec2").describe_launch_templates()["LaunchTemplates"]) == 2
    aws("autoscaling").update_auto_scaling_group(AutoScalingGroupName="office", MaxSize=4)


def test_provisioning_creates_what_events_need(calm_lab: LabProcess, aws: Client) -> None:
    """The queue has a dead-letter queue behind it, groups their tags, alarms the topic as action."""
    summary = provision(calm_lab.url, calm_lab.config.fleets)
    attributes = aws("sqs").get_queue_attributes(QueueUrl=summary.queue_url, AttributeNames=["RedrivePolicy"])
    redrive = json.loads(attributes["Attributes"]["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"].endswith(":setpoint-events-dlq")
    tagged = aws("autoscaling").describe_auto_scaling_groups(Filters=[{"Name": "tag:tier", "Values": ["web"]}])
    assert [group["AutoScalingGroupName"] for group in tagged["AutoScalingGroups"]] == ["shop"]
    alarms = aws("cloudwatch").describe_alarms(AlarmNames=list(summary.alarms))["MetricAlarms"]
    assert {tuple(alarm["AlarmActions"]) for alarm in alarms} == {(summary.topic_arn,)}


def test_it_ends_on_sigterm_with_status_zero(tmp_path: Path) -> None:
    """SIGTERM ends the process cleanly, also while a client waits in a long poll."""
    lab = LabProcess(LabConfig(fleets=()), log_path=tmp_path / "lab.log")
    lab.start()
    try:
        process = lab._process
        assert process is not None
        url = client("sqs", lab.url).create_queue(QueueName="q")["QueueUrl"]
        with socket.create_connection(("127.0.0.1", lab.port), timeout=10) as waiting:
            waiting.sendall(_long_poll(url))
            lab.client.health()  # connections are accepted in order: the long poll is being answered now
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(15) == 0
    finally:
        lab.stop()
    assert "SIGTERM received" in (tmp_path / "lab.log").read_text()


def _long_poll(queue_url: str) -> bytes:
    body = json.dumps({"QueueUrl": queue_url, "WaitTimeSeconds": 20}).encode()
    lines = (
        "POST / HTTP/1.1",
        "Host: 127.0.0.1",
        "Authorization: AWS4-HMAC-SHA256 Credential=lab/20260101/eu-west-1/sqs/aws4_request, SignedHeaders=host",
        "X-Amz-Target: AmazonSQS.ReceiveMessage",
        "Content-Type: application/x-amz-json-1.0",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*lines, "", "")).encode() + body


def test_it_ends_with_the_process_that_started_it(eventually: Eventually) -> None:
    """A laboratory whose starter was killed does not stay behind."""
    starter = (
        "import time; from setpoint.lab.process import LabProcess; from setpoint.lab.config import LabConfig\n"
        "lab = LabProcess(LabConfig(fleets=())); lab.start(); print(lab.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
    eventually(lambda: not _alive(pid), 30.0)


def _alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_taken_port_is_a_clear_error(tmp_path: Path) -> None:
    """A port in use is named, with a way out, by the function, the process class and the command."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"127\.0\.0\.1:{port} .*--port"):
            run_lab(LabConfig(fleets=()), port=port)
        # something else answers on that port, or nothing does: either way the reason is the port
        with pytest.raises(LabStartError, match=rf"status 3.*(?s:.)*127\.0\.0\.1:{port}"):
            LabProcess(LabConfig(fleets=()), port=port, start_seconds=30).start()


def test_a_wrong_config_file_is_explained(tmp_path: Path) -> None:
    """A config with mistakes names every one of them and ends with status 2."""
    config = tmp_path / "lab.json"
    fleet = FleetConfig(group="shop").model_dump() | {"min_size": 9, "max_size": 3, "colour": "red"}
    config.write_text(json.dumps({"fleets": [fleet, {"group": "  "}], "tick_seconds": 0}))
    command = [sys.executable, "-m", "setpoint.lab", "--port", str(free_port()), "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    for mistake in ("colour", "fleets.1.group", "tick_seconds"):
        assert mistake in done.stderr


def test_the_command_prints_its_default_config() -> None:
    """--print-config writes a config that can be read back."""
    command = [sys.executable, "-m", "setpoint.lab", "--print-config"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert [fleet.group for fleet in LabConfig.model_validate_json(done.stdout).fleets] == [
        "storefront-web",
        "storefront-api",
        "storefront-batch",
    ]
