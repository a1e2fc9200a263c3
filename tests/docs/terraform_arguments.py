"""The arguments of the provider's resources that the Terraform files use.

From the provider's documentation, https://registry.terraform.io/providers/hashicorp/aws/6.0.0/docs: a page each. A
nested block stands behind a dot.
"""

from __future__ import annotations

from collections.abc import Mapping

REQUIRED: Mapping[str, set[str]] = {
    "aws_budgets_budget": {"budget_type", "time_unit"},
    "aws_budgets_budget.notification": {"comparison_operator", "threshold", "threshold_type", "notification_type"},
    "aws_cloudwatch_event_rule": set(),
    "aws_cloudwatch_event_target": {"rule", "arn"},
    "aws_cloudwatch_event_target.dead_letter_config": set(),
    "aws_cloudwatch_event_target.retry_policy": set(),
    "aws_cloudwatch_log_group": set(),
    "aws_cloudwatch_log_subscription_filter": {"name", "destination_arn", "filter_pattern", "log_group_name"},
    "aws_cloudwatch_metric_alarm": {"alarm_name", "comparison_operator", "evaluation_periods"},
    "aws_cloudwatch_metric_stream": {"firehose_arn", "role_arn", "output_format"},
    "aws_cloudwatch_metric_stream.include_filter": {"namespace"},
    "aws_iam_policy": {"policy"},
    "aws_iam_role": {"assume_role_policy"},
    "aws_iam_role_policy": {"role", "policy"},
    "aws_iam_role_policy_attachment": {"role", "policy_arn"},
    "aws_kinesis_firehose_delivery_stream": {"name", "destination"},
    "aws_kinesis_firehose_delivery_stream.extended_s3_configuration": {"role_arn", "bucket_arn"},
    "aws_lambda_function": {"function_name", "role"},
    "aws_lambda_function.environment": set(),
    "aws_lambda_function.logging_config": {"log_format"},
    "aws_lambda_function_event_invoke_config": {"function_name"},
    "aws_lambda_function_event_invoke_config.destination_config": set(),
    "aws_lambda_function_event_invoke_config.destination_config.on_failure": {"destination"},
    "aws_lambda_permission": {"action", "function_name", "principal"},
    "aws_s3_bucket": set(),
    "aws_s3_bucket_lifecycle_configuration": {"bucket", "rule"},
    "aws_s3_bucket_lifecycle_configuration.rule": {"id", "status"},
    "aws_s3_bucket_lifecycle_configuration.rule.expiration": set(),
    "aws_s3_bucket_notification": {"bucket"},
    "aws_s3_bucket_public_access_block": {"bucket"},
    "aws_sns_topic": set(),
    "aws_sns_topic_policy": {"arn", "policy"},
    "aws_sns_topic_subscription": {"topic_arn", "protocol", "endpoint"},
    "aws_sqs_queue": set(),
    "aws_sqs_queue_policy": {"queue_url", "policy"},
}
"""What has to be there."""

OPTIONAL: Mapping[str, set[str]] = {
    "aws_budgets_budget": {"name", "limit_amount", "limit_unit", "notification", "cost_filter", "time_period_start"},
    "aws_budgets_budget.notification": {"subscriber_sns_topic_arns", "subscriber_email_addresses"},
    "aws_cloudwatch_event_rule": {"name", "description", "event_pattern", "event_bus_name", "state", "tags"},
    "aws_cloudwatch_event_target": {"target_id", "dead_letter_config", "retry_policy", "sqs_target", "event_bus_name"},
    "aws_cloudwatch_event_target.dead_letter_config": {"arn"},
    "aws_cloudwatch_event_target.retry_policy": {"maximum_event_age_in_seconds", "maximum_retry_attempts"},
    "aws_cloudwatch_log_group": {"name", "retention_in_days", "kms_key_id", "tags"},
    "aws_cloudwatch_log_subscription_filter": {"role_arn", "distribution"},
    "aws_cloudwatch_metric_alarm": {
        "metric_name",
        "namespace",
        "period",
        "statistic",
        "extended_statistic",
        "threshold",
        "dimensions",
        "alarm_actions",
        "alarm_description",
        "insufficient_data_actions",
        "ok_actions",
        "treat_missing_data",
        "datapoints_to_alarm",
        "tags",
    },
    "aws_cloudwatch_metric_stream": {"name", "include_filter", "exclude_filter", "statistics_configuration", "tags"},
    "aws_cloudwatch_metric_stream.include_filter": {"metric_names"},
    "aws_iam_policy": {"name", "description", "path", "tags"},
    "aws_iam_role": {"name", "description", "path", "tags"},
    "aws_iam_role_policy": {"name"},
    "aws_iam_role_policy_attachment": set(),
    "aws_kinesis_firehose_delivery_stream": {"extended_s3_configuration", "server_side_encryption", "tags"},
    "aws_kinesis_firehose_delivery_stream.extended_s3_configuration": {
        "prefix",
        "error_output_prefix",
        "buffering_interval",
        "buffering_size",
        "compression_format",
        "kms_key_arn",
    },
    "aws_lambda_function": {
        "filename",
        "handler",
        "runtime",
        "source_code_hash",
        "timeout",
        "environment",
        "logging_config",
        "memory_size",
        "tags",
    },
    "aws_lambda_function.environment": {"variables"},
    "aws_lambda_function.logging_config": {"log_group", "application_log_level", "system_log_level"},
    "aws_lambda_function_event_invoke_config": {"destination_config", "maximum_retry_attempts", "qualifier"},
    "aws_lambda_function_event_invoke_config.destination_config": {"on_failure", "on_success"},
    "aws_lambda_function_event_invoke_config.destination_config.on_failure": set(),
    "aws_lambda_permission": {"source_account", "source_arn", "statement_id"},
    "aws_s3_bucket": {"bucket", "force_destroy", "tags"},
    "aws_s3_bucket_lifecycle_configuration": {"expected_bucket_owner"},
    "aws_s3_bucket_lifecycle_configuration.rule": {"filter", "expiration", "noncurrent_version_expiration"},
    "aws_s3_bucket_lifecycle_configuration.rule.expiration": {"days", "date"},
    "aws_s3_bucket_notification": {"eventbridge", "queue", "topic"},
    "aws_s3_bucket_public_access_block": {
        "block_public_acls",
        "block_public_policy",
        "ignore_public_acls",
        "restrict_public_buckets",
    },
    "aws_sns_topic": {"name", "display_name", "policy", "kms_master_key_id", "tags"},
    "aws_sns_topic_policy": set(),
    "aws_sns_topic_subscription": {"raw_message_delivery", "filter_policy", "redrive_policy"},
    "aws_sqs_queue": {
        "name",
        "message_retention_seconds",
        "visibility_timeout_seconds",
        "receive_wait_time_seconds",
        "sqs_managed_sse_enabled",
        "redrive_policy",
        "redrive_allow_policy",
        "max_message_size",
        "tags",
    },
    "aws_sqs_queue_policy": set(),
}
"""What may be there."""


def problems(name: str, arguments: Mapping[str, object]) -> list[str]:
    """What the provider would refuse: unknown and missing arguments, in nested blocks too."""
    if name not in REQUIRED:
        return [f"{name} is not in the table: add it, from its page"]
    allowed = REQUIRED[name] | OPTIONAL[name]
    found = [f"{name} has no argument {one}" for one in sorted(arguments.keys() - allowed)]
    found += [f"{name} needs {one}" for one in sorted(REQUIRED[name] - arguments.keys())]
    for argument, value in arguments.items():
        nested = f"{name}.{argument}"
        if nested in REQUIRED:
            for block in value if isinstance(value, list) else [value]:
                found += problems(nested, block)
    return found
