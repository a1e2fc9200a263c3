# What AWS itself says about capacity and health, sent to Setpoint's queue. Keep the rules you have policies for.

locals {
  rules = {
    # kind: cloudwatch.alarm
    alarms = {
      source      = ["aws.cloudwatch"]
      detail-type = ["CloudWatch Alarm State Change"]
    }
    # kind: aws.autoscaling
    autoscaling = {
      source = ["aws.autoscaling"]
      detail-type = [
        "EC2 Instance Launch Successful",
        "EC2 Instance Launch Unsuccessful",
        "EC2 Instance Terminate Successful",
        "EC2 Instance Terminate Unsuccessful",
      ]
    }
    # kind: aws.ec2_spot
    spot = {
      source      = ["aws.ec2"]
      detail-type = ["EC2 Spot Instance Interruption Warning", "EC2 Instance Rebalance Recommendation"]
    }
    # kind: aws.ecs, services and deployments
    ecs-services = {
      source      = ["aws.ecs"]
      detail-type = ["ECS Service Action", "ECS Deployment State Change"]
    }
    # kind: aws.ecs, tasks that stopped
    ecs-tasks = {
      source      = ["aws.ecs"]
      detail-type = ["ECS Task State Change"]
      detail      = { lastStatus = ["STOPPED"] }
    }
    # kind: aws.health
    health = {
      source      = ["aws.health"]
      detail-type = ["AWS Health Event"]
    }
    # kind: aws.guardduty, from medium severity on
    guardduty = {
      source      = ["aws.guardduty"]
      detail-type = ["GuardDuty Finding"]
      detail      = { severity = [{ numeric = [">=", 4] }] }
    }
  }
}

resource "aws_cloudwatch_event_rule" "events" {
  for_each      = local.rules
  name          = "${var.prefix}-${each.key}"
  event_pattern = jsonencode(each.value)
}

resource "aws_cloudwatch_event_target" "events" {
  for_each  = local.rules
  rule      = aws_cloudwatch_event_rule.events[each.key].name
  target_id = "setpoint"
  arn       = aws_sqs_queue.events.arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }

  retry_policy {
    maximum_event_age_in_seconds = 900
    maximum_retry_attempts       = 20
  }
}
