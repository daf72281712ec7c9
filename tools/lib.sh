# shellcheck shell=bash disable=SC2034  # some variables are read only by the scripts that source this
# Helpers shared by the scripts in tools/ and by .ci/run. Source it; it also moves to the repository's root.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
RESULTS=$ROOT/build/results
LOGS=$ROOT/build/logs
cd "$ROOT"

say() { printf '%s\n' "$*"; }

# fail SENTENCE: one sentence that says what is wrong and what to do next.
fail() {
  printf '\nmatrx: %s\n' "$*" >&2
  exit 1
}

# as_root CMD…: runs a program as root, through sudo when we are not. -E: DOCKER_HOST and MATRX_* must survive.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -E "$@"
  else
    fail "this needs root and there is no sudo: run the command again as root."
  fi
}

docker_answers() { timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# use_engine: sets ENGINE to the docker command, through sudo where only root may talk to the engine.
use_engine() {
  ENGINE=(docker)
  docker_answers && return
  ENGINE=(sudo -E docker)
  { [ "$(id -u)" -ne 0 ] && timeout 10 sudo -E docker version >/dev/null 2>&1; } ||
    fail "no Docker engine answers: run 'make setup', which installs and starts one."
}

# image_label IMAGE LABEL: its value; nothing where there is no such image. After use_engine.
image_label() { "${ENGINE[@]}" image inspect -f "{{index .Config.Labels \"$2\"}}" "$1" 2>/dev/null || true; }

# own_capabilities: the names of the capabilities that processes of this machine may have; capsh (libcap2-bin) knows
# them. Docker 20.10 does not know the newest three.
own_capabilities() {
  capsh --decode="$(awk '/CapBnd/ { print $2 }' /proc/self/status)" | cut -d= -f2 | tr , '\n' |
    tr '[:lower:]' '[:upper:]' | grep -vE '^CAP_(PERFMON|BPF|CHECKPOINT_RESTORE)$'
}

# steps N: how many steps follow, for the "[2/6]" in front of each.
steps() { STEP=0 STEPS=$1; }

# Every step leaves a line in a table: when it began, how deep it is nested, its seconds, the seconds of processor time
# that the whole machine was busy meanwhile (the engine and its containers included, and whatever else ran), those that
# others took from a virtual machine, its exit code, its name. The script that was called first owns the table;
# tools/times.py reads it.
if [ -z "${MATRX_STEPS_FILE:-}" ]; then
  MATRX_STEPS_FILE=$RESULTS/steps-$(basename "$0" .sh).tsv
  export MATRX_STEPS_FILE
  rm -f "$MATRX_STEPS_FILE"
fi

# machine_ticks: sets BUSY_TICKS and STOLEN_TICKS, of all processors since the start of the machine.
machine_ticks() {
  local user nice system irq softirq
  read -r _ user nice system _ _ irq softirq STOLEN_TICKS _ </proc/stat
  BUSY_TICKS=$((user + nice + system + irq + softirq))
}

# note_step BEGIN BUSY STOLEN SECONDS RC NAME: the line of a step that began with these ticks.
note_step() {
  local per_second=100
  machine_ticks
  mkdir -p "$(dirname "$MATRX_STEPS_FILE")"
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "${MATRX_STEP_DEPTH:-0}" "$4" "$(((BUSY_TICKS - $2) / per_second))" \
    "$(((STOLEN_TICKS - $3) / per_second))" "$5" "$6" >>"$MATRX_STEPS_FILE"
}

# step NAME CMD…: runs CMD with its output in build/logs and shows one line of progress. When CMD fails, shows the
# end of its output and returns its exit code. MATRX_VERBOSE=1 shows all output. STEP_LIMIT=seconds ends CMD and all
# its children after that time (CI uses it, so that one hanging step cannot eat the whole run).
step() {
  local name=$1 log started rc=0 ticker='' took
  shift
  STEP=$((${STEP:-0} + 1))
  local title="[$STEP/${STEPS:-?}] $name …"
  mkdir -p "$LOGS"
  log=$LOGS/${LOG_NAME:-$(basename "$0" .sh)}-$STEP.log
  started=$SECONDS
  local begin=$EPOCHSECONDS busy stolen depth=${MATRX_STEP_DEPTH:-0}
  machine_ticks
  busy=$BUSY_TICKS stolen=$STOLEN_TICKS
  export MATRX_STEP_DEPTH=$((depth + 1)) # of the steps within CMD
  if [ -n "${MATRX_VERBOSE:-}" ]; then
    say "$title"
    limited "$@" 2>&1 | tee "$log" || rc=$?
  else
    printf '%s' "$title"
    tick "$title" "$log" &
    ticker=$!
    limited "$@" >"$log" 2>&1 || rc=$?
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
  fi
  took=$((SECONDS - started))
  MATRX_STEP_DEPTH=$depth
  note_step "$begin" "$busy" "$stolen" "$took" "$rc" "$name"
  if [ -n "$ticker" ] && [ -t 1 ]; then
    printf '\r\033[K%s' "$title"
  elif [ -z "$ticker" ] || [ "$took" -ge "$BEAT" ]; then
    printf '%s' "$title" # other lines came in between
  fi
  if [ "$rc" -eq 0 ]; then
    say " ($took s)"
  else
    say " FAILED ($took s)"
    [ -z "$ticker" ] || tail -n 40 "$log" | sed 's/^/    /'
    say "    all of it: ${log#"$ROOT"/}"
  fi
  return "$rc"
}

limited() {
  if [ -z "${STEP_LIMIT:-}" ]; then
    "$@"
    return
  fi
  # In the background, so that this shell can pass on a Ctrl-C: timeout puts the command in a process group of its own.
  local rc=0
  timeout -k 20 "$STEP_LIMIT" "$@" &
  LIMITED=$!
  trap 'kill -TERM "$LIMITED" 2>/dev/null; exit 130' INT TERM
  wait "$LIMITED" || rc=$?
  trap - INT TERM
  [ "$rc" -ne 124 ] || say "ended: it took longer than $STEP_LIMIT s"
  return "$rc"
}

# The sign of life of a running step: on a terminal each second in place, otherwise a line every BEAT seconds.
BEAT=30
tick() {
  local title=$1 log=$2 seconds=0 last
  while sleep 1 >/dev/null 2>&1 && [ -d "/proc/$$" ]; do
    seconds=$((seconds + 1))
    last=$(tail -n 1 "$log" 2>/dev/null | tr -d '\r' | cut -c1-60) || true
    if [ -t 1 ]; then
      printf '\r\033[K%s %s s  %s' "$title" "$seconds" "$last"
    elif [ $((seconds % BEAT)) -eq 0 ]; then
      [ "$seconds" -ne "$BEAT" ] || echo
      printf '      %s s: %s\n' "$seconds" "$last"
    fi
  done
}

# build_preset NAME [OPTION…]: configures if needed (the options go to cmake) and builds. Who builds the same ahead has
# to make room: that one has only the time that nobody else wants, which may be none. What it has made stays.
build_preset() {
  local preset=$1
  shift
  mkdir -p build
  (
    flock -n 9 || {
      [ -n "${MATRX_BUILDS_AHEAD:-}" ] || stop_building_ahead
      flock 9
    }
    cmake --preset "$preset" "$@" && cmake --build --preset "$preset"
  ) 9>"build/$preset.lock"
}

# build_tested PRESET: the same, as the tests want it: of the release build also what has to be tested optimized.
build_tested() {
  if [ "$1" = release ]; then build_preset release -DMATRX_TESTS=OPTIMIZED; else build_preset "$1"; fi
}

# build_ahead PRESET…: builds them behind what follows, one after the other, with the time that nobody else wants: tests
# on real containers wait now and then. What fails is said by the step that needs the build, which tries it again. Ends
# with this script.
build_ahead() {
  stop_building_ahead
  mkdir -p "$LOGS"
  setsid tools/build-ahead.sh "$@" >"$LOGS/build-ahead.log" 2>&1 </dev/null &
  echo "$!" >build/build-ahead.pid
  trap stop_building_ahead EXIT
}

# stop_building_ahead: ends whoever builds ahead in this tree.
stop_building_ahead() {
  local builder
  builder=$(cat build/build-ahead.pid 2>/dev/null) || return 0
  rm -f build/build-ahead.pid
  # Its command line is looked at: the number may be somebody else's by now.
  if grep -qs build-ahead "/proc/$builder/cmdline"; then kill -- "-$builder" 2>/dev/null || true; fi
}

# measure_slowness: sets MATRX_TEST_SLOWNESS, by which tests stretch their limits, unless it is set.
measure_slowness() {
  [ -n "${MATRX_TEST_SLOWNESS:-}" ] || MATRX_TEST_SLOWNESS=$(tools/slowness.py)
  export MATRX_TEST_SLOWNESS
}

# test_seconds N: N seconds of a quiet machine on this one, at least N.
test_seconds() { awk -v n="$1" -v slowness="$MATRX_TEST_SLOWNESS" 'BEGIN { printf "%d", n * slowness }'; }
