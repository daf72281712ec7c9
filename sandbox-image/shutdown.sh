#!/usr/bin/env bash
# Ends what runs in this container, except its first process and whoever called: asks first, and kills what is left
# after MATRX_STOP_SECONDS (8: Docker's own patience is 10).
source "$(dirname "$0")/common.sh"

HERE=$(cd "$(dirname "$0")" && pwd)
# It signals every process it can see. Anywhere but in the image that would be somebody's machine.
[ "$HERE" = /usr/local/lib/matrx ] || fail "this script runs only inside the sandbox image."
check_environment

# A process without a command line has ended, and waits for its parent to notice.
is_alive() {
  local first=''
  { IFS= read -r -d '' -n 1 first <"$1/cmdline"; } 2>/dev/null || true
  [ -n "$first" ]
}

# Processes of this user, by number: not the first one, nor this script and its caller.
others() {
  local folder pid
  for folder in /proc/[0-9]*; do
    pid=${folder#/proc/}
    case $pid in 1 | "$$" | "$PPID" | "$BASHPID") continue ;; esac
    if [ -O "$folder" ] && is_alive "$folder"; then printf '%s\n' "$pid"; fi
  done
}

# send SIGNAL: to all others; one that has just ended is no error.
send() {
  local pid
  while read -r pid; do
    kill -s "$1" "$pid" 2>/dev/null || true
  done < <(others)
}

send TERM
deadline=$((SECONDS + ${MATRX_STOP_SECONDS:-8}))
while [ -n "$(others)" ]; do
  if [ "$SECONDS" -ge "$deadline" ]; then
    say "still running after ${MATRX_STOP_SECONDS:-8} s, so killed: $(others | paste -sd' ')"
    send KILL
    break
  fi
  sleep 0.1
done
