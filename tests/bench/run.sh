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
exec tools/with-postgres.sh /usr/bin/python3 tests/bench/bench.py --build build/release --write docs/benchmarks.md "$@"
