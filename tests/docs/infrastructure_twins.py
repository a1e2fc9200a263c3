"""A CloudFormation resource, said in Terraform's words: what its twin has to come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cloudformation_files import Made
from infrastructure_names import arn

Said = tuple[str, dict[str, Any]]
"""A Terraform resource type, and its arguments."""

_QUEUE = {
    "QueueName": "name",
    "MessageRetentionPeriod": "message_retention_seconds",
    "VisibilityTimeout": "visibility_timeout_seconds",
    "ReceiveMessageWaitTimeSeconds": "receive_wait_time_seconds",
    "SqsManagedSseEnabled": "sqs_managed_sse_enabled",
    "RedrivePolicy": "redrive_policy",
    "RedriveAllowPolicy": "redrive_allow_policy",
}
_ALARM = {
    "AlarmName": "alarm_name",
    "AlarmDescription": "alarm_description",
    "Namespace": "namespace",
    "MetricName": "metric_name",
    "Statistic": "statistic",
    "Period": "period",
    "EvaluationPeriods": "evaluation_periods",
    "Threshold": "threshold",
    "ComparisonOperator": "comparison_operator",
    "TreatMissingData": "treat_missing_data",
    "AlarmActions": "alarm_actions",
    "InsufficientDataActions": "insufficient_data_actions",
}
_NOTIFICATION = {
    "NotificationType": "notification_type",
    "ComparisonOperator": "comparison_operator",
    "Threshold": "threshold",
    "ThresholdType": "threshold_type",
}
_ACCESS = {
    "BlockPublicAcls": "block_public_acls",
    "BlockPublicPolicy": "block_public_policy",
    "IgnorePublicAcls": "ignore_public_acls",
    "RestrictPublicBuckets": "restrict_public_buckets",
}


def _renamed(names: Mapping[str, str], properties: Mapping[str, Any]) -> dict[str, Any]:
    return {names[key]: value for key, value in properties.items()}


def _queue(own: Mapping[str, Any]) -> Iterator[Said]:
    yield "aws_sqs_queue", _renamed(_QUEUE, own)


def _queue_policy(own: Mapping[str, Any]) -> Iterator[Said]:
    for url in own["Queues"]:
        yield "aws_sqs_queue_policy", {"queue_url": url, "policy": own["PolicyDocument"]}


def _topic(own: Mapping[str, Any]) -> Iterator[Said]:
    yield "aws_sns_topic", {"name": own["TopicName"]}


def _topic_policy(own: Mapping[str, Any]) -> Iterator[Said]:
    for one in own["Topics"]:
        yield "aws_sns_topic_policy", {"arn": one, "policy": own["PolicyDocument"]}


def _subscription(own: Mapping[str, Any]) -> Iterator[Said]:
    names = {"TopicArn": "topic_arn", "Protocol": "protocol", "Endpoint": "endpoint"}
    yield "aws_sns_topic_subscription", _renamed(names, own)


def _alarm(own: Mapping[str, Any]) -> Iterator[Said]:
    rest = {key: value for key, value in own.items() if key != "Dimensions"}
    dimensions = {one["Name"]: one["Value"] for one in own["Dimensions"]}
    yield "aws_cloudwatch_metric_alarm", {**_renamed(_ALARM, rest), "dimensions": dimensions}


def _rule(own: Mapping[str, Any]) -> Iterator[Said]:
    yield "aws_cloudwatch_event_rule", {"name": own["Name"], "event_pattern": own["EventPattern"]}
    for one in own["Targets"]:
        retry = one["RetryPolicy"]
        yield (
            "aws_cloudwatch_event_target",
            {
                "rule": own["Name"],
                "target_id": one["Id"],
                "arn": one["Arn"],
                "dead_letter_config": [{"arn": one["DeadLetterConfig"]["Arn"]}],
                "retry_policy": [
                    {
                        "maximum_event_age_in_seconds": retry["MaximumEventAgeInSeconds"],
                        "maximum_retry_attempts": retry["MaximumRetryAttempts"],
                    }
                ],
            },
        )


def _bucket(own: Mapping[str, Any]) -> Iterator[Said]:
    name = own["BucketName"]
    told = own["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"]
    yield "aws_s3_bucket", {"bucket": name}
    access = _renamed(_ACCESS, own["PublicAccessBlockConfiguration"])
    yield "aws_s3_bucket_public_access_block", {"bucket": name, **access}
    yield "aws_s3_bucket_notification", {"bucket": name, "eventbridge": told}
    if "LifecycleConfiguration" in own:
        rules = [
            {
                "id": one["Id"],
                "status": one["Status"],
                "filter": [{}],
                "expiration": [{"days": one["ExpirationInDays"]}],
            }
            for one in own["LifecycleConfiguration"]["Rules"]
        ]
        yield "aws_s3_bucket_lifecycle_configuration", {"bucket": name, "rule": rules}


def _delivery_stream(own: Mapping[str, Any]) -> Iterator[Said]:
    assert own["DeliveryStreamType"] == "DirectPut"  # Terraform's default
    place = own["ExtendedS3DestinationConfiguration"]
    yield (
        "aws_kinesis_firehose_delivery_stream",
        {
            "name": own["DeliveryStreamName"],
            "destination": "extended_s3",
            "extended_s3_configuration": [
                {
                    "role_arn": place["RoleARN"],
                    "bucket_arn": place["BucketARN"],
                    "prefix": place["Prefix"],
                    "buffering_interval": place["BufferingHints"]["IntervalInSeconds"],
                    "buffering_size": place["BufferingHints"]["SizeInMBs"],
                    "compression_format": place["CompressionFormat"],
                }
            ],
        },
    )


def _metric_stream(own: Mapping[str, Any]) -> Iterator[Said]:
    yield (
        "aws_cloudwatch_metric_stream",
        {
            "name": own["Name"],
            "firehose_arn": own["FirehoseArn"],
            "role_arn": own["RoleArn"],
            "output_format": own["OutputFormat"],
            "include_filter": [{"namespace": one["Namespace"]} for one in own["IncludeFilters"]],
        },
    )


def _role(own: Mapping[str, Any]) -> Iterator[Said]:
    yield "aws_iam_role", {"name": own["RoleName"], "assume_role_policy": own["AssumeRolePolicyDocument"]}
    for one in own["Policies"]:
        inline = {"name": one["PolicyName"], "role": own["RoleName"], "policy": one["PolicyDocument"]}
        yield "aws_iam_role_policy", inline


def _managed_policy(own: Mapping[str, Any]) -> Iterator[Said]:
    name = own["ManagedPolicyName"]
    yield "aws_iam_policy", {"name": name, "policy": own["PolicyDocument"]}
    for role in own["Roles"]:
        yield "aws_iam_role_policy_attachment", {"role": role, "policy_arn": arn("iam", f"policy/{name}", region="")}


def _log_group(own: Mapping[str, Any]) -> Iterator[Said]:
    yield "aws_cloudwatch_log_group", {"name": own["LogGroupName"], "retention_in_days": own["RetentionInDays"]}


def _function(own: Mapping[str, Any]) -> Iterator[Said]:
    yield (
        "aws_lambda_function",
        {
            "function_name": own["FunctionName"],
            "role": own["Role"],
            "runtime": own["Runtime"],
            "timeout": own["Timeout"],
            "environment": [{"variables": own["Environment"]["Variables"]}],
            "logging_config": [
                {"log_format": own["LoggingConfig"]["LogFormat"], "log_group": own["LoggingConfig"]["LogGroup"]}
            ],
        },
    )


def _when_it_fails(own: Mapping[str, Any]) -> Iterator[Said]:
    destination = own["DestinationConfig"]["OnFailure"]["Destination"]
    yield (
        "aws_lambda_function_event_invoke_config",
        {
            "function_name": own["FunctionName"],
            "maximum_retry_attempts": own["MaximumRetryAttempts"],
            "destination_config": [{"on_failure": [{"destination": destination}]}],
        },
    )


def _permission(own: Mapping[str, Any]) -> Iterator[Said]:
    names = {
        "FunctionName": "function_name",
        "Action": "action",
        "Principal": "principal",
        "SourceAccount": "source_account",
        "SourceArn": "source_arn",
    }
    yield "aws_lambda_permission", _renamed(names, own)


def _subscription_filter(own: Mapping[str, Any]) -> Iterator[Said]:
    names = {
        "FilterName": "name",
        "LogGroupName": "log_group_name",
        "FilterPattern": "filter_pattern",
        "DestinationArn": "destination_arn",
    }
    yield "aws_cloudwatch_log_subscription_filter", _renamed(names, own)


def _budget(own: Mapping[str, Any]) -> Iterator[Said]:
    budget = own["Budget"]
    notifications = [
        {
            **_renamed(_NOTIFICATION, one["Notification"]),
            "subscriber_sns_topic_arns": [who["Address"] for who in one["Subscribers"]],
        }
        for one in own["NotificationsWithSubscribers"]
    ]
    yield (
        "aws_budgets_budget",
        {
            "name": budget["BudgetName"],
            "budget_type": budget["BudgetType"],
            "time_unit": budget["TimeUnit"],
            "limit_amount": budget["BudgetLimit"]["Amount"],
            "limit_unit": budget["BudgetLimit"]["Unit"],
            "notification": notifications,
        },
    )


TWINS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Said]]] = {
    "AWS::SQS::Queue": _queue,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::SNS::Topic": _topic,
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SNS::Subscription": _subscription,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::Events::Rule": _rule,
    "AWS::S3::Bucket": _bucket,
    "AWS::KinesisFirehose::DeliveryStream": _delivery_stream,
    "AWS::CloudWatch::MetricStream": _metric_stream,
    "AWS::IAM::Role": _role,
    "AWS::IAM::ManagedPolicy": _managed_policy,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::Logs::SubscriptionFilter": _subscription_filter,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::EventInvokeConfig": _when_it_fails,
    "AWS::Lambda::Permission": _permission,
    "AWS::Budgets::Budget": _budget,
}

ONLY_IN_TERRAFORM: Mapping[str, set[str]] = {
    # How the function's code gets there differs: a file here, text in the template. A test compares the code.
    "aws_lambda_function": {"filename", "handler", "source_code_hash"},
}


def twin_of(made: Made) -> Iterator[Said]:
    """What a CloudFormation resource is in Terraform: one resource or several."""
    yield from TWINS[made.type](made.properties)
