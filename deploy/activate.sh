#!/usr/bin/env bash
# On the host, as root: makes an uploaded release the running one, and goes back to the one before where it does not
# become ready. Called by deploy.sh; on the host it also works alone.
#   activate.sh install TAR SHA256     unpack, switch, restart, wait; roll back if it does not come
#   activate.sh rollback               to the release that ran before the present one
#   activate.sh list                   what is there; * is what runs
# Exit codes: 0 done; 1 refused, nothing has changed; 2 the new one did not come and the old one runs again;
# 3 neither runs.
set -Eeuo pipefail

ROOT_DIR=${MATRX_DEPLOY_ROOT:-} # tests put a folder in front of everything
HOME_DIR=$ROOT_DIR/opt/matrx-sandbox
UNIT=matrx-orchestrator.service
UNIT_PATH=$ROOT_DIR/etc/systemd/system/$UNIT
SETTINGS=$ROOT_DIR/etc/matrx-sandbox/orchestrator.env
READY_SECONDS=${MATRX_READY_SECONDS:-120}
KEEP=${MATRX_RELEASES_KEPT:-5}

# Who has begun to switch ends it, with the way back, also where nobody listens any more: a connection that breaks is no
# reason to leave a host with a release that does not run.
trap '' HUP PIPE
say() { printf 'matrx-deploy: %s\n' "$*" 2>/dev/null || true; }
fail() {
  say "$@" >&2
  exit 1
}
on_error() {
  trap - ERR
  say "line $1 ended with $2: $3" >&2
  exit 1
}
trap 'on_error "$LINENO" "$?" "$BASH_COMMAND"' ERR

[[ $READY_SECONDS =~ ^[1-9][0-9]{0,3}$ ]] || fail "MATRX_READY_SECONDS takes 1 to 9999."
[[ $KEEP =~ ^[1-9][0-9]?$ && $KEEP -ge 2 ]] || fail "MATRX_RELEASES_KEPT takes 2 to 99: a roll-back needs one."

target_of() { [ ! -L "$1" ] || basename "$(readlink "$1")"; }

# point LINK RELEASE: at no moment is there no link.
point() {
  ln -sfn -- "releases/$2" "$1.new"
  mv -T -- "$1.new" "$1"
}

data_dir() {
  local found
  found=$(sed -n 's|^MATRX_DATA_DIR=\(/[^[:space:]]*\)$|\1|p' "$SETTINGS" 2>/dev/null | tail -n 1) || true
  printf '%s%s' "$ROOT_DIR" "${found:-/var/lib/matrx}"
}

# keep_registry: a registry in SQLite is brought up to date by the release that starts, and the one before could not
# read it any more. So it is put aside, while nobody writes to it: the newest copy of each schema.
KEPT=
keep_registry() {
  local data schema
  data=$(data_dir)
  [ -f "$data/registry.db" ] || return 0
  if ! command -v sqlite3 >/dev/null; then
    say "sqlite3 is not installed"
    return 1
  fi
  schema=$(sqlite3 "$data/registry.db" 'PRAGMA user_version') || return 1
  (umask 077 && mkdir -p "$data/registry-before") || return 1
  rm -f -- "$data/registry-before/schema-$schema.db" || return 1
  sqlite3 "$data/registry.db" ".backup '$data/registry-before/schema-$schema.db'" || return 1
  KEPT=$schema
}

# restore_registry: after a release that never became ready, and only where it has changed the schema.
restore_registry() {
  local data now
  [ -n "$KEPT" ] || return 0
  data=$(data_dir)
  now=$(sqlite3 "$data/registry.db" 'PRAGMA user_version' 2>/dev/null) || now=unreadable
  [ "$KEPT" != "$now" ] || return 0
  say "the registry has schema $now: putting back the one with $KEPT"
  rm -f -- "$data/registry.db-wal" "$data/registry.db-shm"
  cp -p -- "$data/registry-before/schema-$KEPT.db" "$data/registry.db.new" || return 1
  mv -T -- "$data/registry.db.new" "$data/registry.db"
}

# Where it listens, as its settings say it.
port() {
  local found
  found=$(sed -n 's/^MATRX_PORT=\([0-9]\{1,5\}\)$/\1/p' "$SETTINGS" 2>/dev/null | tail -n 1) || true
  printf '%s' "${found:-8000}"
}

wait_until_ready() {
  local deadline=$((SECONDS + READY_SECONDS)) url
  url=http://127.0.0.1:$(port)/health/ready
  until curl -fsS -o /dev/null -m 5 "$url" 2>/dev/null; do
    # Failed for good, and not between two starts: no need to wait for the end.
    if systemctl is-failed --quiet "$UNIT"; then
      say "the service has failed"
      return 1
    fi
    if [ "$SECONDS" -ge "$deadline" ]; then
      say "not ready after $READY_SECONDS s"
      return 1
    fi
    sleep 0.5
  done
}

# run RELEASE: what the link names now is restarted, with the unit that belongs to it.
run() {
  local unit=$HOME_DIR/releases/$1/systemd/$UNIT
  if [ -f "$unit" ] && ! cmp -s -- "$unit" "$UNIT_PATH"; then
    install -D -m 0644 -- "$unit" "$UNIT_PATH" || return 1
    systemctl daemon-reload || return 1
  fi
  systemctl reset-failed "$UNIT" 2>/dev/null || true
  systemctl restart "$UNIT" || return 1
  wait_until_ready
}

# switch_to RELEASE: with the way back.
switch_to() {
  local next=$1 running before older
  running=$(target_of "$HOME_DIR/current")
  older=$(target_of "$HOME_DIR/previous")
  before=$running
  [ "$running" != "$next" ] || before=$older # the same one again
  if [ -n "$running" ]; then
    systemctl stop "$UNIT"
    if ! keep_registry; then
      systemctl start "$UNIT" || true
      fail "the registry could not be put aside: $running goes on."
    fi
  fi
  [ -z "$before" ] || point "$HOME_DIR/previous" "$before"
  point "$HOME_DIR/current" "$next"
  say "starting $next"
  if run "$next"; then
    say "$next is ready"
    return 0
  fi
  journalctl -u "$UNIT" -n 30 --no-pager 2>/dev/null || true
  if [ -z "$before" ] || [ ! -d "$HOME_DIR/releases/$before" ]; then
    say "$next did not become ready, and there is no release before it"
    exit 3
  fi
  say "$next did not become ready: going back to $before"
  point "$HOME_DIR/current" "$before"
  # What did not work is nothing to go back to.
  if [ -n "$older" ] && [ "$older" != "$before" ]; then point "$HOME_DIR/previous" "$older"; else
    rm -f -- "$HOME_DIR/previous"
  fi
  systemctl stop "$UNIT" || true
  if restore_registry && run "$before"; then
    say "$before is ready again"
    exit 2
  fi
  say "$before does not become ready either: see journalctl -u $UNIT"
  exit 3
}

# The newest ones stay, and in any case those that run or ran.
prune() {
  local name current previous
  current=$(target_of "$HOME_DIR/current")
  previous=$(target_of "$HOME_DIR/previous")
  find "$HOME_DIR/releases" -mindepth 1 -maxdepth 1 -type d ! -name '.*' -printf '%T@ %f\n' |
    sort -rn | tail -n +"$((KEEP + 1))" |
    while read -r _ name; do
      if [ "$name" != "$current" ] && [ "$name" != "$previous" ]; then rm -rf -- "$HOME_DIR/releases/${name:?}"; fi
    done
}

install_release() {
  local tar=$1 sum=$2 name work
  [ -f "$tar" ] || fail "$tar: there is no such file."
  [[ $sum =~ ^[0-9a-f]{64}$ ]] || fail "the checksum takes 64 hexadecimal digits."
  printf '%s  %s\n' "$sum" "$tar" | sha256sum --check --status ||
    fail "$tar is not what was sent: its checksum differs."
  mkdir -p "$HOME_DIR/releases"
  work=$(mktemp -d "$HOME_DIR/releases/.new.XXXXXX")
  # shellcheck disable=SC2064  # the name is known now
  trap "rm -rf -- '$work'" EXIT
  tar -xzf "$tar" -C "$work" --no-same-owner --no-same-permissions
  name=$(find "$work" -mindepth 1 -maxdepth 1 -printf '%f\n')
  [[ $name =~ ^matrx-sandbox-[0-9A-Za-z][0-9A-Za-z.+~-]{0,63}$ ]] || fail "the archive is no release: it holds '$name'."
  { [ -x "$work/$name/bin/matrx-orchestrator" ] && [ -x "$work/$name/bin/matrx-agent" ]; } ||
    fail "the release lacks its programs."
  (cd "$work/$name" && sha256sum --check --status SHA256SUMS) || fail "the release is damaged: see its SHA256SUMS."
  "$work/$name/bin/matrx-orchestrator" --version >/dev/null || fail "its program does not run on this host."
  if [ -e "$HOME_DIR/releases/$name" ]; then
    if cmp -s "$work/$name/SHA256SUMS" "$HOME_DIR/releases/$name/SHA256SUMS"; then
      say "$name is here already"
    else
      fail "$name is here already with other contents: give each release a version of its own."
    fi
  else
    mv -T -- "$work/$name" "$HOME_DIR/releases/$name"
  fi
  touch -- "$HOME_DIR/releases/$name" # newest for prune
  switch_to "$name"
  prune
}

list_releases() {
  local path current
  current=$(target_of "$HOME_DIR/current")
  for path in "$HOME_DIR"/releases/*/; do
    [ -d "$path" ] || continue
    path=$(basename "$path")
    if [ "$path" = "$current" ]; then say "* $path"; else say "  $path"; fi
  done
}

main() {
  local previous
  mkdir -p "$HOME_DIR"
  exec 9>"$HOME_DIR/.lock"
  flock -n 9 || fail "another deploy is at work on this host."
  case "${1:-}:$#" in
    install:3) install_release "$2" "$3" ;;
    rollback:1)
      previous=$(target_of "$HOME_DIR/previous")
      { [ -n "$previous" ] && [ -d "$HOME_DIR/releases/$previous" ]; } || fail "there is no release before this one."
      switch_to "$previous"
      ;;
    list:1) list_releases ;;
    *) fail "it takes: install TAR SHA256, rollback, or list." ;;
  esac
}

# This text may come through standard input: nothing that it starts shall read on there.
main "$@" </dev/null
