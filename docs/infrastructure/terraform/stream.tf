# CloudWatch metrics, pushed to a bucket by a metric stream; each delivery wakes a policy. source: aws.cloudwatch_stream

variable "stream_bucket_name" {
  description = "The bucket's name, which is unique in all of AWS"
  type        = string
}

variable "streamed_namespace" {
  description = "The namespace whose metrics are streamed, such as AWS/EC2; what is streamed is paid for"
  type        = string
}

resource "aws_s3_bucket" "stream" {
  bucket = var.stream_bucket_name
}

resource "aws_s3_bucket_public_access_block" "stream" {
  bucket                  = aws_s3_bucket.stream.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_notification" "stream" {
  bucket      = aws_s3_bucket.stream.id
  eventbridge = true
}

resource "aws_s3_bucket_lifecycle_configuration" "stream" {
  bucket = aws_s3_bucket.stream.id

  rule {
    id     = "forget"
    status = "Enabled"

    filter {}

    expiration {
      days = 14
    }
  }
}

data "aws_iam_policy_document" "stream_delivery_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["firehose.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "stream_delivery" {
  statement {
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = ["${aws_s3_bucket.stream.arn}/*"]
  }

  statement {
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [aws_s3_bucket.stream.arn]
  }
}

resource "aws_iam_role" "stream_delivery" {
  name               = "${var.prefix}-stream-delivery"
  assume_role_policy = data.aws_iam_policy_document.stream_delivery_trust.json
}

resource "aws_iam_role_policy" "stream_delivery" {
  name   = "write"
  role   = aws_iam_role.stream_delivery.id
  policy = data.aws_iam_policy_document.stream_delivery.json
}

resource "aws_kinesis_firehose_delivery_stream" "metrics" {
  name        = "${var.prefix}-metrics"
  destination = "extended_s3"

  extended_s3_configuration {
    role_arn           = aws_iam_role.stream_delivery.arn
    bucket_arn         = aws_s3_bucket.stream.arn
    prefix             = "metrics/"
    buffering_interval = 60
    buffering_size     = 64
    compression_format = "GZIP"
  }
}

data "aws_iam_policy_document" "stream_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["streams.metrics.cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "stream" {
  statement {
    actions   = ["firehose:PutRecord", "firehose:PutRecordBatch"]
    resources = [aws_kinesis_firehose_delivery_stream.metrics.arn]
  }
}

resource "aws_iam_role" "stream" {
  name               = "${var.prefix}-stream"
  assume_role_policy = data.aws_iam_policy_document.stream_trust.json
}

resource "aws_iam_role_policy" "stream" {
  name   = "send"
  role   = aws_iam_role.stream.id
  policy = data.aws_iam_policy_document.stream.json
}

resource "aws_cloudwatch_metric_stream" "metrics" {
  name          = "${var.prefix}-metrics"
  firehose_arn  = aws_kinesis_firehose_delivery_stream.metrics.arn
  role_arn      = aws_iam_role.stream.arn
  output_format = "json"

  include_filter {
    namespace = var.streamed_namespace
  }
}

resource "aws_cloudwatch_event_rule" "stream" {
  name = "${var.prefix}-stream"
  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"]
    detail = {
      bucket = { name = [var.stream_bucket_name] }
      object = { key = [{ prefix = "metrics/" }] }
    }
  })
}

resource "aws_cloudwatch_event_target" "stream" {
  rule      = aws_cloudwatch_event_rule.stream.name
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

data "aws_iam_policy_document" "read_stream" {
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.stream.arn]
  }

  statement {
    sid       = "Read"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.stream.arn}/metrics/*"]
  }
}

resource "aws_iam_policy" "read_stream" {
  name   = "${var.prefix}-read-stream"
  policy = data.aws_iam_policy_document.read_stream.json
}

resource "aws_iam_role_policy_attachment" "read_stream" {
  role       = var.role_name
  policy_arn = aws_iam_policy.read_stream.arn
}
