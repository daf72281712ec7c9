#!/usr/bin/env bash
# Builds and runs tests; the last line is the total. Results (JUnit) are in build/results.
#   tools/test.sh         all: unit, contract and simulation tests, those on real Docker, and the integration tests
#   tools/test.sh unit    unit, contract and simulation tests: no Docker, no network
#   tools/test.sh sim     the simulation alone; MATRX_SIM_SEED=N repeats one run
#   tools/test.sh asan    what needs no Docker, under the address and undefined-behaviour sanitizers
#   tools/test.sh tsan    the same under the thread sanitizer
source "$(dirname "$0")/lib.sh"

suite=${1:-all}
preset=dev
labels=() # the presets asan and tsan bring their own
case $suite in
  all) ;;
  unit) labels=(-L 'unit|contract|sim') ;;
  sim) labels=(-L sim) ;;
  asan | tsan) preset=$suite ;;
  *) fail "unknown suite $suite: use unit, sim, asan, tsan or nothing." ;;
esac
if [ "$suite" = all ]; then
  steps 5
else
  steps 3
  export MATRX_SKIP_DOCKER=1
fi

PATH=/usr/lib/llvm-19/bin:$PATH # llvm-symbolizer: names and lines in the sanitizers' reports
results=("$RESULTS/$suite.xml")
[ "$suite" != all ] || results=("$RESULTS/unit.xml" "$RESULTS/integration.xml")
mkdir -p "$RESULTS"
rm -f "${results[@]}" # an old file would hide a runner that crashed

run_ctest() {
  ctest --preset "$preset" "${labels[@]}" --output-on-failure --no-tests=error --output-junit "${results[0]}"
}

# Nothing below ends the script early: a missing result file counts as a failure in the summary.
if step "Checking what is installed" tools/setup.sh --tests; then
  [ "$suite" != all ] || step "Checking the sandbox image" tools/build-image.sh || true
  if step "Building ($preset)" build_preset "$preset"; then
    step "Running the tests" run_ctest || true
  fi
  [ "$suite" != all ] || step "Running the integration tests" tools/test-integration.sh || true
fi
echo
exec tools/count_results.py "${results[@]}"
