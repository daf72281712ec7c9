#!/usr/bin/env bash
# Formats the C++ code; with --check only says which lines are not formatted.
source "$(dirname "$0")/lib.sh"

mapfile -d '' files < <(find src tests -name '*.[ch]pp' -print0 2>/dev/null)
[ "${#files[@]}" -gt 0 ] || fail "there is no C++ file in src or tests."
case "${1:-}" in
  '') clang-format-19 -i "${files[@]}" ;;
  --check)
    clang-format-19 --dry-run -Werror "${files[@]}" || fail "the lines above are not formatted: run 'make format'."
    ;;
  *) fail "unknown option $1: use --check or nothing." ;;
esac
say "${#files[@]} files formatted as they should be"
