# An alarm that wakes a policy: when the CPU of a group is high, and when its metric is missing.

variable "group_name" {
  description = "The Auto Scaling group"
  type        = string
}

variable "above_cpu_percent" {
  description = "As in the policy, so that the alarm rings when the policy can already decide"
  type        = number
  default     = 70
}

resource "aws_cloudwatch_metric_alarm" "cpu_high" {
  alarm_name                = "${var.group_name}-cpu-high"
  alarm_description         = "CPU of ${var.group_name} is high, or its metric is missing"
  namespace                 = "AWS/EC2"
  metric_name               = "CPUUtilization"
  dimensions                = { AutoScalingGroupName = var.group_name }
  statistic                 = "Average"
  period                    = 60
  evaluation_periods        = 2
  threshold                 = var.above_cpu_percent
  comparison_operator       = "GreaterThanThreshold"
  treat_missing_data        = "missing"
  alarm_actions             = [aws_sns_topic.alarms.arn]
  insufficient_data_actions = [aws_sns_topic.alarms.arn]
}
