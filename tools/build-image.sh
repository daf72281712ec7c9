#!/usr/bin/env bash
# Builds the sandbox image, unless the one that exists was built from the same inputs.
#   --force                    builds anyway, which is also the way to get newer security updates
#   --full                     the target with a headless browser, matrx-sandbox:full
#   MATRX_SANDBOX_IMAGE        its name, default matrx-sandbox:latest
#   MATRX_IMAGE_BASE           the base image; default: Debian 13 from the registry, or made here if there is none
#   MATRX_LOCAL_BASE           the name of a base that is made here, default matrx-base:trixie
#   MATRX_PULL_TIMEOUT_SECONDS how long to wait for the registry, default 15
source "$(dirname "$0")/lib.sh"

SUITE=trixie
OFFICIAL_BASE=debian:13-slim
PULL_TIMEOUT=${MATRX_PULL_TIMEOUT_SECONDS:-15}

force=no
target=core
make_base=no
for option in "$@"; do
  case $option in
    --force) force=yes ;;
    --core) ;;
    --full) target=full ;;
    # The steps of this script that are more than one command: step runs each as a child, which keeps `set -e` working.
    --make-base) make_base=yes ;;
    *) fail "unknown option $option: use --force, --full or both." ;;
  esac
done
tag=latest base_tag=$SUITE lists=(sandbox-image/packages.txt)
if [ "$target" = full ]; then
  tag=full base_tag=$SUITE-full
  lists+=(sandbox-image/packages-full.txt)
fi
IMAGE=${MATRX_SANDBOX_IMAGE:-matrx-sandbox:$tag}
LOCAL_BASE=${MATRX_LOCAL_BASE:-matrx-base:$base_tag}
CONTEXT=$ROOT/build/sandbox-image-$target

# Prints the machine's own package source for Debian's main archive (no argument) or its security archive ("security").
# Source lists come in two formats and any number of files: apt itself is the one who can read them all.
machine_source() {
  # shellcheck disable=SC2016  # these are apt's variables
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
    awk -v want="${1:-main}" '
      { security = ($2 ~ /-security$/) }
      $1 !~ /debian/ || $2 ~ /-(updates|backports)/ { next }
      (want == "security") == security { sub(/\/$/, "", $1); print $1; exit }'
}

# The three suites with the mirrors this machine uses. Prints nothing where the machine has no Debian source:
# mmdebstrap then takes Debian's own mirrors, security included.
suite_sources() {
  local main security
  main=$(machine_source)
  [ -n "$main" ] || return 0
  security=$(machine_source security)
  # By convention the security archive lies beside the main one.
  [ -n "$security" ] || security=$main-security
  printf 'deb %s main\n' "$main $SUITE" "$main $SUITE-updates" "$security $SUITE-security"
}

# Everything is installed by mmdebstrap, so that the image build needs no network: containers often have none that
# works without further settings (proxies, private certificates).
make_base() {
  local tar include sources
  tar=$(mktemp --suffix=.tar)
  # shellcheck disable=SC2064  # the name is known now
  trap "rm -f '$tar'" EXIT
  include=$(grep -hv '^#' "${lists[@]}" | paste -sd,)
  sources=$(suite_sources)
  as_root env SOURCE_DATE_EPOCH=1735689600 mmdebstrap --variant=minbase --include="$include" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    "$SUITE" "$tar" ${sources:+-} <<<"$sources" ||
    fail "mmdebstrap could not make the base image: see its message above."
  "${ENGINE[@]}" import --change "LABEL matrx.base.hash=$base_hash" "$tar" "$LOCAL_BASE"
}

use_engine
# A change of the Dockerfile, or of the rest of this script, reuses the base.
base_hash=$({
  cat "${lists[@]}"
  echo "$SUITE"
  sed -n '/^suite_sources() {/,/^}/p; /^make_base() {/,/^}/p' tools/build-image.sh
} | sha256sum | cut -c1-16)
version=$(sed -n 's/^project(matrx-sandbox VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
image_hash=$({
  find sandbox-image sdk/python/matrx_agent -type f ! -path 'sandbox-image/variants/*' ! -name '*.md' ! -name '*.pyc' \
    -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  echo "$base_hash $target $version ${MATRX_IMAGE_BASE:-}"
} | sha256sum | cut -c1-16)

# What the Dockerfile may copy: its folder and the Python package. Without dates and umask, so that two builds of the
# same inputs are the same.
make_context() {
  rm -rf "$CONTEXT"
  mkdir -p "$CONTEXT/matrx_agent"
  find sandbox-image -maxdepth 1 -type f -exec cp -t "$CONTEXT" {} +
  cp sdk/python/matrx_agent/*.py sdk/python/matrx_agent/py.typed "$CONTEXT/matrx_agent"
  chmod -R u=rwX,go=rX "$CONTEXT"
  find "$CONTEXT" -exec touch -h -d @1735689600 {} +
}

if [ "$make_base" = yes ]; then
  make_base
  exit
fi
if [ "$force" = no ] && [ "$(image_label "$IMAGE" matrx.image.hash)" = "$image_hash" ]; then
  say "$IMAGE is up to date"
  exit
fi

steps 2
base=${MATRX_IMAGE_BASE:-}
if [ -z "$base" ]; then
  if timeout "$PULL_TIMEOUT" "${ENGINE[@]}" pull -q "$OFFICIAL_BASE" >/dev/null 2>&1; then
    base=$OFFICIAL_BASE
  else
    base=$LOCAL_BASE
  fi
fi
current=$(image_label "$base" matrx.base.hash)
if [ "$base" = "$LOCAL_BASE" ] && { [ "$force" = yes ] || [ "$current" != "$base_hash" ]; }; then
  step "No registry: making a Debian 13 base here" tools/build-image.sh --make-base "--$target" ||
    fail "the base image could not be made: check that this machine reaches its Debian mirror, or set MATRX_IMAGE_BASE."
else
  step "Using the base image $base" true
fi
# The classic builder: it is part of every engine, BuildKit needs a plugin that Debian's package lacks.
export DOCKER_BUILDKIT=0
make_context
# Steps that the engine remembers would bring no newer packages.
anew=()
[ "$force" = no ] || anew=(--no-cache)
step "Building the sandbox image $IMAGE" "${ENGINE[@]}" build -q "${anew[@]}" --target "$target" \
  --build-arg "BASE=$base" --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
  --label "matrx.image.hash=$image_hash" -t "$IMAGE" "$CONTEXT" ||
  fail "the sandbox image could not be built: see the lines above, then run 'make image' again."
# The image that this one replaced has no name any more; the filter leaves everybody else's images alone.
"${ENGINE[@]}" image prune -f --filter label=matrx.image.hash >/dev/null
