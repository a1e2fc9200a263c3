# Lines of a log that match a pattern wake a policy. kind: aws.logs
# A log subscription cannot send to a queue, so a function of three lines stands between.

variable "log_group_name" {
  description = "The log group, which is there already"
  type        = string
}

variable "filter_pattern" {
  description = "Which lines, in CloudWatch Logs' own syntax; as narrow as can be"
  type        = string
  default     = "?ERROR ?FATAL"
}

data "archive_file" "forward_logs" {
  type        = "zip"
  source_file = "${path.module}/forward_logs.py"
  output_path = "${path.module}/forward_logs.zip"
}

data "aws_iam_policy_document" "forward_logs_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "forward_logs" {
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.events.arn, aws_sqs_queue.dead_letters.arn]
  }

  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.forward_logs.arn}:*"]
  }
}

resource "aws_iam_role" "forward_logs" {
  name               = "${var.prefix}-forward-logs"
  assume_role_policy = data.aws_iam_policy_document.forward_logs_trust.json
}

resource "aws_iam_role_policy" "forward_logs" {
  name   = "send"
  role   = aws_iam_role.forward_logs.id
  policy = data.aws_iam_policy_document.forward_logs.json
}

resource "aws_cloudwatch_log_group" "forward_logs" {
  name              = "/aws/lambda/${var.prefix}-forward-logs"
  retention_in_days = 14
}

resource "aws_lambda_function" "forward_logs" {
  function_name    = "${var.prefix}-forward-logs"
  role             = aws_iam_role.forward_logs.arn
  runtime          = "python3.13"
  handler          = "forward_logs.handler"
  filename         = data.archive_file.forward_logs.output_path
  source_code_hash = data.archive_file.forward_logs.output_base64sha256
  timeout          = 10

  environment {
    variables = { QUEUE_URL = aws_sqs_queue.events.url }
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.forward_logs.name
  }
}

resource "aws_lambda_function_event_invoke_config" "forward_logs" {
  function_name          = aws_lambda_function.forward_logs.function_name
  maximum_retry_attempts = 2

  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead_letters.arn
    }
  }
}

resource "aws_lambda_permission" "forward_logs" {
  function_name  = aws_lambda_function.forward_logs.arn
  action         = "lambda:InvokeFunction"
  principal      = "logs.amazonaws.com"
  source_account = local.account
  source_arn     = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${var.log_group_name}:*"
}

resource "aws_cloudwatch_log_subscription_filter" "logs" {
  name            = "${var.prefix}-logs"
  log_group_name  = var.log_group_name
  filter_pattern  = var.filter_pattern
  destination_arn = aws_lambda_function.forward_logs.arn
  depends_on      = [aws_lambda_permission.forward_logs]
}
