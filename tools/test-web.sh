#!/usr/bin/env bash
# What is written in TypeScript: types against the OpenAPI document, format, unit tests, of the dashboard, the client
# and the example application. Needs a build (MATRX_TEST_BUILD_DIR, default build/dev) for its OpenAPI document; no
# Docker. Results (JUnit) are in build/results/web.xml.
source "$(dirname "$0")/lib.sh"

build=${MATRX_TEST_BUILD_DIR:-build/dev}
openapi=$build/generated/openapi.json
mkdir -p "$RESULTS"
rm -f "$RESULTS"/web.xml "$RESULTS"/web-*.part
steps 3

# A build of the orchestrator installs the dashboard's packages and makes its types; without one they are made here.
types() {
  [ -f "$openapi" ] || fail "there is no $openapi: run 'make build' first."
  if [ ! -d dashboard/node_modules ]; then
    npm --prefix dashboard ci --ignore-scripts --no-fund --no-audit --loglevel error
  fi
  MATRX_OPENAPI=$(realpath "$openapi")
  export MATRX_OPENAPI
  npm --prefix dashboard run --silent types && npm --prefix dashboard run --silent check &&
    tools/build-web.sh "$openapi" && npm --prefix sdk/typescript run --silent check
}
formats() {
  local folder failed=0
  for folder in dashboard sdk/typescript examples/web-app; do
    npm --prefix "$folder" run --silent format-check || failed=1
  done
  return "$failed"
}
tests() {
  local failed=0
  MATRX_JUNIT=$RESULTS/web-1.part npm --prefix dashboard test || failed=1
  MATRX_JUNIT=$RESULTS/web-2.part npm --prefix sdk/typescript test || failed=1
  return "$failed"
}

# counted NAME CMD…: a step that counts as one test.
cases=''
counted() {
  local name=$1 started=$SECONDS failure=''
  step "$@" || failure='<failure message="see build/logs"/>'
  cases+="<testcase classname=\"web\" name=\"$name\" time=\"$((SECONDS - started))\">$failure</testcase>"
}

counted "Types and builds" types
counted "Format" formats
step "Unit tests" tests || true
{
  echo '<testsuites>'
  echo "<testsuite name=\"checks\">$cases</testsuite>"
  for part in 1 2; do
    if [ -f "$RESULTS/web-$part.part" ]; then
      tail -n +2 "$RESULTS/web-$part.part" # without the line that says that it is XML
    else
      echo "<testsuite><testcase name=\"unit tests $part\"><failure message=\"no result\"/></testcase></testsuite>"
    fi
  done
  echo '</testsuites>'
} >"$RESULTS/web.xml"
rm -f "$RESULTS"/web-*.part
exec tools/count_results.py "$RESULTS/web.xml"
