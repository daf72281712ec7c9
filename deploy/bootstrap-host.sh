#!/usr/bin/env bash
# Makes a host of a bare Debian 12 or 13: engine, folders, settings, service. Run it as root; again does no harm, and
# changes nothing that somebody has changed since.
#   bootstrap-host.sh                                packages, folders, settings, unit
#   bootstrap-host.sh --data-device /dev/nvme1n1     also puts /var/lib/matrx on that disk; formats only a blank one
#   MATRX_RELEASE_URL, MATRX_RELEASE_SHA256          also fetches a first release, and starts it
set -Eeuo pipefail

ROOT_DIR=${MATRX_DEPLOY_ROOT:-} # tests put a folder in front of everything
HERE=$(cd "$(dirname "$0")" && pwd)
UNITS=$HERE/systemd
[ -d "$UNITS" ] || UNITS=$HERE/../systemd # in a release the folders lie side by side
DATA_DIR=/var/lib/matrx
SETTINGS=$ROOT_DIR/etc/matrx-sandbox/orchestrator.env
PACKAGES=(ca-certificates curl docker.io fuse3 iptables libpq5 libsqlite3-0 libssh-4 libstdc++6 rclone sqlite3)

say() { printf 'matrx-bootstrap: %s\n' "$*"; }
fail() {
  printf 'matrx-bootstrap: %s\n' "$*" >&2
  exit 1
}
on_error() {
  trap - ERR
  printf 'matrx-bootstrap: line %s ended with %s: %s\n' "$1" "$2" "$3" >&2
  printf 'matrx-bootstrap: nothing is half done that running it again would not finish.\n' >&2
  exit 1
}
trap 'on_error "$LINENO" "$?" "$BASH_COMMAND"' ERR

device=
while [ "$#" -gt 0 ]; do
  case $1 in
    --data-device)
      [ "$#" -ge 2 ] || fail "--data-device needs the path of a disk."
      device=$2
      shift
      ;;
    *) fail "unknown option $1: see the head of this file." ;;
  esac
  shift
done
url=${MATRX_RELEASE_URL:-} sum=${MATRX_RELEASE_SHA256:-}

check_host() {
  local id version
  id=$(sed -n 's/^ID=//p' "$ROOT_DIR/etc/os-release" | tr -d '"')
  version=$(sed -n 's/^VERSION_ID=//p' "$ROOT_DIR/etc/os-release" | tr -d '"')
  case $id-$version in
    debian-12 | debian-13) ;;
    *) fail "this is ${id:-something} ${version:-unknown}: only Debian 12 and 13 are supported, nothing was changed." ;;
  esac
  [ "$(id -u)" -eq 0 ] || fail "this needs root: run it with sudo."
  if [ -n "$url" ] || [ -n "$sum" ]; then
    [[ $url == https://* ]] || fail "MATRX_RELEASE_URL takes a URL that begins with https://."
    [[ $sum =~ ^[0-9a-f]{64}$ ]] || fail "MATRX_RELEASE_SHA256 takes 64 hexadecimal digits; no download goes unchecked."
  fi
  [ -z "$device" ] || [ -b "$device" ] || [ -n "$ROOT_DIR" ] || fail "$device is no disk."
}

install_packages() {
  local -a missing=()
  local name
  [ "$(sed -n 's/^VERSION_ID=//p' "$ROOT_DIR/etc/os-release" | tr -d '"')" = 12 ] || PACKAGES+=(docker-cli)
  for name in "${PACKAGES[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || true)" = installed ] || missing+=("$name")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  say "installing: ${missing[*]}"
  apt-get -q update
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# A disk that holds anything is mounted as it is, and never formatted.
mount_data() {
  local uuid line kind
  mkdir -p "$ROOT_DIR$DATA_DIR"
  [ -n "$device" ] || return 0
  ! grep -qs "^[^#]*[[:space:]]${DATA_DIR}[[:space:]]" "$ROOT_DIR/etc/fstab" || return 0
  kind=$(blkid -o value -s TYPE "$device" || true)
  if [ -z "$kind" ]; then
    # No file system; a table of partitions would be a disk in use as well.
    [ -z "$(blkid -o value -s PTTYPE "$device" || true)" ] ||
      fail "$device has partitions: name one of them, or wipe it."
    say "formatting $device, which is blank"
    mkfs.ext4 -q -L matrx-data "$device"
  fi
  uuid=$(blkid -o value -s UUID "$device")
  [ -n "$uuid" ] || fail "$device has no UUID after it was formatted."
  line="UUID=$uuid $DATA_DIR auto defaults,nofail,x-systemd.device-timeout=30 0 2"
  printf '%s\n' "$line" >>"$ROOT_DIR/etc/fstab"
  systemctl daemon-reload
  mount "$DATA_DIR"
}

# put MODE FILE: from standard input, only where there is none yet.
put() {
  if [ -e "$2" ]; then
    cat >/dev/null
    return 0
  fi
  mkdir -p "$(dirname "$2")"
  (umask 077 && cat >"$2.new")
  chmod "$1" "$2.new"
  mv -T -- "$2.new" "$2"
  say "wrote $2"
}

write_settings() {
  local key
  key=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
  put 0600 "$SETTINGS" <<END
# Settings of the orchestrator; 'matrx-orchestrator --help' lists all.
# After a change: systemctl restart matrx-orchestrator. For keys and the log level "reload" is enough.
# Loopback: a proxy with TLS stands in front of it.
MATRX_HOST=127.0.0.1
MATRX_PORT=8000
MATRX_DATA_DIR=$DATA_DIR
MATRX_SANDBOX_STORE=sqlite
# No sandbox without the rules that keep it from this host and its networks. "external": they were put up by hand.
MATRX_FIREWALL=required
# Made for this host; clients send it. Two separated by a comma while it is being changed.
MATRX_API_KEY=$key
#MATRX_S3_BUCKET=
#MATRX_S3_REGION=
END
  # Containers live on while the engine is upgraded.
  put 0644 "$ROOT_DIR/etc/docker/daemon.json" <<'END'
{
  "live-restore": true,
  "userland-proxy": false
}
END
  put 0644 "$ROOT_DIR/etc/systemd/journald.conf.d/matrx.conf" <"$UNITS/journald-matrx.conf"
  put 0644 "$ROOT_DIR/etc/modules-load.d/matrx-sandbox.conf" <"$UNITS/modules-matrx.conf"
  put 0644 "$ROOT_DIR/etc/sysctl.d/60-matrx-sandbox.conf" <"$UNITS/sysctl-matrx.conf"
}

install_service() {
  local unit=$ROOT_DIR/etc/systemd/system/matrx-orchestrator.service
  mkdir -p "$ROOT_DIR/opt/matrx-sandbox/releases"
  put 0644 "$unit" <"$UNITS/matrx-orchestrator.service"
  systemctl daemon-reload
  systemctl enable --quiet --now docker.service
  systemctl enable --quiet matrx-orchestrator.service
  systemctl try-restart systemd-journald.service
  # In this order, as at boot: a table has a size only once its module is there.
  systemctl restart systemd-modules-load.service systemd-sysctl.service ||
    say "the kernel did not take all of sysctl.d/60-matrx-sandbox.conf: the orchestrator says which tables are small"
}

fetch_release() {
  local work
  if [ -z "$url" ]; then
    say "no release yet: send one with deploy/deploy.sh"
    return 0
  fi
  work=$(mktemp -d)
  # shellcheck disable=SC2064  # the name is known now
  trap "rm -rf -- '$work'" EXIT
  curl -fsSL --proto '=https' --proto-redir '=https' -m 600 -o "$work/release.tar.gz" "$url"
  printf '%s  %s\n' "$sum" "$work/release.tar.gz" | sha256sum --check --status ||
    fail "what $url gave has another checksum: it was thrown away."
  bash "$HERE/activate.sh" install "$work/release.tar.gz" "$sum"
}

check_host
install_packages
mount_data
write_settings
install_service
fetch_release
say "this host is ready"
