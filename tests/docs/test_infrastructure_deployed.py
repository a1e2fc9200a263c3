"""The CloudFormation templates, really deployed on moto: what stands there then, and what comes out of the queue."""

from __future__ import annotations

import base64
import fnmatch
import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import moto_resources
import pytest
from cloudformation_files import made_by, parameters_of, path_of
from infrastructure_names import ACCOUNT, REGION, STEMS, arn, canonical, queue_url
from moto import mock_aws

from setpoint.events import EVENTS
from setpoint.events.intake import event_kinds, read_message
from setpoint.sources import SOURCES
from setpoint.sources.cloudwatch_stream import CloudWatchStreamSource, StreamMetric
from setpoint.targets import TARGETS
from setpoint_airflow.hooks.queue import PERMISSIONS

ORDER = ["queue", *(stem for stem in STEMS if stem != "queue")]
assert moto_resources


@pytest.fixture(scope="module")
def aws() -> Iterator[Any]:
    """moto with every stack deployed, and what the stacks expect to be there already."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "MOTO_ACCOUNT_ID": ACCOUNT,
        }.items():
            environment.setenv(name, value)
        with mock_aws():
            trust = json.dumps({"Version": "2012-10-17", "Statement": []})
            client("iam").create_role(RoleName="airflow", AssumeRolePolicyDocument=trust)
            client("logs").create_log_group(logGroupName="/storefront/web")
            for stem in ORDER:
                client("cloudformation").create_stack(
                    StackName=stem,
                    TemplateBody=path_of(stem).read_text(),
                    Parameters=[
                        {"ParameterKey": name, "ParameterValue": str(value)}
                        for name, value in parameters_of(stem).items()
                    ],
                    Capabilities=["CAPABILITY_NAMED_IAM"],
                )
            yield None


def client(service: str) -> Any:
    return boto3.client(service, REGION)


def properties(stem: str, name: str) -> Any:
    return made_by(stem)[name].properties


@pytest.fixture
def queue(aws: Any) -> Iterator[str]:
    """The queue's URL; the queue is empty before and after."""
    url = queue_url("setpoint-events")
    received(url)
    yield url
    received(url)


def received(url: str) -> list[str]:
    """The bodies of what waits in a queue."""
    bodies = []
    while (
        found := client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages")
    ):
        for one in found:
            bodies.append(one["Body"])
            client("sqs").delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
    return bodies


@pytest.mark.parametrize("stem", STEMS)
def test_every_resource_is_created(aws: Any, stem: str) -> None:
    """The stack is complete, with each resource the template names."""
    (stack,) = client("cloudformation").describe_stacks(StackName=stem)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    listed = client("cloudformation").list_stack_resources(StackName=stem)["StackResourceSummaries"]
    assert {one["LogicalResourceId"] for one in listed} == made_by(stem).keys()


def test_the_queue_leads_to_its_dead_letters(aws: Any) -> None:
    """Redrive after five receives, four days and fourteen, encrypted, and only this queue may use the other."""
    sqs = client("sqs")
    found = sqs.get_queue_attributes(QueueUrl=queue_url("setpoint-events"), AttributeNames=["All"])["Attributes"]
    dead = sqs.get_queue_attributes(QueueUrl=queue_url("setpoint-events-dlq"), AttributeNames=["All"])["Attributes"]
    assert json.loads(found["RedrivePolicy"]) == {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": 5}
    # moto does not keep who may redrive to a queue.
    allowed = properties("queue", "DeadLetterQueue")["RedriveAllowPolicy"]
    assert allowed == {"redrivePermission": "byQueue", "sourceQueueArns": [found["QueueArn"]]}
    assert (found["MessageRetentionPeriod"], dead["MessageRetentionPeriod"]) == ("345600", "1209600")
    assert found["SqsManagedSseEnabled"] == dead["SqsManagedSseEnabled"] == "true"
    assert canonical(found["Policy"]) == canonical(properties("queue", "QueuePolicy")["PolicyDocument"])


def test_the_outputs_are_what_other_stacks_take(aws: Any) -> None:
    """What moto made of the outputs is what the tests, and the other templates, count on."""
    (stack,) = client("cloudformation").describe_stacks(StackName="queue")["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    url = outputs.pop("QueueUrl")
    assert url.endswith("/setpoint-events")
    assert outputs == {
        "QueueName": "setpoint-events",
        "QueueArn": arn("sqs", "setpoint-events"),
        "DeadLetterQueueArn": arn("sqs", "setpoint-events-dlq"),
        "AlarmTopicArn": arn("sns", "setpoint-alarms"),
    }


def admitted(service: str, source_arn: str) -> bool:
    """Whether the queue's policy lets a service send on behalf of something, by the statements' own conditions."""
    document = properties("queue", "QueuePolicy")["PolicyDocument"]
    for one in document["Statement"]:
        if one["Effect"] != "Allow" or one["Principal"] != {"Service": service}:
            continue
        for test, by_name in one["Condition"].items():
            wanted = by_name["aws:SourceArn"]
            patterns = wanted if isinstance(wanted, list) else [wanted]
            if test == "ArnEquals" and source_arn in patterns:
                return True
            if test == "ArnLike" and any(fnmatch.fnmatchcase(source_arn, pattern) for pattern in patterns):
                return True
    return False


def test_the_queue_lets_in_what_the_files_send_and_nothing_else(aws: Any) -> None:
    """Every rule and topic of every stack; not another account's, another region's, or another name's."""
    rules = client("events").list_rules()["Rules"]
    assert len(rules) == 9
    assert all(admitted("events.amazonaws.com", one["Arn"]) for one in rules)
    subscribed = client("sns").list_subscriptions()["Subscriptions"]
    topics = {one["TopicArn"] for one in subscribed if one["Endpoint"] == arn("sqs", "setpoint-events")}
    assert topics == {arn("sns", "setpoint-alarms"), arn("sns", "setpoint-budgets")}
    assert all(admitted("sns.amazonaws.com", one) for one in topics)
    for service, source in (
        ("events.amazonaws.com", arn("events", "rule/other")),
        ("events.amazonaws.com", arn("events", "rule/setpoint-alarms", account="999999999999")),
        ("events.amazonaws.com", arn("events", "rule/setpoint-alarms", region="us-east-1")),
        ("sns.amazonaws.com", arn("sns", "setpoint-operators")),
        ("s3.amazonaws.com", "arn:aws:s3:::arrivals-example"),
    ):
        assert not admitted(service, source), source


def test_alarms_ring_the_right_topic(aws: Any) -> None:
    """The policy's alarm rings Setpoint; those about Setpoint ring people, and never Setpoint itself."""
    alarms = {one["AlarmName"]: one for one in client("cloudwatch").describe_alarms()["MetricAlarms"]}
    cpu = alarms.pop("web-tier-cpu-high")
    assert cpu["AlarmActions"] == cpu["InsufficientDataActions"] == [arn("sns", "setpoint-alarms")]
    assert (cpu["Threshold"], cpu["Period"], cpu["EvaluationPeriods"], cpu["TreatMissingData"]) == (
        70.0,
        60,
        2,
        "missing",
    )
    assert alarms.keys() == {"setpoint-dead-letters", "setpoint-nobody-reads"}
    assert all(one["AlarmActions"] == [arn("sns", "setpoint-operators")] for one in alarms.values())


def bridged() -> list[Any]:
    """Every example of a built-in kind that comes from EventBridge, and would be let through by the rules."""
    found = []
    for name in EVENTS:
        for label, example in EVENTS.load(name).examples().items():
            if "detail-type" in example and str(example.get("source", "")).startswith("aws."):
                found.append(pytest.param(name, example, id=f"{name}-{label}"))
    return found


@pytest.mark.parametrize(("kind", "example"), bridged())
def test_what_aws_documents_gets_through_a_rule_to_the_queue(queue: str, kind: str, example: dict[str, Any]) -> None:
    """The rule's pattern matches the kind's own example, and what the queue holds is read as the kind."""
    detail = dict(example["detail"])
    if example["source"] == "aws.s3":
        detail["bucket"] = {**detail["bucket"], "name": "arrivals-example"}
    entry = {"Source": example["source"], "DetailType": example["detail-type"], "Detail": json.dumps(detail)}
    entry["Resources"] = example.get("resources", [])
    client("events").put_events(Entries=[entry])
    (body,) = received(queue)
    assert kind in kinds_of(body)


def kinds_of(body: str) -> set[str]:
    """The kinds of the events in a message, as the intake reads it."""
    source = arn("sqs", "setpoint-events")
    read = read_message(body, message_id="m-1", source=source, received_at=datetime.now(UTC), kinds=event_kinds())
    return {event.kind for event in read}


@pytest.mark.parametrize(
    ("source", "detail_type", "detail"),
    [
        ("aws.guardduty", "GuardDuty Finding", {"severity": 2}),
        ("aws.ecs", "ECS Task State Change", {"lastStatus": "RUNNING"}),
        ("aws.s3", "Object Created", {"bucket": {"name": "another-bucket"}}),
        ("aws.ec2", "EC2 Instance State-change Notification", {}),
    ],
)
def test_what_nobody_asked_for_stays_out(queue: str, source: str, detail_type: str, detail: dict[str, Any]) -> None:
    """The rules are narrow."""
    client("events").put_events(Entries=[{"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail)}])
    assert received(queue) == []


@pytest.mark.parametrize(
    ("topic", "kind"), [("setpoint-alarms", "cloudwatch.alarm"), ("setpoint-budgets", "aws.budgets")]
)
def test_what_a_topic_is_told_is_read(queue: str, topic: str, kind: str) -> None:
    """Through the subscription, in SNS's envelope."""
    examples = EVENTS.load(kind).examples()
    example = examples["metric" if kind == "cloudwatch.alarm" else "actual"]
    message = example.get("Message") if kind == "aws.budgets" and "Message" in example else json.dumps(example)
    subject = example.get("Subject", "AWS Notification")
    client("sns").publish(TopicArn=arn("sns", topic), Subject=subject, Message=message)
    (body,) = received(queue)
    assert kinds_of(body) == {kind}


def test_the_forwarding_function_sends_what_logs_give_it(queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deployed code, called as Lambda calls it; the message is read as log events."""
    function = client("lambda").get_function(FunctionName="setpoint-forward-logs")["Configuration"]
    for name, value in function["Environment"]["Variables"].items():
        monkeypatch.setenv(name, value)
    namespace: dict[str, Any] = {}
    exec(properties("logs", "Function")["Code"]["ZipFile"], namespace)
    batch = {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": "/storefront/web",
        "logStream": "i-1",
        "subscriptionFilters": ["setpoint-logs"],
        "logEvents": [{"id": "1", "timestamp": 1_772_366_400_000, "message": "ERROR checkout failed"}],
    }
    data = base64.b64encode(gzip.compress(json.dumps(batch).encode())).decode()
    namespace["handler"]({"awslogs": {"data": data}}, None)
    (body,) = received(queue)
    assert kinds_of(body) == {"aws.logs"}


def test_logs_may_call_the_function_and_failures_become_dead_letters(aws: Any) -> None:
    """CloudWatch Logs of this account and log group alone may call it; what it cannot send is kept."""
    function = "setpoint-forward-logs"
    document = json.loads(client("lambda").get_policy(FunctionName=function)["Policy"])
    (statement,) = document["Statement"]
    assert statement["Principal"] == {"Service": "logs.amazonaws.com"}
    assert statement["Condition"]["StringEquals"]["AWS:SourceAccount"] == ACCOUNT
    assert statement["Condition"]["ArnLike"]["AWS:SourceArn"] == arn("logs", "log-group:/storefront/web:*")
    failing = client("lambda").get_function_event_invoke_config(FunctionName=function)
    assert failing["DestinationConfig"]["OnFailure"]["Destination"] == arn("sqs", "setpoint-events-dlq")
    (filtered,) = client("logs").describe_subscription_filters(logGroupName="/storefront/web")["subscriptionFilters"]
    assert (filtered["filterPattern"], filtered["destinationArn"]) == (
        "?ERROR ?FATAL",
        arn("lambda", f"function:{function}"),
    )


def test_the_budget_tells_the_topic(aws: Any) -> None:
    """At 80 % spent and when the forecast goes over."""
    budgets = client("budgets")
    (budget,) = budgets.describe_budgets(AccountId=ACCOUNT)["Budgets"]
    assert (budget["BudgetName"], budget["BudgetLimit"]["Amount"]) == ("setpoint-monthly", "500")
    told = budgets.describe_notifications_for_budget(AccountId=ACCOUNT, BudgetName="setpoint-monthly")["Notifications"]
    assert {(one["NotificationType"], one["Threshold"]) for one in told} == {("ACTUAL", 80.0), ("FORECASTED", 100.0)}
    policy = client("sns").get_topic_attributes(TopicArn=arn("sns", "setpoint-budgets"))["Attributes"]["Policy"]
    assert canonical(policy) == canonical(properties("budgets", "TopicPolicy")["PolicyDocument"])


def actions(name: str) -> set[str]:
    """The actions of one of the attached policies, as IAM holds them."""
    iam = client("iam")
    attached = iam.list_attached_role_policies(RoleName="airflow")["AttachedPolicies"]
    (found,) = [one["PolicyArn"] for one in attached if one["PolicyName"] == name]
    version = iam.get_policy(PolicyArn=found)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=found, VersionId=version)["PolicyVersion"]["Document"]
    return {action for one in canonical(document) for action in one["Action"]}


def test_the_permissions_are_what_the_code_declares(aws: Any) -> None:
    """To look and to change, as sources and targets say, and what the doctor asks besides; nothing more."""
    targets = [TARGETS.load(name) for name in TARGETS]
    looking = {action for one in targets for action in one.read_permissions} | set(PERMISSIONS)
    streamed = set(SOURCES.load("aws.cloudwatch_stream").permissions)
    looking |= {action for name in SOURCES for action in SOURCES.load(name).permissions} - streamed
    changing = {action for one in targets for action in one.permissions} - looking
    assert actions("setpoint-look") == looking | {"sqs:GetQueueAttributes", "iam:SimulatePrincipalPolicy"}
    assert actions("setpoint-change") == changing
    assert actions("setpoint-read-stream") == streamed


def test_what_is_streamed_is_delivered_wakes_a_policy_and_is_read(queue: str) -> None:
    """Through Firehose into the bucket; the source reads it there, and the rule tells the queue which object came."""
    now = datetime.now(UTC)
    firehose = client("firehose")
    asked = moto_resources.MetricStream.asked["setpoint-metrics"]
    described = firehose.describe_delivery_stream(DeliveryStreamName="setpoint-metrics")["DeliveryStreamDescription"]
    assert (asked["FirehoseArn"], asked["OutputFormat"]) == (described["DeliveryStreamARN"], "json")
    minute = int(now.timestamp()) // 60 * 60 - 60
    point = {
        "metric_stream_name": asked["Name"],
        "account_id": ACCOUNT,
        "region": REGION,
        "namespace": "AWS/EC2",
        "metric_name": "CPUUtilization",
        "dimensions": {"AutoScalingGroupName": "web-tier"},
        "timestamp": minute * 1000,
        "value": {"count": 2.0, "sum": 90.0, "max": 50.0, "min": 40.0},
        "unit": "Percent",
    }
    firehose.put_record(DeliveryStreamName="setpoint-metrics", Record={"Data": json.dumps(point).encode() + b"\n"})
    (listed,) = client("s3").list_objects_v2(Bucket="metrics-example", Prefix="metrics/")["Contents"]

    metric = StreamMetric.model_validate(
        {
            "source": "aws.cloudwatch_stream", "bucket": "metrics-example", "prefix": "metrics/%Y/%m/%d/%H/",
            "namespace": "AWS/EC2", "name": "CPUUtilization", "statistic": "Average",
            "period": "1m", "window": "5m", "settle": "0s",
        }
    )  # fmt: skip
    fetched = CloudWatchStreamSource(client("s3")).fetch({"cpu": metric}, ("web-tier",), datetime.now(UTC))
    assert fetched.frame["value"].tolist() == [45.0]

    for key, told in ((listed["Key"], 1), ("errors/processing-failed/x", 0)):
        detail = {"bucket": {"name": "metrics-example"}, "object": {"key": key, "size": listed["Size"]}}
        entry = {"Source": "aws.s3", "DetailType": "Object Created", "Detail": json.dumps(detail)}
        client("events").put_events(Entries=[entry])
        bodies = received(queue)
        assert len(bodies) == told
        assert all(kinds_of(body) >= {"aws.s3_object"} for body in bodies)


def test_the_function_may_do_nothing_but_send_and_log() -> None:
    """Its role's one policy."""
    (policy,) = properties("logs", "Role")["Policies"]
    assert {action for one in canonical(policy["PolicyDocument"]) for action in one["Action"]} == {
        "sqs:SendMessage",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
