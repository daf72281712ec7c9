#!/usr/bin/env bash
# Is this sandbox fit for work? Exit code 0 and nothing printed, or one line that says what is wrong. Used by the
# image's HEALTHCHECK; sandboxes of an orchestrator have none, since it holds a channel to each.
source "$(dirname "$0")/common.sh"

AGENT_SOCKET=${MATRX_AGENT_SOCKET:-/run/matrx/agent.sock}

unfit() {
  say "$*"
  exit 1
}

check_environment
[ -f "$READY_FILE" ] || [ -S "$AGENT_SOCKET" ] ||
  unfit "neither the start script has said that it is ready nor does an agent listen"
{ [ -d "$HOT_PATH" ] && [ -w "$HOT_PATH" ]; } || unfit "the home $(shown "$HOT_PATH") is missing or may not be written"
# A full disk shows only when something is written.
probe=$(mktemp "$HOT_PATH/.matrx-health.XXXXXX.tmp") || unfit "the home $(shown "$HOT_PATH") takes no new file"
{ printf x >"$probe" && [ -s "$probe" ]; } || { rm -f -- "$probe"; unfit "the disk of the home is full"; }
rm -f -- "$probe"
