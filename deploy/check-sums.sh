#!/usr/bin/env bash
# Checks that a folder holds exactly the files of a list, with their checksums: nothing missing, changed or added.
#   check-sums.sh FOLDER SUMS      SUMS: lines as sha256sum writes them, of names without a folder
set -Eeuo pipefail

fail() {
  printf 'matrx-sums: %s\n' "$*" >&2
  exit 1
}

[ "$#" -eq 2 ] || fail "it takes a folder and the text of a list."
[ -d "$1" ] || fail "$1: there is no such folder."
sums=$(printf '%s\n' "$2" | sed '/^$/d')
[ -n "$sums" ] || fail "the list is empty."
while read -r line; do
  [[ $line =~ ^[0-9a-f]{64}\ [\ *][A-Za-z0-9_][A-Za-z0-9._+~-]*$ ]] || fail "'$line' is no line of sha256sum."
done <<<"$sums"
listed=$(printf '%s\n' "$sums" | sed 's/^[0-9a-f]* [ *]//' | LC_ALL=C sort)
there=$(find "$1" -mindepth 1 -printf '%P\n' | LC_ALL=C sort)
[ "$listed" = "$there" ] || fail "$1 holds other files than the list names."
(cd "$1" && printf '%s\n' "$sums" | sha256sum --check --strict --status) ||
  fail "a file in $1 is not the one that was built: its checksum differs."
