"""The CloudFormation templates, and what their resources come to once every reference is resolved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from infrastructure_names import ACCOUNT, FOLDER, PARAMETERS, REGION, arn, queue_url

PSEUDO = {"AWS::Partition": "aws", "AWS::Region": REGION, "AWS::AccountId": ACCOUNT}


@dataclass(frozen=True)
class Made:
    """A resource of a template, its references resolved."""

    type: str
    properties: Mapping[str, Any]


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as its long ones."""


def _short_form(loader: Any, suffix: str, node: Any) -> Any:
    name = suffix if suffix == "Ref" else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".") if suffix == "GetAtt" else value}
    return {name: loader.construct_sequence(node, deep=True)}


_Loader.add_multi_constructor("!", _short_form)


def load(stem: str) -> dict[str, Any]:
    """A template as CloudFormation reads it."""
    loaded: dict[str, Any] = yaml.load(path_of(stem).read_text(), Loader=_Loader)
    return loaded


def path_of(stem: str) -> Path:
    return FOLDER / "cloudformation" / f"{stem}.yaml"


def parameters_of(stem: str) -> dict[str, Any]:
    """A value for each parameter; those that are outputs of ``queue.yaml`` get what it would give."""
    given = {**PARAMETERS, **outputs_of_queue()}
    return {name: given[name] for name in load(stem).get("Parameters", {})}


def outputs_of_queue() -> dict[str, Any]:
    """The outputs of ``queue.yaml``."""
    template = load("queue")
    resolver = _Resolver(template, {name: PARAMETERS[name] for name in template["Parameters"]})
    return {name: resolver.value(one["Value"]) for name, one in template["Outputs"].items()}


def made_by(stem: str) -> dict[str, Made]:
    """A template's resources by their logical names."""
    template = load(stem)
    resolver = _Resolver(template, parameters_of(stem))
    return {
        name: Made(one["Type"], resolver.value(one.get("Properties", {})))
        for name, one in template["Resources"].items()
    }


class _Resolver:
    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        self._resources = template["Resources"]
        self._parameters = parameters

    def value(self, node: Any) -> Any:
        if isinstance(node, dict):
            if len(node) == 1:
                ((key, inner),) = node.items()
                if key == "Ref":
                    return self._ref(inner)
                if key == "Fn::GetAtt":
                    return self._attribute(*inner)
                if key == "Fn::Sub":
                    return re.sub(r"\$\{([\w:.]+)\}", lambda match: str(self._ref(match[1])), inner)
            return {key: self.value(inner) for key, inner in node.items()}
        return [self.value(one) for one in node] if isinstance(node, list) else node

    def _ref(self, name: str) -> Any:
        if name in PSEUDO:
            return PSEUDO[name]
        return self._parameters[name] if name in self._parameters else self._attribute(name, "Ref")

    def _attribute(self, name: str, attribute: str) -> str:
        resource = self._resources[name]
        own = self.value(resource.get("Properties", {}))
        match resource["Type"], attribute:
            case "AWS::SQS::Queue", "Arn":
                return arn("sqs", own["QueueName"])
            case "AWS::SQS::Queue", "Ref":
                return queue_url(own["QueueName"])
            case "AWS::SQS::Queue", "QueueName":
                return str(own["QueueName"])
            case "AWS::SNS::Topic", "Ref":
                return arn("sns", own["TopicName"])
            case "AWS::Lambda::Function", "Arn":
                return arn("lambda", f"function:{own['FunctionName']}")
            case "AWS::Lambda::Function", "Ref":
                return str(own["FunctionName"])
            case "AWS::S3::Bucket", "Ref":
                return str(own["BucketName"])
            case "AWS::KinesisFirehose::DeliveryStream", "Arn":
                return arn("firehose", f"deliverystream/{own['DeliveryStreamName']}")
            case "AWS::IAM::Role", "Arn":
                return arn("iam", f"role/{own['RoleName']}", region="")
            case "AWS::Logs::LogGroup", "Arn":
                return arn("logs", f"log-group:{own['LogGroupName']}:*")
            case "AWS::Logs::LogGroup", "Ref":
                return str(own["LogGroupName"])
        raise LookupError(f"{name}: {resource['Type']} has no {attribute} here")
