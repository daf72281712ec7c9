#!/usr/bin/env bash
# The first program of a container that stands for a host: gives systemd control groups that it may write to, as a
# machine's kernel would, and becomes systemd. In a control group namespace of the container, so nobody else's are seen.
set -euo pipefail

GROUPS_DIR=/sys/fs/cgroup
version_2=no
[ "$(stat -f -c %T "$GROUPS_DIR")" != cgroup2fs ] || version_2=yes
umount -R "$GROUPS_DIR"
if [ "$version_2" = yes ]; then
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$GROUPS_DIR"
else
  mount -t tmpfs -o mode=755,nosuid,nodev,noexec tmpfs "$GROUPS_DIR"
  while read -r name _ _ enabled; do
    [[ $name != '#'* && $enabled = 1 ]] || continue
    mkdir "$GROUPS_DIR/$name"
    # A controller that the machine itself has not mounted may not be mounted here either.
    mount -t cgroup -o "nosuid,nodev,noexec,$name" cgroup "$GROUPS_DIR/$name" 2>/dev/null || rmdir "$GROUPS_DIR/$name"
  done </proc/cgroups
  mkdir "$GROUPS_DIR/systemd"
  mount -t cgroup -o nosuid,nodev,noexec,none,name=systemd cgroup "$GROUPS_DIR/systemd"
fi
# As on a machine: what is mounted in one folder is seen in its copies.
mount --make-rshared /
# Keys of its own, and not those of the image.
rm -f /etc/ssh/ssh_host_*
ssh-keygen -A >/dev/null
# The argument: systemd 256 and later start on control groups of version 1 only when they are told to.
exec /sbin/init SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
