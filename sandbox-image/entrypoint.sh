#!/usr/bin/env bash
# Runs the image without an orchestrator: checks the variables, says that it is ready, and waits to be stopped, or runs
# the command it is given. The orchestrator starts its agent instead, and this script is not used.
#   docker run -e SANDBOX_ID=sbx-0123456789ab -e USER_ID=me matrx-sandbox
source "$(dirname "$0")/common.sh"

HERE=$(cd "$(dirname "$0")" && pwd)
child=
told=no

# shellcheck disable=SC2317  # called by the trap
stop() {
  trap '' TERM INT
  told=yes
  rm -f -- "$READY_FILE"
  "$HERE/shutdown.sh"
}

check_environment
[ -d "$HOT_PATH" ] || fail "HOT_PATH is $(shown "$HOT_PATH"): there is no such folder."
[ -w "$HOT_PATH" ] || fail "HOT_PATH is $(shown "$HOT_PATH"): $(id -un) may not write there."
cd -- "$HOT_PATH"
rm -f -- "$READY_FILE" # of a run before, in a container that is started again

trap stop TERM INT
[ "$#" -gt 0 ] || set -- sleep infinity
"$@" &
child=$!
printf '%s\n' "$SANDBOX_ID" >"$READY_FILE"

rc=0
wait "$child" || rc=$?
rm -f -- "$READY_FILE"
[ "$told" = no ] || rc=0 # ended because it was told to
exit "$rc"
