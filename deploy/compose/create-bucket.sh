#!/usr/bin/env bash
# Run by LocalStack when it is ready. Keeps its objects in memory: they go with the container.
set -euo pipefail
awslocal s3api head-bucket --bucket "$BUCKET" 2>/dev/null || awslocal s3api create-bucket --bucket "$BUCKET"
