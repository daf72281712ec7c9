#!/usr/bin/env bash
# Makes the release files in build/package: a .deb for Debian 12 and 13, a .tar.gz for deploy/deploy.sh, SHA256SUMS.
# The same commit and the same programs give the same bytes. Build on Debian 12: what is linked there runs on both.
#   MATRX_PACKAGE_PROGRAMS    folder with matrx-orchestrator and matrx-agent; default: builds build/release
#   MATRX_PACKAGE_DIR         where the files go, default build/package
source "$(dirname "$0")/lib.sh"

OUT=${MATRX_PACKAGE_DIR:-$ROOT/build/package}
PROGRAMS=${MATRX_PACKAGE_PROGRAMS:-}
NAME=matrx-sandbox
LIB=usr/lib/$NAME
SHARE=usr/share/$NAME

# 1.2.3 for the commit with the tag v1.2.3, otherwise with what tells it from all other builds.
version() {
  local base commit count
  base=$(sed -n 's/^project(matrx-sandbox VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
  [ -n "$base" ] || fail "CMakeLists.txt names no version."
  if [ "$(git describe --tags --exact-match 2>/dev/null)" = "v$base" ] && git diff --quiet HEAD; then
    printf '%s' "$base"
    return
  fi
  commit=$(git rev-parse --short=10 HEAD)
  count=$(git rev-list --count HEAD)
  printf '%s+r%s.g%s' "$base" "$count" "$commit"
  git diff --quiet HEAD || printf '.changed'
}

# put MODE SOURCE… FOLDER
put() {
  local mode=$1
  shift
  install -D -m "$mode" -t "${*: -1}" "${@:1:$#-1}"
}

make_tree() {
  local top=$1/$NAME-$VERSION
  put 0755 "$PROGRAMS/matrx-orchestrator" "$PROGRAMS/matrx-agent" "$top/bin"
  put 0644 deploy/systemd/*.service deploy/systemd/*.conf "$top/systemd"
  put 0755 deploy/activate.sh deploy/bootstrap-host.sh "$top/deploy"
  put 0644 migrations/*.sql "$top/migrations"
  put 0644 migrations/supabase/*.sql "$top/migrations/supabase"
  put 0644 README.md SECURITY.md CHANGELOG.md .env.example "$top"
  put 0644 docs/*.md "$top/docs"
  printf '%s\n' "$VERSION" >"$top/VERSION"
  (cd "$top" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) >"$1/sums"
  mv "$1/sums" "$top/SHA256SUMS"
  find "$1" -type d -exec chmod 0755 {} +
  tar -C "$1" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf - "$NAME-$VERSION" |
    gzip -9n >"$OUT/$NAME-$VERSION.tar.gz"
}

# What the programs are linked with, in Debian's words.
needed_packages() {
  local work=$1/shlibs
  mkdir -p "$work/debian"
  printf 'Source: x\n\nPackage: x\nArchitecture: any\n' >"$work/debian/control"
  (cd "$work" && dpkg-shlibdeps -O --ignore-missing-info "$PROGRAMS/matrx-orchestrator" 2>/dev/null) |
    sed -n 's/^shlibs:Depends=//p'
}

make_deb() {
  local top=$1/deb size depends
  depends=$(needed_packages "$1")
  [ -n "$depends" ] || fail "dpkg-shlibdeps does not know what the programs need: install dpkg-dev."
  put 0755 "$PROGRAMS/matrx-orchestrator" "$PROGRAMS/matrx-agent" "$top/$LIB/bin"
  install -d "$top/usr/bin"
  ln -s "../lib/$NAME/bin/matrx-orchestrator" "$top/usr/bin/matrx-orchestrator"
  put 0644 deploy/systemd/matrx-orchestrator.service "$top/usr/lib/systemd/system"
  sed -i -e "s|/opt/matrx-sandbox/current/bin/|/$LIB/bin/|" \
    -e "s|/opt/matrx-sandbox/current/docs/|/usr/share/doc/$NAME/|" \
    "$top/usr/lib/systemd/system/matrx-orchestrator.service"
  install -D -m 0644 deploy/systemd/journald-matrx.conf "$top/usr/lib/systemd/journald.conf.d/matrx.conf"
  install -D -m 0644 deploy/systemd/modules-matrx.conf "$top/usr/lib/modules-load.d/matrx-sandbox.conf"
  install -D -m 0644 deploy/systemd/sysctl-matrx.conf "$top/usr/lib/sysctl.d/60-matrx-sandbox.conf"
  put 0644 migrations/*.sql "$top/$SHARE/migrations"
  put 0644 migrations/supabase/*.sql "$top/$SHARE/migrations/supabase"
  install -D -m 0644 .env.example "$top/$SHARE/orchestrator.env.example"
  put 0644 README.md SECURITY.md CHANGELOG.md docs/*.md "$top/usr/share/doc/$NAME"
  find "$top" -type d -exec chmod 0755 {} +
  size=$(du -sk --apparent-size "$top" | cut -f1)
  put 0755 tools/package/postinst tools/package/prerm tools/package/postrm "$top/DEBIAN"
  cat >"$top/DEBIAN/control" <<END
Package: $NAME
Version: $VERSION
Architecture: $(dpkg --print-architecture)
Maintainer: Matrx Sandbox maintainers <maintainers@matrx.invalid>
Installed-Size: $size
Depends: $depends, ca-certificates, fuse3, iptables, rclone
Recommends: docker.io
Section: admin
Priority: optional
Description: orchestrator of sandboxes for AI agents
 Creates isolated, ephemeral Linux sandboxes over an HTTP API, as containers of
 Docker, with homes that survive them.
END
  (cd "$top" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums)
  chmod 0644 "$top/DEBIAN/control" "$top/DEBIAN/md5sums"
  find "$top" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group -Zxz --build "$top" "$OUT/${NAME}_${VERSION}_$(dpkg --print-architecture).deb" >/dev/null
}

[ "$#" -eq 0 ] || fail "it takes no arguments; see the head of this file."
if [ -z "$PROGRAMS" ]; then
  steps 2
  step "Building (release)" build_preset release || fail "the build failed: see the compiler's message above."
  PROGRAMS=$ROOT/build/release/bin
fi
for program in matrx-orchestrator matrx-agent; do
  [ -x "$PROGRAMS/$program" ] || fail "$PROGRAMS has no $program."
done
PROGRAMS=$(cd "$PROGRAMS" && pwd)
VERSION=$(version)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
umask 022
work=$(mktemp -d)
# shellcheck disable=SC2064  # the name is known now
trap "rm -rf -- '$work'" EXIT
mkdir -p "$OUT"
rm -f "$OUT/$NAME"[-_]*.tar.gz "$OUT/$NAME"[-_]*.deb "$OUT/SHA256SUMS"
make_tree "$work/tree"
make_deb "$work"
(cd "$OUT" && sha256sum ./*.deb ./*.tar.gz >SHA256SUMS)
say "in ${OUT#"$ROOT"/}: $(cd "$OUT" && echo ./*.deb ./*.tar.gz)"
