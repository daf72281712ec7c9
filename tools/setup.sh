#!/usr/bin/env bash
# Installs what is missing to build and run Matrx Sandbox on Debian 12 or 13, and starts Docker if no engine answers.
# Safe to run again: it does nothing when nothing is missing.
#   tools/setup.sh            build and run
#   tools/setup.sh --tests    the same and what the tests and checks need
#   tools/setup.sh --browser  the same and a browser
#   MATRX_SKIP_DOCKER=1       leave Docker alone, and the image of the tests' S3 server
source "$(dirname "$0")/lib.sh"

DOCKER_LOG=/var/log/dockerd.log
DOCKER_START_SECONDS_MAX=60

# Debian keeps the Boost version in the package name: 12 ships 1.81 beside its default, 13 ships 1.83.
boost=1.83
if grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release; then boost=1.81; fi

packages=(
  clang-19 lld-19 cmake ninja-build ccache
  "libboost$boost-dev" "libboost-json$boost-dev" "libboost-url$boost-dev"
  libsqlite3-dev libpq-dev libssl-dev libssh-dev libfmt-dev zlib1g-dev
  mmdebstrap curl ca-certificates procps python3 git rclone fuse3
)
# The dashboard is built with Node.js 18 or newer; one that is there already may come from elsewhere than Debian.
command -v npm >/dev/null || packages+=(nodejs npm)
test_packages=(
  libgtest-dev libgmock-dev libclang-rt-19-dev clang-tidy-19 clang-format-19 llvm-19
  postgresql pgbouncer shellcheck wrk python3-pytest python3-pytest-xdist python3-httpx python3-jsonschema
  python3-boto3 python3-yaml python3-websockets bubblewrap dpkg-dev xz-utils openssh-client iproute2
)
case "${1:-}" in
  '') ;;
  --tests) packages+=("${test_packages[@]}") ;;
  --browser) packages+=("${test_packages[@]}" chromium fonts-dejavu) ;;
  *) fail "unknown option $1: use --tests, --browser or nothing." ;;
esac

# install_missing PACKAGE…: asks dpkg first, which takes milliseconds where apt takes seconds.
install_missing() {
  local -a missing
  local installed
  installed=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' "$@" 2>/dev/null || true)"
  mapfile -t missing < <(for p in "$@"; do [[ $installed == *" installed:$p "* ]] || echo "$p"; done)
  [ "${#missing[@]}" -gt 0 ] || return 0
  say "installing: ${missing[*]}"
  as_root apt-get -q update ||
    fail "apt-get update failed: check this machine's network and its package sources, then run this again."
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" ||
    fail "apt-get could not install the packages above: Debian 12 and 13 are supported; see its message."
}

start_docker() {
  if [ -d /run/systemd/system ]; then
    as_root systemctl enable --now docker
    return
  fi
  # Where no service manager runs, a daemon that was killed leaves pid files behind that stop the next one.
  pgrep -x dockerd >/dev/null || as_root rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid
  as_root sh -c "setsid dockerd >>'$DOCKER_LOG' 2>&1 </dev/null &"
}

wait_for_docker() {
  local started=$SECONDS waited=0
  # An engine that only root may reach is fine: the other scripts use it through as_root.
  until docker_answers || as_root timeout 10 docker version >/dev/null 2>&1; do
    waited=$((SECONDS - started))
    if [ "$waited" -ge "$DOCKER_START_SECONDS_MAX" ] || { [ "$waited" -ge 3 ] && ! pgrep dockerd >/dev/null; }; then
      as_root tail -n 15 "$DOCKER_LOG" >&2 2>/dev/null || as_root journalctl -u docker -n 15 --no-pager >&2 || true
      fail "Docker was started but does not answer: the last lines of its log are above."
    fi
    sleep 0.3
  done
}

ensure_docker() {
  if docker_answers; then return; fi
  if [ -n "${DOCKER_HOST:-}" ]; then
    command -v docker >/dev/null || install_docker_client
    docker_answers ||
      fail "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST: start it, or unset DOCKER_HOST to use a local one."
    return
  fi
  if command -v docker >/dev/null && as_root docker version >/dev/null 2>&1; then return; fi
  if ! command -v dockerd >/dev/null; then
    say "no Docker engine answers: installing one"
    install_missing docker.io iptables
    install_docker_client
  fi
  if ! docker_answers; then
    say "starting Docker"
    start_docker
    wait_for_docker
  fi
}

# Debian 13 has the docker command in a package of its own, Debian 12 in docker.io.
install_docker_client() {
  command -v docker >/dev/null && return
  if apt-cache show docker-cli >/dev/null 2>&1; then install_missing docker-cli; else install_missing docker.io; fi
}

install_missing "${packages[@]}"
if [ "${MATRX_SKIP_DOCKER:-}" != 1 ]; then
  ensure_docker
  [ "${1:-}" != --tests ] || tools/build-s3-image.sh
fi
say "everything needed is installed"
