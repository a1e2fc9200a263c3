# A bucket whose new objects wake a policy: a batch of metrics, or of data, has arrived. kind: aws.s3_object

variable "bucket_name" {
  description = "The bucket's name, which is unique in all of AWS"
  type        = string
}

resource "aws_s3_bucket" "arrivals" {
  bucket = var.bucket_name
}

resource "aws_s3_bucket_public_access_block" "arrivals" {
  bucket                  = aws_s3_bucket.arrivals.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_notification" "arrivals" {
  bucket      = aws_s3_bucket.arrivals.id
  eventbridge = true
}

resource "aws_cloudwatch_event_rule" "objects" {
  name = "${var.prefix}-objects"
  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"]
    detail      = { bucket = { name = [var.bucket_name] } }
  })
}

resource "aws_cloudwatch_event_target" "objects" {
  rule      = aws_cloudwatch_event_rule.objects.name
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
