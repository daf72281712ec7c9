#!/usr/bin/env bash
# Builds the TypeScript client and the example application: tools/build-web.sh [OPENAPI_JSON]. Packages are installed
# only when a lock file has changed.
source "$(dirname "$0")/lib.sh"

MATRX_OPENAPI=$(realpath "${1:-build/dev/generated/openapi.json}")
export MATRX_OPENAPI
[ -f "$MATRX_OPENAPI" ] || fail "there is no OpenAPI document: run 'make build' first, or name one."

# packages FOLDER: as the lock file says.
packages() {
  local stamp=$1/node_modules/.matrx-lock lock
  lock=$(cat "$1/package.json" "$1/package-lock.json" "$1/.npmrc" | sha256sum)
  [ "$(cat "$stamp" 2>/dev/null)" != "$lock" ] || return 0
  say "installing the packages of $1"
  npm --prefix "$1" ci --ignore-scripts --no-fund --no-audit --loglevel error ||
    fail "the packages of $1 could not be installed: check the network and npm's settings."
  echo "$lock" >"$stamp"
}

packages sdk/typescript
npm --prefix sdk/typescript run --silent build ||
  fail "the TypeScript client does not build: see the lines above; a changed route shows as a type error."
packages examples/web-app
npm --prefix examples/web-app run --silent build || fail "the example application does not build: see the lines above."
