#!/usr/bin/env bash
# Runs fuzz targets, built with the address sanitizer.
#   tools/fuzz.sh short                  every target for MATRX_FUZZ_SECONDS each, default 10
#   tools/fuzz.sh fuzz_NAME [SECONDS]    one target, default 60 s
# A finding is an input file in build/fuzz/<target>/; run the target with that file to see it again.
# Seeds: tests/fuzz/corpus/<target>/, if there are any. New inputs are kept in build/fuzz/<target>/corpus.
source "$(dirname "$0")/lib.sh"

[ $# -ge 1 ] || fail "name a fuzz target, or 'short' for all of them: tools/fuzz.sh short."
PATH=/usr/lib/llvm-19/bin:$PATH # llvm-symbolizer: names and lines in the sanitizers' reports
mode=$1

fuzz_one() {
  local target=$1 seconds=$2 work seeds
  work=build/fuzz/$(basename "$target")
  seeds=tests/fuzz/corpus/$(basename "$target")
  mkdir -p "$work/corpus"
  local -a corpora=("$work/corpus")
  [ ! -d "$seeds" ] || corpora+=("$seeds")
  "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$work/" "${corpora[@]}"
}

if [ "$mode" = --one ]; then # a child of the xargs below: as many run at a time as there are processors
  name=$(basename "$2") log=$LOGS/fuzz-$(basename "$2").log
  fuzz_one "$2" "$3" >"$log" 2>&1 || {
    say "$name FAILED"
    tail -n 40 "$log" | sed 's/^/    /'
    exit 1
  }
  say "$name: $(grep -oE 'number_of_executed_units: *[0-9]+' "$log" | grep -oE '[0-9]+$') runs in $3 s"
  exit
fi

build_preset asan >/dev/null || fail "the asan build failed: run 'cmake --build --preset asan' to see why."
targets=()
if [ "$mode" = short ]; then
  seconds=${MATRX_FUZZ_SECONDS:-10}
  for target in build/asan/bin/fuzz_*; do
    if [ -x "$target" ] && [ -f "$target" ]; then targets+=("$target"); fi
  done
  [ "${#targets[@]}" -gt 0 ] || fail "no fuzz target was built: build/asan/bin/fuzz_* is empty."
else
  seconds=${2:-60}
  targets=("build/asan/bin/$mode")
  [ -x "${targets[0]}" ] || fail "there is no fuzz target $mode: look in build/asan/bin/fuzz_*."
fi

mkdir -p "$LOGS"
say "${#targets[@]} fuzz targets, $seconds s each"
printf '%s\0' "${targets[@]}" | xargs -0 -P "$(nproc)" -I '{}' tools/fuzz.sh --one '{}' "$seconds" ||
  fail "the fuzz targets above found something: the inputs are in build/fuzz, the reports in build/logs."
