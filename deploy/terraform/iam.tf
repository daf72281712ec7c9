data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "host" {
  name_prefix        = "${local.prefix}-"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_instance_profile" "host" {
  name_prefix = "${local.prefix}-"
  role        = aws_iam_role.host.name
}

# What the orchestrator does with its bucket, below users/: nothing else, and no change of the bucket itself.
data "aws_iam_policy_document" "homes" {
  # These two know no prefix.
  statement {
    sid       = "Look"
    actions   = ["s3:GetBucketLocation", "s3:ListBucketMultipartUploads"]
    resources = [aws_s3_bucket.homes.arn]
  }

  # "": whether the bucket can be reached is asked with a listing of its top.
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.homes.arn]

    condition {
      test     = "StringLikeIfExists"
      variable = "s3:prefix"
      values   = ["", "users", "users/*"]
    }
  }

  statement {
    sid = "ReadAndWrite"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:DeleteObject",
      "s3:GetObject",
      "s3:ListMultipartUploadParts",
      "s3:PutObject",
    ]
    resources = ["${aws_s3_bucket.homes.arn}/users/*"]
  }
}

resource "aws_iam_role_policy" "homes" {
  name   = "homes"
  role   = aws_iam_role.host.id
  policy = data.aws_iam_policy_document.homes.json
}

# The host only pulls; deploys push with an identity of their own.
data "aws_iam_policy_document" "images" {
  statement {
    sid       = "SignIn"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # terraform-ok: this action knows no resources
  }

  statement {
    sid       = "Pull"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [for repository in aws_ecr_repository.this : repository.arn]
  }
}

resource "aws_iam_role_policy" "images" {
  name   = "images"
  role   = aws_iam_role.host.id
  policy = data.aws_iam_policy_document.images.json
}

# For the identity that deploys: attach it to a role of your own.
data "aws_iam_policy_document" "push" {
  statement {
    sid       = "SignIn"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # terraform-ok: this action knows no resources
  }

  statement {
    sid = "Push"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:CompleteLayerUpload",
      "ecr:GetDownloadUrlForLayer",
      "ecr:InitiateLayerUpload",
      "ecr:PutImage",
      "ecr:UploadLayerPart",
    ]
    resources = [for repository in aws_ecr_repository.this : repository.arn]
  }
}

resource "aws_iam_policy" "push" {
  name_prefix = "${local.prefix}-push-"
  description = "Pushes images of Matrx Sandbox"
  policy      = data.aws_iam_policy_document.push.json
}
