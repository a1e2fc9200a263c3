# Spending, or its forecast, crosses a line: AWS Budgets tells a topic, the topic tells the queue. kind: aws.budgets

variable "monthly_limit_usd" {
  description = "What a month may cost"
  type        = number
}

resource "aws_sns_topic" "budgets" {
  name = "${var.prefix}-budgets"
}

data "aws_iam_policy_document" "budgets" {
  statement {
    sid       = "Budgets"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.budgets.arn]

    principals {
      type        = "Service"
      identifiers = ["budgets.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:budgets::${local.account}:*"]
    }
  }
}

resource "aws_sns_topic_policy" "budgets" {
  arn    = aws_sns_topic.budgets.arn
  policy = data.aws_iam_policy_document.budgets.json
}

resource "aws_sns_topic_subscription" "budgets" {
  topic_arn = aws_sns_topic.budgets.arn
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.events.arn
}

resource "aws_budgets_budget" "monthly" {
  name         = "${var.prefix}-monthly"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = var.monthly_limit_usd
  limit_unit   = "USD"

  notification {
    notification_type         = "ACTUAL"
    comparison_operator       = "GREATER_THAN"
    threshold                 = 80
    threshold_type            = "PERCENTAGE"
    subscriber_sns_topic_arns = [aws_sns_topic.budgets.arn]
  }

  notification {
    notification_type         = "FORECASTED"
    comparison_operator       = "GREATER_THAN"
    threshold                 = 100
    threshold_type            = "PERCENTAGE"
    subscriber_sns_topic_arns = [aws_sns_topic.budgets.arn]
  }

  depends_on = [aws_sns_topic_policy.budgets]
}
