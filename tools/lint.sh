#!/usr/bin/env bash
# Runs clang-tidy over the sources. A file that was clean is not looked at again until it, any header, the settings or
# the compiler flags change. Left out: tests, and src/http, whose files cost half a minute each because of Boost.Beast.
#   tools/lint.sh            everything
#   tools/lint.sh FILE…      some files
source "$(dirname "$0")/lib.sh"

CACHE=build/lint-cache
DATABASE=build/lint

# One file: a child of the xargs below, so that several run at a time.
if [ "${1:-}" = --one ]; then
  file=$2 position=$3
  key=$({ echo "$LINT_COMMON_HASH $file" && cat "$file"; } | sha256sum | cut -c1-32)
  [ ! -e "$CACHE/$key" ] || exit 0
  started=$SECONDS
  if output=$(clang-tidy-19 -p "$DATABASE" --quiet "$file" 2>&1); then
    touch "$CACHE/$key"
    say "[$position] $file ($((SECONDS - started)) s)"
    exit 0
  fi
  say "[$position] $file FAILED"
  grep -v 'warnings generated' <<<"$output"
  exit 1
fi

# The build makes compile_commands.json and the generated sources.
build_preset dev >/dev/null || fail "the dev build failed: run 'make build' to see why."
mkdir -p "$CACHE" "$DATABASE"
# Without the precompiled headers: clang-tidy is nearly twice as fast then, and a missing include is an error.
sed -E 's/ -Winvalid-pch( -Xclang [^ ]+){4}//' build/dev/compile_commands.json >"$DATABASE/compile_commands.json"
! grep -q include-pch "$DATABASE/compile_commands.json" ||
  fail "the flags of the precompiled headers have changed: see $0."
find "$CACHE" -type f -mtime +30 -delete

files=("$@")
if [ $# -eq 0 ]; then
  mapfile -d '' files < <(find src -name '*.cpp' ! -name '*_test.cpp' ! -path 'src/http/*' -print0 | LC_ALL=C sort -z)
fi
LINT_COMMON_HASH=$({
  find src -name '*.hpp' -print0 | LC_ALL=C sort -z | xargs -0 cat
  cat .clang-tidy CMakePresets.json CMakeLists.txt cmake/*
} | sha256sum | cut -c1-32)
export LINT_COMMON_HASH

number=0
for file in "${files[@]}"; do
  number=$((number + 1))
  printf '%s\0%s\0' "$file" "$number/${#files[@]}"
done | xargs -0 -n 2 -P "$(nproc)" tools/lint.sh --one ||
  fail "clang-tidy found the problems above: fix them; a false alarm gets '// NOLINT(check): reason' on its line."
say "${#files[@]} files clean"
