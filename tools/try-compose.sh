#!/usr/bin/env bash
# Brings up deploy/compose with images that are built here, needs no registry: the orchestrator's, the sandbox image,
# and in the place of LocalStack the S3 server of our tests. Then the lifecycle tests and tests/compose run against it,
# and all of it is taken down again.
#   MATRX_COMPOSE             the Compose to use; default: `docker compose`, else `docker-compose`
#   MATRX_PACKAGE_PROGRAMS    folder with the programs; default: builds build/release
source "$(dirname "$0")/lib.sh"

PROJECT=matrx-try
WORK=$ROOT/build/try-compose
KEY=test-key-4711 # what the integration tests sign in with
export MATRX_TRY_NETWORK=matrx-compose-try

free_port() {
  /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

find_compose() {
  local found=${MATRX_COMPOSE:-}
  if [ -z "$found" ] && docker compose version >/dev/null 2>&1; then found="docker compose"; fi
  if [ -z "$found" ] && command -v docker-compose >/dev/null; then found=docker-compose; fi
  [ -n "$found" ] || fail "there is no Docker Compose: apt-get install docker-compose."
  read -ra COMPOSE <<<"$found"
}

up() {
  "${COMPOSE[@]}" up -d
  local deadline=$((SECONDS + 180)) container
  container=$("${COMPOSE[@]}" ps -q orchestrator)
  until [ "$("${ENGINE[@]}" inspect -f '{{.State.Health.Status}}' "$container")" = healthy ]; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      "${COMPOSE[@]}" logs --tail 40
      return 1
    fi
    sleep 1
  done
}

# What tests have left would keep the network.
down() {
  local -a left
  "${COMPOSE[@]}" down -v
  mapfile -t left < <("${ENGINE[@]}" ps -aq --filter "network=$MATRX_TRY_NETWORK")
  [ "${#left[@]}" -eq 0 ] || "${ENGINE[@]}" rm -f "${left[@]}"
  ! "${ENGINE[@]}" network inspect "$MATRX_TRY_NETWORK" >/dev/null 2>&1 ||
    "${ENGINE[@]}" network rm "$MATRX_TRY_NETWORK"
  as_root umount -R "$WORK/shared"
  as_root rm -rf "$WORK"
}

use_engine
find_compose
if [ "${1:-}" = --up ]; then
  read -ra COMPOSE <<<"$MATRX_TRY_COMPOSE"
  up
  exit
elif [ "${1:-}" = --down ]; then
  read -ra COMPOSE <<<"$MATRX_TRY_COMPOSE"
  down
  exit
elif [ "$#" -gt 0 ]; then
  fail "it takes no arguments; see the head of this file."
fi

say "$("${COMPOSE[@]}" version | head -n 1)"
steps 7
step "Building the orchestrator's image" tools/build-orchestrator-image.sh || fail "there is no image: see above."
step "Checking the sandbox image" tools/build-image.sh || fail "there is no sandbox image: see the lines above."
step "Checking the S3 server's image" tools/build-s3-image.sh || fail "there is no S3 server: see the lines above."

! mountpoint -q "$WORK/shared" || as_root umount -R "$WORK/shared"
mkdir -p "$WORK/shared" "$WORK/compose"
# Mounts of large files that are made in the container must appear on the host; as docker-compose.yml says it.
as_root mount --bind "$WORK/shared" "$WORK/shared"
as_root mount --make-rshared "$WORK/shared"
cp deploy/compose/*.{yml,sh} tests/compose/override.yml "$WORK/compose"
touch "$WORK/compose/production.env" # Compose 1.29 wants it also where its profile is not used
export MATRX_DATA_DIR=$WORK/shared/data MATRX_API_KEY=$KEY
MATRX_PUBLISHED_PORT=$(free_port)
LOCALSTACK_PUBLISHED_PORT=$(free_port)
export MATRX_PUBLISHED_PORT LOCALSTACK_PUBLISHED_PORT
COMPOSE+=(-p "$PROJECT" -f "$WORK/compose/docker-compose.yml" -f "$WORK/compose/override.yml")
export MATRX_TRY_COMPOSE="${COMPOSE[*]}"

failed=0
if step "Bringing it up" tools/try-compose.sh --up; then
  step "The lifecycle tests against it" env MATRX_TEST_RUNNING="$MATRX_PUBLISHED_PORT $WORK/shared $KEY" \
    /usr/bin/python3 -m pytest -v tests/integration/test_lifecycle.py -m integration || failed=1
  MATRX_VERBOSE=1 step "A home's way, large files, restarts" \
    /usr/bin/python3 -m pytest -v tests/compose --junitxml "$RESULTS/compose.xml" || failed=1
  "${COMPOSE[@]}" logs >"$LOGS/try-compose-containers.log" 2>&1 || true
else
  failed=1
fi
step "Taking it down" tools/try-compose.sh --down || failed=1
[ "$failed" -eq 0 ] || fail "not all of it works: see the lines above and build/logs/try-compose-containers.log."
