#!/usr/bin/env bash
# Runs clang-tidy over the sources, tests left out, with all checks of .clang-tidy. Several sources of a folder go
# through it as one (the preset "lint"): what they include is then read once, which is most of the work.
#   tools/lint.sh          everything; what was clean is not looked at again until it or any header changes
#   tools/lint.sh FILE…    what these files are compiled together with
#   tools/lint.sh changed  the same for what has changed since the commit named in .ci/lint-clean, where all was clean
#   tools/lint.sh alone    whether each source brings all its includes itself: in a unity build others bring them along
#   tools/lint.sh alone changed   of those that have changed since that commit
# `make lint` looks at everything, and then names the commit that was clean.
source "$(dirname "$0")/lib.sh"

CACHE=build/lint-cache
DATABASE=build/lint
TIMES=$RESULTS/lint # -tidy.tsv, -alone.tsv: the seconds of each

# What a source alone is read with, whichever target it is of.
ALONE_FLAGS=(-std=c++23 -Isrc -I"$DATABASE/generated" -isystem /usr/include/postgresql -DFMT_HEADER_ONLY=1
  -DBOOST_ASIO_SEPARATE_COMPILATION -DBOOST_ASIO_NO_DEPRECATED -DBOOST_ASIO_DISABLE_BOOST_ARRAY
  -DBOOST_BEAST_SEPARATE_COMPILATION '-DMATRX_VERSION="0"')

# One unit: a child of the xargs below, so that several run at a time.
if [ "${1:-}" = --one ]; then
  unit=$2 position=$3
  # Its sources are what it includes; a source is its own.
  mapfile -t sources < <(sed -n 's/^#include "\(.*\.cpp\)"$/\1/p' "$unit")
  case $unit in build/*) ;; *) sources=("$unit") ;; esac
  key=$({ echo "$LINT_COMMON_HASH $LINT_TOOL" && cat "${sources[@]}"; } | sha256sum | cut -c1-32)
  [ ! -e "$CACHE/$key" ] || exit 0
  started=${EPOCHREALTIME/./}
  if [ "$LINT_TOOL" = tidy ]; then
    output=$(clang-tidy-19 -p "$DATABASE" --quiet "$unit" 2>&1) && rc=0 || rc=1
  else
    output=$(clang++-19 -fsyntax-only "${ALONE_FLAGS[@]}" "$unit" 2>&1) && rc=0 || rc=1
  fi
  took=$(((${EPOCHREALTIME/./} - started) / 1000))
  printf '%s.%03d\t%s\n' "$((took / 1000))" "$((took % 1000))" "${sources[*]#"$ROOT"/}" >>"$TIMES-$LINT_TOOL.tsv"
  if [ "$rc" -eq 0 ]; then
    touch "$CACHE/$key"
    say "[$position] ${sources[*]#"$ROOT"/}"
    exit 0
  fi
  say "[$position] ${sources[*]#"$ROOT"/} FAILED"
  grep -v 'warnings generated' <<<"$output"
  exit 1
fi

ASKED=$*
COMMIT=$(git rev-parse HEAD)
[ -z "$(git status --porcelain -- src .clang-tidy)" ] || COMMIT=''
mkdir -p "$CACHE" "$RESULTS"
find "$CACHE" -type f -mtime +30 -delete
{ cmake --preset lint && cmake --build --preset lint --target matrx-generated; } >/dev/null ||
  fail "the sources could not be generated: run 'cmake --preset lint && cmake --build --preset lint --target" \
    "matrx-generated' to see why."

LINT_TOOL=tidy
if [ "${1:-}" = alone ]; then
  LINT_TOOL=alone
  if [ "${2:-}" = changed ]; then
    list=$(tools/changed_sources.py) || fail "it is not known what has changed: see the message above."
    mapfile -t units < <(printf '%s' "${list:+$list$'\n'}")
  else
    mapfile -t units < <(find src -name '*.cpp' ! -name '*_test.cpp' | LC_ALL=C sort)
  fi
else
  # Of what is compiled: a target of one source has no unit of its own, that source is it.
  mapfile -t units < <(sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' "$DATABASE/compile_commands.json" |
    sed "s#^$ROOT/##" | grep -v 'precompiled' | LC_ALL=C sort -u)
  if [ "${1:-}" = changed ]; then
    list=$(tools/changed_sources.py) || fail "it is not known what has changed: see the message above."
    mapfile -t changed < <(printf '%s' "${list:+$list$'\n'}")
    set -- "${changed[@]}"
    [ $# -gt 0 ] || units=()
  fi
  if [ $# -gt 0 ]; then
    mapfile -t units < <(printf '%s\n' "${units[@]}" | xargs grep -lE "$(printf '%s\n' "$@" | paste -sd'|')")
    [ "${#units[@]}" -gt 0 ] || fail "none of these is compiled: $*."
  fi
fi
LINT_COMMON_HASH=$({
  find src -name '*.hpp' -print0 | LC_ALL=C sort -z | xargs -0 cat
  cat .clang-tidy CMakePresets.json CMakeLists.txt cmake/* tools/lint.sh
} | sha256sum | cut -c1-32)
export LINT_COMMON_HASH LINT_TOOL

rm -f "$TIMES-$LINT_TOOL.tsv"
number=0
for unit in "${units[@]}"; do
  number=$((number + 1))
  printf '%s\0%s\0' "$unit" "$number/${#units[@]}"
done | xargs -0 -r -n 2 -P "$(nproc)" tools/lint.sh --one ||
  fail "the problems above: fix them; a false alarm of clang-tidy gets '// NOLINT(check): reason' on its line."
say "${#units[@]} units clean"
# What was committed when it began, and only where both looks saw the same.
case $ASKED in
  '') echo "$COMMIT" >"$CACHE/tidy-clean" ;;
  alone)
    tidy=$(cat "$CACHE/tidy-clean" 2>/dev/null) || tidy=''
    if [ -n "$COMMIT" ] && [ "$tidy" = "$COMMIT" ]; then echo "$COMMIT" >.ci/lint-clean; fi
    ;;
esac
