#!/usr/bin/env bash
# Builds the image of the S3 server for tests (Ceph's gateway), unless the one that exists was built from the same
# inputs. Takes --force to build anyway.
#   MATRX_TEST_S3_IMAGE   its name, default matrx-test-s3:latest
source "$(dirname "$0")/lib.sh"

IMAGE=${MATRX_TEST_S3_IMAGE:-matrx-test-s3:latest}
FOLDER=tests/s3-image
# The first suite with a Ceph that knows conditional writes.
SUITE=forky
BASE=matrx-test-s3-base:$SUITE

force=no
case "${1:-}" in
  '') ;;
  --force) force=yes ;;
  # The step of this script that is more than one command: step runs it as a child, which keeps `set -e` working.
  --make-base) make_base=yes ;;
  *) fail "unknown option $1: use --force or nothing." ;;
esac

# Without recommendations: they would bring the cluster's manager and dashboard, which one gateway does not need.
make_base() {
  local tar include
  tar=$(mktemp --suffix=.tar)
  # shellcheck disable=SC2064  # the name is known now
  trap "rm -f '$tar'" EXIT
  include=$(grep -v '^#' "$FOLDER/packages.txt" | paste -sd,)
  as_root mmdebstrap --variant=minbase --include="$include" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    "$SUITE" "$tar" ||
    fail "mmdebstrap could not make the base image: see its message above."
  "${ENGINE[@]}" import --change "LABEL matrx.base.hash=$base_hash" "$tar" "$BASE"
}

use_engine
# A change of the start script alone reuses the base.
base_hash=$(cat "$FOLDER/packages.txt" tools/build-s3-image.sh | sha256sum | cut -c1-16)
image_hash=$({
  find "$FOLDER" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  echo "$base_hash"
} | sha256sum | cut -c1-16)

if [ "${make_base:-no}" = yes ]; then
  make_base
  exit
fi
if [ "$force" = no ] && [ "$(image_label "$IMAGE" matrx.test-s3.hash)" = "$image_hash" ]; then
  say "$IMAGE is up to date"
  exit
fi

steps 2
if [ "$force" = yes ] || [ "$(image_label "$BASE" matrx.base.hash)" != "$base_hash" ]; then
  step "Making a Debian $SUITE with Ceph's gateway" tools/build-s3-image.sh --make-base ||
    fail "the base image could not be made: check that this machine reaches its Debian mirror and that it has $SUITE."
else
  step "Using the base image $BASE" true
fi
# The classic builder: it is part of every engine, BuildKit needs a plugin that Debian's package lacks.
export DOCKER_BUILDKIT=0
step "Building the S3 server's image $IMAGE" "${ENGINE[@]}" build -q --build-arg "BASE=$BASE" \
  --label "matrx.test-s3.hash=$image_hash" -t "$IMAGE" "$FOLDER" ||
  fail "the image could not be built: see the lines above."
# The image that this one replaced has no name any more; the filter leaves everybody else's images alone.
"${ENGINE[@]}" image prune -f --filter label=matrx.test-s3.hash >/dev/null
