#!/usr/bin/env bash
# Measures the release build against floors taken in the same run; writes docs/benchmarks.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tools/lib.sh
source tools/lib.sh
tools/setup.sh --tests
cmake --preset release >/dev/null
cmake --build --preset release
tools/build-image.sh
tools/build-s3-image.sh
test -x /usr/bin/aws || { echo "matrx: homes in S3 are compared with awscli: apt-get install -y awscli" >&2; exit 1; }
exec tools/with-postgres.sh /usr/bin/python3 tests/bench/bench.py --build build/release --write docs/benchmarks.md "$@"
