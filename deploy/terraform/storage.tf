resource "aws_s3_bucket" "homes" {
  bucket = var.bucket_name

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "homes" {
  bucket = aws_s3_bucket.homes.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "homes" {
  bucket = aws_s3_bucket.homes.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "homes" {
  bucket = aws_s3_bucket.homes.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "homes" {
  bucket = aws_s3_bucket.homes.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "homes" {
  # Rules about versions are refused while there are none.
  depends_on = [aws_s3_bucket_versioning.homes]

  bucket = aws_s3_bucket.homes.id

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_days
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  # Parts of an upload that nobody finished are paid for, and seen by nobody.
  rule {
    id     = "broken-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }
}

data "aws_iam_policy_document" "homes_bucket" {
  statement {
    sid       = "OnlyOverTLS"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.homes.arn, "${aws_s3_bucket.homes.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "homes" {
  depends_on = [aws_s3_bucket_public_access_block.homes]

  bucket = aws_s3_bucket.homes.id
  policy = data.aws_iam_policy_document.homes_bucket.json
}
