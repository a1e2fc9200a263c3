# The least that Setpoint's connection needs: to look and take events; and, in a policy of its own, to change groups.

variable "role_name" {
  description = "The role Airflow's connection uses, which is there already"
  type        = string
}

variable "groups" {
  description = "The Auto Scaling groups Setpoint may change, with * as a wildcard"
  type        = string
}

data "aws_iam_policy_document" "look" {
  statement {
    sid = "Look"
    actions = [
      "autoscaling:DescribeAutoScalingGroups",
      "autoscaling:DescribeInstanceRefreshes",
      "autoscaling:DescribeScalingActivities",
      "cloudwatch:GetMetricData",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "TakeEvents"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
    resources = [aws_sqs_queue.events.arn]
  }

  statement {
    sid       = "Doctor"
    actions   = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"]
    resources = [aws_sqs_queue.events.arn, aws_sqs_queue.dead_letters.arn]
  }

  statement {
    sid       = "DoctorAboutItself"
    actions   = ["iam:SimulatePrincipalPolicy"]
    resources = ["arn:${local.partition}:iam::${local.account}:role/${var.role_name}"]
  }
}

# Leave it out for a trial: without it even a mistake could not change a group.
data "aws_iam_policy_document" "change" {
  statement {
    sid     = "Change"
    actions = ["autoscaling:SetDesiredCapacity"]
    resources = [
      "arn:${local.partition}:autoscaling:${local.region}:${local.account}:autoScalingGroup:*:autoScalingGroupName/${var.groups}",
    ]
  }
}

resource "aws_iam_policy" "look" {
  name   = "${var.prefix}-look"
  policy = data.aws_iam_policy_document.look.json
}

resource "aws_iam_policy" "change" {
  name   = "${var.prefix}-change"
  policy = data.aws_iam_policy_document.change.json
}

resource "aws_iam_role_policy_attachment" "look" {
  role       = var.role_name
  policy_arn = aws_iam_policy.look.arn
}

resource "aws_iam_role_policy_attachment" "change" {
  role       = var.role_name
  policy_arn = aws_iam_policy.change.arn
}
