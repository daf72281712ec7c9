#!/usr/bin/env bash
# Tries the README's two commands on a machine that has nothing: a bare Debian in a container, with a Docker Engine of
# its own inside. Takes the last commit, not the working tree. Prints how long each command took.
#   tools/try-fresh.sh bookworm            `make run` twice, a sandbox created, used and destroyed, as root without sudo
#   tools/try-fresh.sh trixie --sudo       the same as a user who has sudo
#   tools/try-fresh.sh bookworm --test     and `make test` afterwards
# The container stays afterwards for a look (matrx-fresh-<suite>); the next run replaces it.
source "$(dirname "$0")/lib.sh"

READY_SECONDS_MAX=1800
SANDBOX_ROUTE=http://localhost:8000/sandboxes

# ---- the part that runs inside the container ----

fresh_say() { printf '%s  %s\n' "$(date +%T)" "$*"; }

# newcomer CMD…: types a README command the way this visitor would.
newcomer() {
  if [ "$FRESH_USER" = root ]; then "$@"; else sudo "$@"; fi
}

run_once() {
  local title=$1 started=$SECONDS id answer
  newcomer make run >/tmp/run.log 2>&1 </dev/null &
  until curl -fs -m 2 http://localhost:8000/health/ready >/dev/null 2>&1; do
    if ! kill -0 $! 2>/dev/null || [ $((SECONDS - started)) -gt "$READY_SECONDS_MAX" ]; then
      tail -n 60 /tmp/run.log build/logs/*.log 2>/dev/null
      fresh_say "FAILED: $title"
      exit 1
    fi
    sleep 0.2
  done
  fresh_say "$title: ready after $((SECONDS - started)) s"
  id=$(curl -s -d '{"user_id": "me"}' "$SANDBOX_ROUTE" | sed -E 's/.*"sandbox_id": *"([^"]+)".*/\1/')
  answer=$(curl -s -d '{"command": "whoami && python3 --version && node --version"}' "$SANDBOX_ROUTE/$id/exec")
  fresh_say "exec in $id answered: $answer"
  [[ $answer == *'"exit_code":0'* ]] || { tail -n 30 /tmp/run.log; fresh_say "FAILED: exec"; exit 1; }
  curl -s -o /dev/null -w 'destroy: %{http_code}\n' -X DELETE "$SANDBOX_ROUTE/$id"
  newcomer pkill -INT -x matrx-orchestra # the kernel keeps 15 characters of a name
  wait $! || true
  cat /tmp/run.log
}

inside() {
  FRESH_USER=$1
  local test=$2 started rc=0
  cd ~
  rm -rf matrx-sandbox
  git config --global --add safe.directory '*' # the mounted repository belongs to somebody else
  git clone -q /src/.git matrx-sandbox
  cd matrx-sandbox
  fresh_say "make run as $FRESH_USER on $(sed -n 's/^PRETTY_NAME=//p' /etc/os-release)"
  run_once "first make run"
  run_once "second make run"
  [ "$test" = yes ] || return 0
  started=$SECONDS
  newcomer make test || rc=$?
  fresh_say "make test: exit code $rc after $((SECONDS - started)) s"
  return "$rc"
}

if [ "${1:-}" = --inside ]; then
  shift
  inside "$@"
  exit
fi

# ---- the part that runs here ----

suite=${1:-}
user=root
test=no
packages=git,make,curl,ca-certificates
for option in "${@:2}"; do
  case $option in
    --sudo) user=dev packages+=,sudo ;;
    --test) test=yes ;;
    *) fail "unknown option $option: use --sudo or --test." ;;
  esac
done
[[ $suite == bookworm || $suite == trixie ]] || fail "name a Debian: tools/try-fresh.sh bookworm or trixie."

use_engine
image=matrx-fresh:$suite-$user
name=matrx-fresh-$suite
if ! "${ENGINE[@]}" image inspect "$image" >/dev/null 2>&1; then
  say "making a bare Debian ($suite) with $packages"
  as_root mmdebstrap --quiet --variant=minbase --include="$packages" "$suite" - |
    "${ENGINE[@]}" import - "$image" >/dev/null
fi
"${ENGINE[@]}" rm -f -v "$name" >/dev/null 2>&1 || true
# What a Docker Engine inside a container needs: all capabilities that this machine has itself (--privileged would also
# ask for those that it lacks), the control groups, and /var/lib/docker on a volume.
mapfile -t capabilities < <(own_capabilities)
devices=()
[ ! -e /dev/fuse ] || devices=(--device /dev/fuse) # for large files
"${ENGINE[@]}" run -d --init --name "$name" --hostname "$name" "${capabilities[@]/#/--cap-add=}" \
  --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined \
  "${devices[@]}" --device-cgroup-rule 'a *:* rwm' --cgroupns host -v /sys/fs/cgroup:/sys/fs/cgroup \
  -v /var/lib/docker -v /var/lib/matrx -v "$ROOT:/src:ro" "$image" sleep infinity >/dev/null
if [ "$user" != root ]; then
  "${ENGINE[@]}" exec "$name" sh -c \
    'useradd -m -s /bin/bash dev && echo "dev ALL=(ALL) NOPASSWD:ALL" >/etc/sudoers.d/dev'
fi
# A network with certificate authorities of its own: every machine in it knows them, and so does this one.
if [ -n "$(ls /usr/local/share/ca-certificates 2>/dev/null)" ]; then
  "${ENGINE[@]}" cp /usr/local/share/ca-certificates/. "$name:/usr/local/share/ca-certificates/"
  "${ENGINE[@]}" exec "$name" update-ca-certificates >/dev/null
fi
exec "${ENGINE[@]}" exec -u "$user" "$name" bash /src/tools/try-fresh.sh --inside "$user" "$test"
