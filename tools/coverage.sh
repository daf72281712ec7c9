#!/usr/bin/env bash
# Which lines and branches of src/ the unit, contract and simulation tests run: a table by folder and its total.
#   tools/coverage.sh            builds (build/coverage), runs the tests, prints the table
#   tools/coverage.sh FILE…      the same, then the files' lines that no test has run
#   MATRX_COVERAGE_AGAIN=1 …     prints from the last run
# What the integration tests run counts as not run: they look at a daemon from outside, and this at its parts. So does
# what a process ran that was killed.
source "$(dirname "$0")/lib.sh"

PATH=/usr/lib/llvm-19/bin:$PATH
folder=$ROOT/build/coverage
raw=$folder/raw
profile=$folder/tests.profdata

for file in "$@"; do
  [ -f "$file" ] || fail "there is no file $file"
done

run_tests() {
  rm -rf "$raw"
  mkdir -p "$raw"
  # %4m: four files per program that all its runs add up in, instead of one file per run.
  LLVM_PROFILE_FILE="$raw/%4m.profraw" MATRX_SKIP_DOCKER=1 ctest --preset coverage --no-tests=error
}

merge() { find "$raw" -name '*.profraw' -print0 | xargs -0 llvm-profdata merge -sparse -o "$profile"; }

# objects: the programs that have run, as llvm-cov takes them: the first one bare, the others with -object.
objects() {
  local first=1 program
  for program in "$folder"/bin/*; do
    if [ ! -x "$program" ] || [ ! -f "$program" ]; then continue; fi
    [ -n "$first" ] || printf -- '-object\n'
    printf '%s\n' "$program"
    first=''
  done
}

export_json() {
  local programs
  mapfile -t programs < <(objects)
  llvm-cov export -summary-only -instr-profile "$profile" -ignore-filename-regex '_test\.[ch]pp$' \
    "${programs[@]}" -sources "$ROOT/src" >"$folder/coverage.json"
}

if [ -z "${MATRX_COVERAGE_AGAIN:-}" ]; then
  steps 4
  step "Building (coverage)" build_preset coverage
  step "Running the tests" run_tests || failed=1
  step "Adding up" merge
  step "Counting" export_json
fi
[ -f "$folder/coverage.json" ] || fail "nothing has been counted yet: run it without MATRX_COVERAGE_AGAIN."

echo
tools/coverage_table.py "$folder/coverage.json" "$ROOT/src"
if [ $# -gt 0 ]; then
  mapfile -t programs < <(objects)
  llvm-cov show -instr-profile "$profile" "${programs[@]}" -sources "$@" | grep -E '^ +[0-9]+\| +0\|' || true
fi
[ -z "${failed:-}" ] || fail "some tests failed (build/logs): the figures are of the others."
