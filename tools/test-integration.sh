#!/usr/bin/env bash
# The integration tests: the real orchestrator, real Docker, the real image. Arguments go to pytest, for example
#   tools/test-integration.sh -k lifecycle
#   MATRX_TEST_WORKERS   how many test files run at once, default 4: they wait half of the time. 0 = one after the
#                        other, here
source "$(dirname "$0")/lib.sh"

export MATRX_TEST_BUILD_DIR=$ROOT/build/release

steps 3
step "Checking packages and Docker" tools/setup.sh --tests || fail "the set-up failed: see the lines above."
measure_slowness
step "Building (release)" build_tested release || fail "the build failed: see the compiler's message above."
step "Checking the sandbox image" tools/build-image.sh || fail "there is no sandbox image: see the lines above."
mkdir -p "$RESULTS"
# Debian's python3 by its path: it is the one that has Debian's modules.
exec /usr/bin/python3 -m pytest tests/integration -m integration --junitxml "$RESULTS/integration.xml" \
  -n "${MATRX_TEST_WORKERS:-4}" --dist loadfile "$@"
