# shellcheck shell=bash disable=SC2034  # some variables are read only by the scripts that source this
# What the scripts of the image share. Source it: it sets strict mode, names the line that fails, and checks variables.
set -Eeuo pipefail
export LC_ALL=C # [a-z] shall mean the same everywhere

EXIT_WRONG_SETTING=64
READY_FILE=${MATRX_READY_FILE:-/tmp/.sandbox_ready}

say() { printf 'matrx-sandbox: %s\n' "$*" >&2; }

# fail SENTENCE: a setting is wrong; the sentence says which, and what it takes.
fail() {
  say "$*"
  exit "$EXIT_WRONG_SETTING"
}

on_error() {
  trap - ERR
  say "$(basename "$0"): line $1 ended with $2: $3"
  exit "$2"
}
trap 'on_error "$LINENO" "$?" "$BASH_COMMAND"' ERR

# A value may hold anything: it is shown quoted and cut.
shown() { printf '%.80q' "$1"; }

check_identity() {
  local sandbox=${SANDBOX_ID:-} user=${USER_ID:-}
  [ -n "$sandbox" ] || fail "SANDBOX_ID is not set: it takes sbx- and 12 hexadecimal digits."
  [[ $sandbox =~ ^sbx-[0-9a-f]{12}$ ]] ||
    fail "SANDBOX_ID is $(shown "$sandbox"): it takes sbx- and 12 hexadecimal digits."
  [ -n "$user" ] || fail "USER_ID is not set: it takes 1 to 255 letters, digits, dots, underscores and dashes."
  { [[ $user =~ ^[a-zA-Z0-9._-]{1,255}$ ]] && [ "$user" != . ] && [ "$user" != .. ]; } ||
    fail "USER_ID is $(shown "$user"): it takes 1 to 255 letters, digits, dots, underscores and dashes."
}

# check_folder NAME VALUE
check_folder() {
  [[ $2 == /* && $2 != *[[:cntrl:]]* && $2/ != */../* ]] ||
    fail "$1 is $(shown "$2"): it takes an absolute path without '..'."
}

# What the orchestrator sets for the sandboxes it starts has been checked by it; whoever starts the image by hand is
# told here.
check_environment() {
  check_identity
  HOT_PATH=${HOT_PATH:-/home/agent}
  COLD_PATH=${COLD_PATH:-/data/cold}
  check_folder HOT_PATH "$HOT_PATH"
  check_folder COLD_PATH "$COLD_PATH"
  local url='^https?://[^[:space:][:cntrl:]/]+(/[^[:space:][:cntrl:]]*)?$'
  [ -z "${ORCHESTRATOR_URL:-}" ] || [[ $ORCHESTRATOR_URL =~ $url ]] ||
    fail "ORCHESTRATOR_URL is $(shown "$ORCHESTRATOR_URL"): it takes a URL with http or https."
  [[ ${MATRX_STOP_SECONDS:-8} =~ ^[1-9][0-9]{0,3}$ ]] ||
    fail "MATRX_STOP_SECONDS is $(shown "$MATRX_STOP_SECONDS"): it takes 1 to 9999."
  export HOT_PATH COLD_PATH
}
