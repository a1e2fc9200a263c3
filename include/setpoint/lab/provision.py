"""Creates on a practice AWS what the fleets need: groups, queues, topic, alarms. Doing it twice changes nothing."""

import json
from collections.abc import Sequence
from typing import Any

from setpoint.lab.config import ACCESS_KEY, REGION, SECRET_KEY, FleetConfig, LabModel

QUEUE_NAME = "setpoint-events"
DEAD_LETTER_QUEUE_NAME = "setpoint-events-dlq"
TOPIC_NAME = "setpoint-alarms"
MAX_RECEIVES = 5
DEAD_LETTER_SECONDS = 1_209_600
"""Two weeks, which is the most, and longer than the queue keeps a message."""
HIGH_CPU_PERCENT = 70.0
LOW_CPU_PERCENT = 30.0
ALARM_PERIOD_SECONDS = 10
HIGH_CPU_PERIODS = 2
LOW_CPU_PERIODS = 3
"""An alarm that waits as long as the policies look back wakes them when they can already decide."""
IMAGE_ID = "ami-0a1b2c3d4e5f60718"  # the one of aws/images.json


class ProvisioningError(RuntimeError):
    """The practice AWS refused something."""


class Provisioned(LabModel):
    """What is there now."""

    endpoint_url: str
    region: str
    queue_name: str
    queue_url: str
    dead_letter_queue_url: str
    topic_arn: str
    groups: tuple[str, ...]
    alarms: tuple[str, ...]


def provision(endpoint_url: str, fleets: Sequence[FleetConfig], region: str = REGION) -> Provisioned:
    """Create what is missing, and bring alarms and tags up to date.

    A group that exists keeps its capacity and bounds: somebody may have changed them for a reason.

    :param endpoint_url: URL of the practice AWS.
    :raises ProvisioningError: when it refuses or does not answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return _Provisioner(endpoint_url, region).run(fleets)
    except (BotoCoreError, ClientError) as error:
        raise ProvisioningError(f"cannot provision the practice AWS at {endpoint_url}: {error}") from error


def client(service: str, endpoint_url: str, region: str = REGION) -> Any:
    """Return a boto3 client of the practice AWS, with timeouts and its dummy credentials.

    :param service: boto3's name of the service, for example `autoscaling`.
    """
    import boto3
    from botocore.config import Config

    create: Any = boto3.client  # its type is an overload per service; here the service is a variable
    return create(
        service,
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 2, "mode": "standard"}),
    )


def airflow_connection(endpoint_url: str, region: str = REGION) -> str:
    """Return an Airflow connection to the practice AWS, as the JSON of an ``AIRFLOW_CONN_*`` variable."""
    extra = {"region_name": region, "endpoint_url": endpoint_url}
    return json.dumps({"conn_type": "aws", "login": ACCESS_KEY, "password": SECRET_KEY, "extra": extra})


class _Provisioner:
    def __init__(self, endpoint_url: str, region: str) -> None:
        self._endpoint_url = endpoint_url
        self._region = region
        self._autoscaling = client("autoscaling", endpoint_url, region)
        self._cloudwatch = client("cloudwatch", endpoint_url, region)
        self._ec2 = client("ec2", endpoint_url, region)
        self._sns = client("sns", endpoint_url, region)
        self._sqs = client("sqs", endpoint_url, region)

    def run(self, fleets: Sequence[FleetConfig]) -> Provisioned:
        dead_letter_url = self._queue(DEAD_LETTER_QUEUE_NAME, {"MessageRetentionPeriod": str(DEAD_LETTER_SECONDS)})
        redrive = {"deadLetterTargetArn": self._queue_arn(dead_letter_url), "maxReceiveCount": MAX_RECEIVES}
        queue_url = self._queue(QUEUE_NAME, {"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": "60"})
        topic_arn = self._topic(queue_url)
        for fleet in fleets:
            self._launch_template(fleet)
            self._group(fleet)
        alarms = [name for fleet in fleets for name in self._alarms(fleet, topic_arn)]
        return Provisioned(
            endpoint_url=self._endpoint_url,
            region=self._region,
            queue_name=QUEUE_NAME,
            queue_url=queue_url,
            dead_letter_queue_url=dead_letter_url,
            topic_arn=topic_arn,
            groups=tuple(fleet.group for fleet in fleets),
            alarms=tuple(alarms),
        )

    def _queue(self, name: str, attributes: dict[str, str]) -> str:
        url: str = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        if attributes:
            self._sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        return url

    def _queue_arn(self, url: str) -> str:
        answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        arn: str = answer["Attributes"]["QueueArn"]
        return arn

    def _topic(self, queue_url: str) -> str:
        arn: str = self._sns.create_topic(Name=TOPIC_NAME)["TopicArn"]
        queue_arn = self._queue_arn(queue_url)
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": queue_arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": arn}},
                }
            ],
        }
        self._sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": json.dumps(policy)})
        self._sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)
        return arn

    def _launch_template(self, fleet: FleetConfig) -> None:
        found = self._ec2.describe_launch_templates(
            Filters=[{"Name": "launch-template-name", "Values": [template_name(fleet)]}]
        )
        if not found["LaunchTemplates"]:
            self._ec2.create_launch_template(
                LaunchTemplateName=template_name(fleet),
                LaunchTemplateData={"ImageId": IMAGE_ID, "InstanceType": fleet.instance_type},
            )

    def _group(self, fleet: FleetConfig) -> None:
        found = self._autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[fleet.group])
        tags = [
            {
                "ResourceId": fleet.group,
                "ResourceType": "auto-scaling-group",
                "Key": key,
                "Value": value,
                "PropagateAtLaunch": True,
            }
            for key, value in fleet.tags.items()
        ]
        if found["AutoScalingGroups"]:
            self._autoscaling.create_or_update_tags(Tags=tags)
            return
        self._autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=fleet.group,
            LaunchTemplate={"LaunchTemplateName": template_name(fleet), "Version": "$Latest"},
            MinSize=fleet.min_size,
            MaxSize=fleet.max_size,
            DesiredCapacity=fleet.desired_capacity,
            DefaultCooldown=fleet.default_cooldown_seconds,
            AvailabilityZones=[f"{self._region}{letter}" for letter in "abc"],
            Tags=tags,
        )

    def _alarms(self, fleet: FleetConfig, topic_arn: str) -> list[str]:
        common = {
            "Namespace": "AWS/EC2",
            "MetricName": "CPUUtilization",
            "Dimensions": [{"Name": "AutoScalingGroupName", "Value": fleet.group}],
            "Statistic": "Average",
            "Period": ALARM_PERIOD_SECONDS,
            "TreatMissingData": "missing",
            "AlarmActions": [topic_arn],
        }
        high, low = f"{fleet.group}-cpu-high", f"{fleet.group}-cpu-low"
        self._cloudwatch.put_metric_alarm(
            AlarmName=high,
            AlarmDescription=f"CPU of {fleet.group} is high, or its metric is missing",
            ComparisonOperator="GreaterThanThreshold",
            Threshold=HIGH_CPU_PERCENT,
            EvaluationPeriods=HIGH_CPU_PERIODS,
            InsufficientDataActions=[topic_arn],
            **common,
        )
        self._cloudwatch.put_metric_alarm(
            AlarmName=low,
            AlarmDescription=f"CPU of {fleet.group} is low",
            ComparisonOperator="LessThanThreshold",
            Threshold=LOW_CPU_PERCENT,
            EvaluationPeriods=LOW_CPU_PERIODS,
            **common,
        )
        return [high, low]


def template_name(fleet: FleetConfig) -> str:
    """Return the name of a fleet's launch template."""
    return f"{fleet.group}-template"
