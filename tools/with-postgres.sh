#!/usr/bin/env bash
# Runs a command with a Postgres of its own, which is gone afterwards:
#   tools/with-postgres.sh COMMAND…
# The command finds it in MATRX_TEST_DATABASE_URL, with all files of migrations/ applied; MATRX_TEST_PG_DIR is its
# folder, MATRX_TEST_PG_CTL what stops and starts it ("stop -m immediate", "start"). Unix socket only.
#   MATRX_TEST_PG_DURABLE=1   with fsync, for tests that kill it
source "$(dirname "$0")/lib.sh"

bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || fail "there is no Postgres server: run 'make setup'."
folder=$(mktemp -d /tmp/matrx-postgres-XXXXXX)
options="-c listen_addresses='' -c unix_socket_directories='$folder' -c max_connections=200 -c timezone=America/Caracas"
[ -n "${MATRX_TEST_PG_DURABLE:-}" ] || options+=" -c fsync=off -c synchronous_commit=off"

# Postgres refuses to run as root.
as_server=()
if [ "$(id -u)" -eq 0 ]; then
  chown postgres: "$folder"
  as_server=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi
# Others read the socket and the data folder's name, not the data.
chmod 755 "$folder"

cat >"$folder/ctl" <<CTL
#!/bin/sh
# Stops and starts the server of this folder: stop -m immediate | start
cd / && exec ${as_server[*]} "$bin/pg_ctl" -s -w -D "$folder/data" -l "$folder/log" -o "$options" "\$@"
CTL
chmod 755 "$folder/ctl"

cleanup() {
  "$folder/ctl" stop -m immediate >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

"${as_server[@]}" "$bin/initdb" -D "$folder/data" -U matrx --auth=trust -E UTF8 --no-locale --no-sync \
  >"$folder/initdb.log" 2>&1 ||
  { cat "$folder/initdb.log" >&2; fail "initdb could not make a database: see its message above."; }
"$folder/ctl" start >/dev/null ||
  { cat "$folder/log" >&2; fail "Postgres did not start: see its log above."; }
export MATRX_TEST_PG_DIR=$folder MATRX_TEST_PG_CTL=$folder/ctl
export MATRX_TEST_DATABASE_URL="postgresql://matrx@/matrx?host=$folder"
psql -q "postgresql://matrx@/postgres?host=$folder" -c 'CREATE DATABASE matrx'
if [ -z "${MATRX_TEST_PG_EMPTY:-}" ]; then
  for migration in migrations/[0-9]*.sql; do
    psql -q -v ON_ERROR_STOP=1 "$MATRX_TEST_DATABASE_URL" -f "$migration"
  done
fi
"$@"
