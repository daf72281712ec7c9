#!/usr/bin/env bash
# Builds and runs tests; the last line is the total. Results (JUnit) are in build/results.
#   tools/test.sh         all: the integration tests on real Docker, the unit, contract and simulation tests under the
#                         address and undefined-behaviour sanitizers, and those that need an optimized program
#   tools/test.sh unit    unit, contract and simulation tests of the dev build: no Docker, no network
#   tools/test.sh sim     the simulation alone, optimized; MATRX_SIM_SEED=N repeats one run
#   tools/test.sh asan    what needs no Docker, under the address and undefined-behaviour sanitizers
#   tools/test.sh tsan    the same under the thread sanitizer
source "$(dirname "$0")/lib.sh"

suite=${1:-all}
case $suite in
  all | unit | sim | asan | tsan) ;;
  *) fail "unknown suite $suite: use unit, sim, asan, tsan or nothing." ;;
esac
[ "$suite" = all ] || export MATRX_SKIP_DOCKER=1

PATH=/usr/lib/llvm-19/bin:$PATH # llvm-symbolizer: names and lines in the sanitizers' reports

# run_ctest PRESET RESULT [OPTION…]
run_ctest() {
  local preset=$1 result=$2
  shift 2
  ctest --preset "$preset" "$@" --timeout "$TEST_TIMEOUT_SECONDS" --output-on-failure --no-tests=error \
    --output-junit "$RESULTS/$result.xml"
}

results=()
# tested RESULT TITLE PRESET [OPTION…]: builds, then runs tests of the build. Nothing in it ends the script early: a
# missing result file counts as a failure in the summary.
tested() {
  local result=$1 title=$2 preset=$3
  shift 3
  results+=("$RESULTS/$result.xml")
  rm -f "$RESULTS/$result.xml" # an old file would hide a runner that crashed
  step "Building ($preset)" build_tested "$preset" || return 0
  step "$title" run_ctest "$preset" "$result" "$@" || true
}

mkdir -p "$RESULTS"
case $suite in
  all) steps 8 ;;
  *) steps 3 ;;
esac
if step "Checking what is installed" tools/setup.sh --tests; then
  measure_slowness
  TEST_TIMEOUT_SECONDS=$(test_seconds 300)
  case $suite in
    all)
      build_ahead release
      step "Checking the sandbox image" tools/build-image.sh || true
      results+=("$RESULTS/integration.xml")
      rm -f "$RESULTS/integration.xml"
      if step "Building (release)" build_tested release; then
        # shellcheck disable=SC2086  # a list of names
        build_ahead ${MATRX_BUILD_AHEAD:-asan}
        step "Integration tests" tools/test-integration.sh || true
      fi
      tested unit "Unit, contract and simulation tests, under sanitizers" asan -L 'unit|contract|sim|docker'
      tested optimized "10,000 seeds of the simulation, and memory" release
      ;;
    unit) tested unit "Running the tests" dev -L 'unit|contract|sim' ;;
    sim) tested sim "Running the simulation" release -L sim ;;
    asan) tested asan "Running the tests" asan -L 'unit|contract|sim' ;;
    tsan) tested tsan "Running the tests" tsan -L 'unit|contract|sim' ;;
  esac
fi
echo
tools/count_results.py "${results[@]}"
