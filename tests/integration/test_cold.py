"""Large files at /data/cold: of the bucket, through FUSE on the host, or of the local disk."""
import os
import pathlib
import signal
import time

import pytest
from orchestrator import wait_for
from test_homes import kept  # noqa: F401

pytestmark = pytest.mark.integration


def rclone_of(one):
    """The process of the resident rclone: a child of the orchestrator."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().rsplit(")", 1)
        except OSError:
            continue
        if name.endswith("(rclone") and int(rest.split()[1]) == one.process.pid:
            return int(stat.parent.name)
    return None


def mounts_of(one):
    text = pathlib.Path("/proc/self/mountinfo").read_text()
    return [line.split()[4] for line in text.splitlines()
            if line.split()[4].startswith(str(one.data / "data/cold/sbx-"))]


def test_large_files_survive_and_are_shared(kept):  # noqa: F811
    one = kept()
    first = one.create()["sandbox_id"]
    done = one.run(first, "cd /data/cold && mkdir -p sets/a && echo text >sets/a/file && "
                          "head -c 20000000 /dev/urandom >large && sha256sum large && id -un && "
                          "stat -c '%U %a' large")
    assert done["exit_code"] == 0, done
    digest, user, stat = done["stdout"].split("  large\n")[0], *done["stdout"].splitlines()[1:]
    assert (user, stat) == ("agent", "agent 644")
    assert one.destroy(first).status_code == 204
    assert mounts_of(one) == []
    listed = one.request("GET", "/users/user-1/storage/cold/files").json()["entries"]
    assert [(entry["name"], entry["size"]) for entry in listed] == [
        ("large", 20_000_000), ("sets", listed[1]["size"])]
    second = one.create()["sandbox_id"]
    assert one.run(second, "cat /data/cold/sets/a/file; sha256sum /data/cold/large")["stdout"] == \
        f"text\n{digest}  /data/cold/large\n"
    other = one.create(user_id="user-2")["sandbox_id"]
    assert one.run(other, "ls -A /data/cold")["stdout"] == ""
    assert one.run(other, "echo mine >/data/cold/mine")["exit_code"] == 0
    assert one.run(second, "ls /data/cold")["stdout"] == "large\nsets\n"


def test_the_mounter_killed_under_read_and_write(own, s3, record_property):
    one = own(**s3.settings(s3.new_bucket())).start()
    box = one.create()["sandbox_id"]
    one.run(box, "cd /data/cold; head -c 30000000 /dev/urandom >large; sha256sum large >/tmp/sum; "
                 "(while :; do if date +%s%N >>/data/cold/log 2>/dev/null; then echo ok; "
                 "else echo no; fi >>/tmp/tries; sleep 0.02; done) >/dev/null 2>&1 &")
    away = []
    for _ in range(3):
        time.sleep(1)
        pid = rclone_of(one)
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        wait_for("I/O again", lambda: one.run(
            box, "cd /data/cold && sha256sum -c /tmp/sum && echo again >>after",
            timeout=20)["exit_code"] == 0, 20)
        away.append(time.monotonic() - began)
    tries = one.run(box, "sort /tmp/tries | uniq -c")["stdout"]
    print(f"I/O again after {[round(s, 2) for s in away]} s; writes meanwhile: {tries.split()}")
    record_property("io_again_s", str(max(away)))
    assert one.run(box, "cat /data/cold/after")["stdout"] == "again\n" * 3
    assert one.row(box)["status"] == "running"
    assert "cold storage mounted again" in one.log()


def test_mounts_come_back_after_a_restart(own, s3):
    bucket = s3.new_bucket()
    one = own(**s3.settings(bucket)).start()
    box = one.create()["sandbox_id"]
    one.run(box, "echo before >/data/cold/file; sleep 2")
    one.run(box, "echo just written >/data/cold/late")
    one.kill9()
    one.start()
    wait_for("I/O again", lambda: one.run(box, "cat /data/cold/file")["stdout"] == "before\n", 10)
    assert one.run(box, "cat /data/cold/late")["stdout"] == "just written\n"
    one.destroy(box)
    wait_for("sent", lambda: "users/user-1/cold/late" in s3.keys(bucket, "users/"), 20)
    body = s3.client().get_object(Bucket=bucket, Key="users/user-1/cold/late")["Body"].read()
    assert body == b"just written\n"
    wait_for("no mount", lambda: mounts_of(one) == [])


def test_a_sandbox_cannot_mount_or_name_others(own, s3):
    one = own(**s3.settings(s3.new_bucket())).start()
    box = one.create()["sandbox_id"]
    for command in ("umount /data/cold", "umount -l /data/cold", "mount -t tmpfs x /mnt",
                    "ls /dev/fuse", "mknod /tmp/fuse c 10 229"):
        assert one.run(box, "sudo " + command)["exit_code"] != 0, command
    assert one.run(box, "ls /data/cold/../../..; ls -a /data")["stdout"].split()[-3:] == [
        ".", "..", "cold"]


def test_cold_storage_can_be_off(own):
    one = own(MATRX_COLD_DRIVER="off").start()
    box = one.create()["sandbox_id"]
    assert one.run(box, "ls -d /data/cold 2>&1")["exit_code"] != 0
