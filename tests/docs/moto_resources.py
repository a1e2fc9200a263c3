"""CloudFormation resources that moto does not make by itself. Importing this module makes ``create_stack`` know them.

moto looks its resource types up among the subclasses of ``CloudFormationModel``; each of these makes the thing through
the service's own API, as CloudFormation does.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

import boto3
from infrastructure_names import ACCOUNT
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel


class _Made:
    """What the resources have in common. moto looks at direct subclasses only, so this is none."""

    # moto reads the service from the module's name.
    __module__ = "moto.cloudformation.missing"
    kind: ClassVar[str] = "?"

    def __init__(self, name: str) -> None:
        self.physical_resource_id = name

    @classmethod
    def make(cls, own: dict[str, Any], region: str) -> None:
        raise NotImplementedError

    @classmethod
    def cloudformation_type(cls) -> str:
        return cls.kind

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> Any:
        own = cloudformation_json["Properties"]
        cls.make(own, region_name)
        return cls(resource_name)

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return False


class QueuePolicy(_Made, CloudFormationModel):
    __module__ = _Made.__module__
    kind = "AWS::SQS::QueuePolicy"

    @classmethod
    def make(cls, own: dict[str, Any], region: str) -> None:
        for url in own["Queues"]:
            policy = json.dumps(own["PolicyDocument"])
            boto3.client("sqs", region).set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


class TopicPolicy(_Made, CloudFormationModel):
    __module__ = _Made.__module__
    kind = "AWS::SNS::TopicPolicy"

    @classmethod
    def make(cls, own: dict[str, Any], region: str) -> None:
        for arn in own["Topics"]:
            boto3.client("sns", region).set_topic_attributes(
                TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps(own["PolicyDocument"])
            )


class Subscription(_Made, CloudFormationModel):
    __module__ = _Made.__module__
    kind = "AWS::SNS::Subscription"

    @classmethod
    def make(cls, own: dict[str, Any], region: str) -> None:
        boto3.client("sns", region).subscribe(**own)


class Alarm(_Made, CloudFormationModel):
    __module__ = _Made.__module__
    kind = "AWS::CloudWatch::Alarm"

    @classmethod
    def make(cls, own: dict[str, Any], region: str) -> None:
        boto3.client("cloudwatch", region).put_metric_alarm(**{**own, "Threshold": float(own["Threshold"])})


class SubscriptionFilter(_Made, CloudFormationModel):
    __module__ = _Made.__module__
    kind = "AWS::Logs::SubscriptionFilter"

    @classmethod
    def make(cls, own: dict[str, Any], region: str) -> None:
        names = {
            "FilterName": "filterName",
            "LogGroupName": "logGroupName",
            "FilterPattern": "filterPattern",
            "DestinationArn": "destinationArn",
        }
        boto3.client("logs", region).put_subscription_filter(**{names[key]: value for key, value in own.items()})


class WhenItFails(_Made, CloudFormationModel):
    __module__ = _Made.__module__
    kind = "AWS::Lambda::EventInvokeConfig"

    @classmethod
    def make(cls, own: dict[str, Any], region: str) -> None:
        boto3.client("lambda", region).put_function_event_invoke_config(**own)


class Budget(_Made, CloudFormationModel):
    __module__ = _Made.__module__
    kind = "AWS::Budgets::Budget"

    @classmethod
    def make(cls, own: dict[str, Any], region: str) -> None:
        limit = {**own["Budget"]["BudgetLimit"], "Amount": str(own["Budget"]["BudgetLimit"]["Amount"])}
        boto3.client("budgets", region).create_budget(
            AccountId=ACCOUNT,
            Budget={**own["Budget"], "BudgetLimit": limit},
            NotificationsWithSubscribers=own["NotificationsWithSubscribers"],
        )


class DeliveryStream(_Made, CloudFormationModel):
    __module__ = _Made.__module__
    kind = "AWS::KinesisFirehose::DeliveryStream"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._arn = ""

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> Any:
        own = dict(cloudformation_json["Properties"])
        made = cls(resource_name)
        made._arn = boto3.client("firehose", region_name).create_delivery_stream(**own)["DeliveryStreamARN"]
        return made

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "Arn"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return self._arn


class MetricStream(_Made, CloudFormationModel):
    """moto's CloudWatch has no metric streams: what is asked for is kept, for the tests to look at."""

    __module__ = _Made.__module__
    kind = "AWS::CloudWatch::MetricStream"
    asked: ClassVar[dict[str, dict[str, Any]]] = {}

    @classmethod
    def make(cls, own: dict[str, Any], region: str) -> None:
        cls.asked[own["Name"]] = own


# Whoever deployed a stack before has had moto remember the types it knew then.
for _remembered in (parsing.get_model_map, parsing.get_name_type_map):
    _remembered.cache_clear()
