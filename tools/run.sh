#!/usr/bin/env bash
# Everything from a fresh checkout to a running orchestrator, in the foreground: `make run`.
# Settings: MATRX_* variables (see `matrx-orchestrator --help`), also from a .env file; the environment wins.
source "$(dirname "$0")/lib.sh"

# load_env FILE: KEY=VALUE lines; read, never executed, and never over a variable that is set already.
load_env() {
  local line key value
  while IFS= read -r line || [ -n "$line" ]; do
    [[ $line =~ ^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$ ]] || continue
    key=${BASH_REMATCH[2]} value=${BASH_REMATCH[3]%$'\r'}
    if [[ $value =~ ^\"(.*)\"$ || $value =~ ^\'(.*)\'$ ]]; then value=${BASH_REMATCH[1]}; fi
    [ -n "${!key+set}" ] || export "$key=$value"
  done <"$1"
}

# The kernel's own table: answers for every address and needs no tool. 0A is the state "listening".
port_in_use() {
  awk -v port=":$(printf '%04X' "$1")\$" '$4 == "0A" && $2 ~ port { found = 1 } END { exit !found }' \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# Runs beside the orchestrator until it answers, then shows what to try. Ends with it, should it never answer.
show_hints_when_ready() {
  local orchestrator=$1 url=http://localhost:$MATRX_PORT key=''
  until curl -fs -m 2 "$url/health/ready" >/dev/null 2>&1; do
    [ -d "/proc/$orchestrator" ] || return 0
    sleep 0.2
  done
  # The name of the variable, not the key: terminals are recorded and shared.
  [ -z "${MATRX_API_KEY:-}" ] || key=" -H \"${MATRX_API_KEY_HEADER:-X-API-Key}: \${MATRX_API_KEY%%,*}\""
  cat <<EOF

Matrx Sandbox is ready: $url/dashboard   (API: $url/docs, stop: Ctrl-C)
Try it in another terminal:

  # create: prints the id
  id=\$(curl -s$key $url/sandboxes -H 'Content-Type: application/json' -d '{"user_id": "me"}' |
    sed -E 's/.*"sandbox_id": *"([^"]+)".*/\1/'); echo "\$id"
  # run a command in it
  curl -s$key $url/sandboxes/\$id/exec -H 'Content-Type: application/json' \\
    -d '{"command": "echo hello from \$(hostname)"}'; echo
  # destroy: prints 204
  curl -s$key -o /dev/null -w '%{http_code}\n' -X DELETE $url/sandboxes/\$id

EOF
}

[ ! -f .env ] || load_env .env
export MATRX_PORT=${MATRX_PORT:-8000}
export MATRX_SANDBOX_STORE=${MATRX_SANDBOX_STORE:-sqlite}
export MATRX_DATA_DIR=${MATRX_DATA_DIR:-/var/lib/matrx}
export MATRX_LOG_FORMAT=${MATRX_LOG_FORMAT:-text}
export MATRX_AGENT_PATH=${MATRX_AGENT_PATH:-$ROOT/build/release/bin/matrx-agent}

[[ $MATRX_PORT =~ ^[0-9]{1,5}$ ]] || fail "MATRX_PORT is '$MATRX_PORT': it takes a port number."
check_port() {
  ! port_in_use "$MATRX_PORT" ||
    fail "port $MATRX_PORT is in use: stop what listens there, or choose another: MATRX_PORT=8001 make run."
}
check_port # now, before minutes of work, and once more before the start

steps 5
MATRX_SKIP_DOCKER=1 step "Checking packages" tools/setup.sh ||
  fail "the packages could not be installed: see the lines above."
step "Checking Docker" tools/setup.sh || fail "Docker is not available: see the lines above."
step "Building" build_preset release || fail "the build failed: see the compiler's message above."
step "Checking the sandbox image" tools/build-image.sh || fail "there is no sandbox image: see the lines above."
say "[5/5] Starting the orchestrator: store $MATRX_SANDBOX_STORE, data in $MATRX_DATA_DIR, port $MATRX_PORT"

check_port

# exec: signals and the exit code are then the orchestrator's own. The hints come from a grandchild, so that the
# orchestrator never finds a child that it did not start.
(show_hints_when_ready $$ &)
orchestrator=$ROOT/build/release/bin/matrx-orchestrator
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || fail "the orchestrator needs root and there is no sudo: run 'make run' as root."
  exec sudo -E "$orchestrator"
fi
exec "$orchestrator"
