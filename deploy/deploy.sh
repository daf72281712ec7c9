#!/usr/bin/env bash
# Brings a release to a host over SSH, and back by itself when it does not become ready. Running sandboxes stay.
#   deploy/deploy.sh [USER@]HOST RELEASE.tar.gz     a file that `make package` has made
#   deploy/deploy.sh [USER@]HOST --rollback         to the release before
#   deploy/deploy.sh [USER@]HOST --list
#   MATRX_SSH_KEY            file of the private key; default: as ssh is set up
#   MATRX_SSH_KNOWN_HOSTS    file with the host's key; default: as ssh is set up. An unknown host is refused either way
#   MATRX_SSH_PORT_OF_HOST   default 22
#   MATRX_READY_SECONDS      how long the new one has to become ready, default 120
# Exit codes are those of activate.sh: 2 = rolled back. 255 = the connection broke while the host was at work.
set -Eeuo pipefail
trap 'rc=$?; printf "matrx-deploy: line %s ended with %s\n" "$LINENO" "$rc" >&2; exit "$rc"' ERR

fail() {
  printf 'matrx-deploy: %s\n' "$*" >&2
  exit 1
}

HERE=$(cd "$(dirname "$0")" && pwd)
[ "$#" -eq 2 ] || fail "it takes a host, and a release or --rollback or --list; see the head of this file."
host=$1 what=$2
[[ $host =~ ^([a-z_][a-z0-9_-]*@)?[A-Za-z0-9][A-Za-z0-9.:-]*$ ]] || fail "'$host' is no [USER@]HOST."
ready=${MATRX_READY_SECONDS:-120}
[[ $ready =~ ^[1-9][0-9]{0,3}$ ]] || fail "MATRX_READY_SECONDS takes 1 to 9999."

options=(-o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=20 -o ServerAliveInterval=15
  -o "Port=${MATRX_SSH_PORT_OF_HOST:-22}")
[ -z "${MATRX_SSH_KEY:-}" ] || options+=(-i "$MATRX_SSH_KEY" -o IdentitiesOnly=yes)
[ -z "${MATRX_SSH_KNOWN_HOSTS:-}" ] || options+=(-o "UserKnownHostsFile=$MATRX_SSH_KNOWN_HOSTS"
  -o GlobalKnownHostsFile=/dev/null)

# on_host ARGUMENT…: runs activate.sh of this checkout there, as root. The arguments are ours and hold no special
# characters.
on_host() {
  # shellcheck disable=SC2029  # meant to be known here
  ssh "${options[@]}" "$host" "sudo env MATRX_READY_SECONDS=$ready bash -s -- $*" <"$HERE/activate.sh"
}

# scp would keep ssh's reason to itself.
signed_in() {
  ssh "${options[@]}" "$host" true ||
    fail "$host does not let us in, for the reason above: nothing was changed. Its key must be known, and ours there."
}

fail_lost() {
  printf 'matrx-deploy: the connection to %s broke. It goes on by itself: --list tells what runs there.\n' "$host" >&2
  exit 255
}

case $what in
  --rollback)
    rc=0
    on_host rollback || rc=$?
    [ "$rc" -ne 255 ] || fail_lost
    exit "$rc"
    ;;
  --list) on_host list ;;
  *)
    [ -f "$what" ] || fail "$what: there is no such file; 'make package' makes one."
    sum=$(sha256sum "$what" | cut -d' ' -f1)
    upload=.matrx-release-$sum.tar.gz # in the home of the user who signs in: nobody else can touch it
    signed_in
    scp -q "${options[@]}" "$what" "$host:$upload" || fail "the upload broke off: nothing was changed."
    rc=0
    on_host install "$upload" "$sum" || rc=$?
    [ "$rc" -ne 255 ] || fail_lost
    # shellcheck disable=SC2029  # the name is known here
    ssh "${options[@]}" "$host" "rm -f $upload" || true
    exit "$rc"
    ;;
esac
