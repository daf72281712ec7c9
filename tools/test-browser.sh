#!/usr/bin/env bash
# The dashboard in a real browser: Debian's Chromium, the real orchestrator, real Docker. An argument is a part of a
# test's name.
#   MATRX_SCREENSHOTS=1   also writes docs/screenshots
source "$(dirname "$0")/lib.sh"

export MATRX_TEST_BUILD_DIR=${MATRX_TEST_BUILD_DIR:-build/release}

steps 5
step "Checking packages, Docker and the browser" tools/setup.sh --browser || fail "the set-up failed: see above."
measure_slowness
step "Building ($(basename "$MATRX_TEST_BUILD_DIR"))" build_tested "$(basename "$MATRX_TEST_BUILD_DIR")" ||
  fail "the build failed: see the compiler's message above."
step "Checking the sandbox image" tools/build-image.sh || fail "there is no sandbox image: see the lines above."
step "Installing the test's packages" \
  npm --prefix tests/browser ci --ignore-scripts --no-fund --no-audit --loglevel error ||
  fail "npm could not install the packages: check the network and npm's settings."
step "Building the example application" tools/build-web.sh "$MATRX_TEST_BUILD_DIR/generated/openapi.json" ||
  fail "the example application could not be built: see the lines above."
mkdir -p "$RESULTS"
exec node tests/browser/run.mjs "$@"
