#!/usr/bin/env bash
# Builds the dashboard: tools/build-dashboard.sh OPENAPI_JSON OUT_FOLDER. CMake calls it; packages are installed only
# when the lock file has changed.
source "$(dirname "$0")/lib.sh"

[ $# -eq 2 ] || fail "tools/build-dashboard.sh takes the OpenAPI document and the folder to write to."
openapi=$(realpath "$1") out=$(realpath -m "$2")
command -v npm >/dev/null || fail "npm is missing: run tools/setup.sh, or configure with -DMATRX_DASHBOARD=OFF."

cd dashboard
stamp=node_modules/.matrx-lock
lock=$(cat package.json package-lock.json .npmrc | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$lock" ]; then
  say "installing the dashboard's packages"
  npm ci --ignore-scripts --no-fund --no-audit --loglevel error ||
    fail "the dashboard's packages could not be installed: check the network and npm's settings, or configure with" \
      "-DMATRX_DASHBOARD=OFF."
  echo "$lock" >"$stamp"
fi
export MATRX_OPENAPI=$openapi MATRX_DASHBOARD_OUT=$out
npm run --silent build ||
  fail "the dashboard does not build: see the lines above; a changed route shows as a type error."
