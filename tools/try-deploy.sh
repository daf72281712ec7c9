#!/usr/bin/env bash
# Tries the release on clean Debians: containers with systemd as their first process, sshd, and a Docker Engine of their
# own. bootstrap-host.sh and deploy.sh go over real SSH: a first release, the next under load, broken ones that are
# rolled back; and the .deb by apt. Makes the release first, unless MATRX_PACKAGE_DIR names a folder with one.
#   tools/try-deploy.sh                          Debian 12, then 13
#   tools/try-deploy.sh trixie [PYTEST…]         one of them; what follows goes to pytest
# Needs Debian's mirror and some 5 GB of disk; downloads are kept in the volumes matrx-deploy-apt-*.
source "$(dirname "$0")/lib.sh"

# What the images of Debian for a cloud have, and the host's owner therefore as well.
PACKAGES=systemd,systemd-sysv,dbus,openssh-server,sudo,ca-certificates,iproute2
SANDBOX_IMAGE=matrx-sandbox:latest
WORK=$ROOT/build/try-deploy

make_host_image() {
  as_root mmdebstrap --quiet --variant=minbase --include="$PACKAGES" "$1" - |
    "${ENGINE[@]}" import --change "LABEL matrx.deploy-host.packages=$PACKAGES" - "matrx-deploy-host:$1"
}

host_image_packages() {
  "${ENGINE[@]}" image inspect -f '{{index .Config.Labels "matrx.deploy-host.packages"}}' "matrx-deploy-host:$1" \
    2>/dev/null || true
}

use_engine
case ${1:-} in
  --make-host-image)
    make_host_image "$2"
    exit
    ;;
  bookworm | trixie)
    suites=("$1")
    shift
    ;;
  '') suites=(bookworm trixie) ;;
  *) fail "name a Debian, bookworm or trixie, or none for both." ;;
esac

steps $((2 * ${#suites[@]} + 2))
packages=${MATRX_PACKAGE_DIR:-}
if [ -z "$packages" ]; then
  step "Making the release" tools/package.sh || fail "the release could not be made: see the lines above."
  packages=$ROOT/build/package
else
  step "Taking the release in $packages" test -f "$packages/SHA256SUMS" || fail "$packages holds no release."
fi
step "Checking the sandbox image" tools/build-image.sh || fail "there is no sandbox image: see the lines above."
mkdir -p "$WORK"
# Loaded by each of the hosts.
id=$("${ENGINE[@]}" image inspect -f '{{.Id}}' "$SANDBOX_IMAGE")
if [ "$(cat "$WORK/image.id" 2>/dev/null)" != "$id" ]; then
  "${ENGINE[@]}" save -o "$WORK/image.tar" "$SANDBOX_IMAGE"
  printf '%s\n' "$id" >"$WORK/image.id"
fi

MATRX_TRY_CAPABILITIES=$(own_capabilities | paste -sd' ')
export MATRX_TRY_CAPABILITIES MATRX_TRY_PACKAGES=$packages MATRX_TRY_IMAGE_TAR=$WORK/image.tar
failed=0
for suite in "${suites[@]}"; do
  if [ "$(host_image_packages "$suite")" != "$PACKAGES" ]; then
    step "Making a clean Debian ($suite)" tools/try-deploy.sh --make-host-image "$suite" ||
      fail "the image could not be made: check that this machine reaches its Debian mirror."
  else
    step "Taking the clean Debian ($suite) that is here" true
  fi
  MATRX_VERBOSE=1 step "Deploying to it" env MATRX_TRY_SUITE="$suite" \
    /usr/bin/python3 -m pytest -v -s tests/deploy --junitxml "$RESULTS/deploy-$suite.xml" "$@" || failed=1
done
[ "$failed" -eq 0 ] || fail "a deploy did not go as it must: see the lines above."
