#!/usr/bin/env bash
# Builds the orchestrator's image, unless the one that exists was built from the same inputs. Needs no registry.
#   --force                     builds anyway, which is also the way to get newer security updates
#   MATRX_ORCHESTRATOR_IMAGE    its name, default matrx-orchestrator:latest
#   MATRX_IMAGE_BASE            the base image; default: Debian 13 from the registry, or made here if there is none
#   MATRX_PACKAGE_PROGRAMS      folder with matrx-orchestrator and matrx-agent; default: builds build/release
#   MATRX_PULL_TIMEOUT_SECONDS  how long to wait for the registry, default 15
source "$(dirname "$0")/lib.sh"

SUITE=trixie
OFFICIAL_BASE=debian:13-slim
LOCAL_BASE=matrx-orchestrator-base:$SUITE
PULL_TIMEOUT=${MATRX_PULL_TIMEOUT_SECONDS:-15}
IMAGE=${MATRX_ORCHESTRATOR_IMAGE:-matrx-orchestrator:latest}
PROGRAMS=${MATRX_PACKAGE_PROGRAMS:-}
FOLDER=orchestrator-image
CONTEXT=$ROOT/build/orchestrator-image
# The same for every build, so that two builds of the same inputs are the same.
EPOCH=1735689600

force=no
case "${1:-}" in
  '') ;;
  --force) force=yes ;;
  # The step of this script that is more than one command: step runs it as a child, which keeps `set -e` working.
  --make-base) force=base ;;
  *) fail "unknown option $1: use --force or nothing." ;;
esac

make_base() {
  local tar
  tar=$(mktemp --suffix=.tar)
  # shellcheck disable=SC2064  # the name is known now
  trap "rm -f '$tar'" EXIT
  as_root env SOURCE_DATE_EPOCH="$EPOCH" mmdebstrap --variant=minbase \
    --include="$(grep -v '^#' "$FOLDER/packages.txt" | paste -sd,)" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    "$SUITE" "$tar" ||
    fail "mmdebstrap could not make the base image: see its message above."
  "${ENGINE[@]}" import --change "LABEL matrx.base.hash=$base_hash" "$tar" "$LOCAL_BASE"
}

# What the Dockerfile may copy. Without dates and umask, so that two builds of the same inputs are the same.
make_context() {
  rm -rf "$CONTEXT"
  mkdir -p "$CONTEXT/bin" "$CONTEXT/migrations/supabase"
  cp "$FOLDER"/{Dockerfile,packages.txt} "$CONTEXT"
  cp "$PROGRAMS"/{matrx-orchestrator,matrx-agent} "$CONTEXT/bin"
  cp migrations/*.sql "$CONTEXT/migrations"
  cp migrations/supabase/*.sql "$CONTEXT/migrations/supabase"
  chmod -R u=rwX,go=rX "$CONTEXT"
  find "$CONTEXT" -exec touch -h -d "@$EPOCH" {} +
}

use_engine
# A change of the Dockerfile or of the programs alone reuses the base.
base_hash=$({
  cat "$FOLDER/packages.txt"
  echo "$SUITE $EPOCH"
} | sha256sum | cut -c1-16)
if [ "$force" = base ]; then
  make_base
  exit
fi

steps 3
if [ -z "$PROGRAMS" ]; then
  step "Building (release)" build_preset release || fail "the build failed: see the compiler's message above."
  PROGRAMS=$ROOT/build/release/bin
else
  step "Taking the programs in $PROGRAMS" test -x "$PROGRAMS/matrx-orchestrator" ||
    fail "$PROGRAMS lacks the programs."
fi
make_context
image_hash=$({
  (cd "$CONTEXT" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
  echo "$base_hash ${MATRX_IMAGE_BASE:-}"
} | sha256sum | cut -c1-16)
if [ "$force" = no ] && [ "$(image_label "$IMAGE" matrx.orchestrator.hash)" = "$image_hash" ]; then
  say "$IMAGE is up to date"
  exit
fi

base=${MATRX_IMAGE_BASE:-}
if [ -z "$base" ]; then
  base=$LOCAL_BASE
  ! timeout "$PULL_TIMEOUT" "${ENGINE[@]}" pull -q "$OFFICIAL_BASE" >/dev/null 2>&1 || base=$OFFICIAL_BASE
fi
current=$(image_label "$base" matrx.base.hash)
if [ "$base" = "$LOCAL_BASE" ] && { [ "$force" = yes ] || [ "$current" != "$base_hash" ]; }; then
  step "No registry: making a Debian 13 base here" tools/build-orchestrator-image.sh --make-base ||
    fail "the base image could not be made: check that this machine reaches its Debian mirror, or set MATRX_IMAGE_BASE."
else
  step "Using the base image $base" true
fi
version=$(sed -n 's/^project(matrx-sandbox VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
# The classic builder: it is part of every engine, BuildKit needs a plugin that Debian's package lacks.
export DOCKER_BUILDKIT=0
# Steps that the engine remembers would bring no newer packages.
anew=()
[ "$force" = no ] || anew=(--no-cache)
step "Building the orchestrator's image $IMAGE" "${ENGINE[@]}" build -q "${anew[@]}" \
  --build-arg "BASE=$base" --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
  --label "matrx.orchestrator.hash=$image_hash" -t "$IMAGE" "$CONTEXT" ||
  fail "the image could not be built: see the lines above."
# The image that this one replaced has no name any more; the filter leaves everybody else's images alone.
"${ENGINE[@]}" image prune -f --filter label=matrx.orchestrator.hash >/dev/null
