"""Large files at /data/cold: of the bucket, through FUSE on the host, or of the local disk."""
import json
import os
import pathlib
import signal
import time

import pytest
from orchestrator import wait_for
from test_homes import kept  # noqa: F401
from test_postgres import refused

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


def stats(one):
    """The metrics, by their names."""
    text = one.request("GET", "/metrics").text
    return {name: float(value) for name, value in
            (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))}


def caches_of(one):
    """What lies in rclone's cache: the files of users."""
    return [str(path.relative_to(one.data)) for path in (one.data / "data/rclone/cache").rglob("*")
            if path.is_file()]


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
            timeout=20)["exit_code"] == 0)
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
    wait_for("I/O again", lambda: one.run(box, "cat /data/cold/file")["stdout"] == "before\n")
    late = one.run(box, "cat /data/cold/late")
    assert late["stdout"] == "just written\n", (late, one.log()[-3000:])
    one.destroy(box)
    wait_for("sent", lambda: "users/user-1/cold/late" in s3.keys(bucket, "users/"))
    body = s3.client().get_object(Bucket=bucket, Key="users/user-1/cold/late")["Body"].read()
    assert body == b"just written\n"
    wait_for("no mount", lambda: mounts_of(one) == [])


def test_what_a_killed_mounter_had_not_sent_stays_readable_when_it_is_sent(own, s3):
    """rclone 1.60 alone shows such a file as empty then, and an append would lose the rest."""
    bucket = s3.new_bucket()
    one = own(**s3.settings(bucket)).start()
    box = one.create()["sandbox_id"]
    one.run(box, "mkdir /data/cold/a; echo before >/data/cold/file; sleep 2")
    one.run(box, "cd /data/cold; echo changed >file; for n in 1 2 3; do echo $n >a/$n; done; "
                 "head -c 3000000 /dev/zero >large")
    os.kill(rclone_of(one), signal.SIGKILL)
    new = {f"users/user-1/cold/{name}": size for name, size in
           {"file": 8, "a/1": 2, "a/2": 2, "a/3": 2, "large": 3_000_000}.items()}
    wait_for("sent", lambda: new.items() <= s3.keys(bucket, "users/").items())
    time.sleep(1)
    assert one.run(box, "cd /data/cold; cat file a/*; wc -c <large")["stdout"] == \
        "changed\n1\n2\n3\n3000000\n"
    one.run(box, "for n in 1 2 3; do echo more >>/data/cold/a/$n; done")
    assert one.destroy(box).status_code == 204
    for n in range(1, 4):
        body = s3.client().get_object(Bucket=bucket, Key=f"users/user-1/cold/a/{n}")["Body"]
        assert body.read() == f"{n}\nmore\n".encode()


def test_many_mounts_heal_side_by_side(own, s3, record_property):
    one = own(**s3.settings(s3.new_bucket())).start()
    boxes = [one.create(user_id=f"user-{n}")["sandbox_id"] for n in range(8)]
    for box in boxes:
        one.run(box, "echo before >/data/cold/file")
    began = time.monotonic()
    os.kill(rclone_of(one), signal.SIGKILL)
    for box in boxes:
        wait_for("I/O again", lambda b=box: one.run(
            b, "cat /data/cold/file")["stdout"] == "before\n")
    took = time.monotonic() - began
    print(f"{len(boxes)} mounts healed in {took:.2f} s")
    record_property("healed_s", str(took))
    values = stats(one)
    assert values["matrx_cold_mounts"] == values["matrx_cold_mounts_total"] == len(boxes)
    assert values["matrx_cold_heals_total"] == len(boxes)


def test_the_cache_goes_with_the_last_sandbox_of_its_user(own, s3):
    one = own(**s3.settings(s3.new_bucket())).start()
    first, second = (one.create()["sandbox_id"] for _ in range(2))
    other = one.create(user_id="user-2")["sandbox_id"]
    for box in (first, second, other):
        one.run(box, f"head -c 5000000 /dev/urandom >/data/cold/{box}; cat /data/cold/* >/dev/null")
    one.destroy(first)
    assert any("/user-1/" in path for path in caches_of(one))
    one.destroy(second)
    left = caches_of(one)
    assert left and all("/user-2/" in path for path in left), left
    one.destroy(other)
    assert caches_of(one) == [] and mounts_of(one) == []
    assert list((one.data / "data/cold").iterdir()) == []


def test_uploads_that_the_store_refuses_are_told_while_the_sandbox_lives(own, s3, faults):
    bucket = s3.new_bucket()
    one = own(**s3.settings(bucket, faults.url)).start()
    box = one.create()["sandbox_id"]
    faults.answer(403, method="PUT", path="/cold/")
    one.run(box, "echo precious >/data/cold/file")
    detail = wait_for("the row", lambda: one.row(box).get("storage_detail"))
    assert "Large files" in detail and "denies access" in detail
    assert stats(one)["matrx_cold_refused_uploads_total"] >= 1
    assert '"large file not sent; trying again"' in one.log()
    assert s3.secret_key not in one.log() and s3.access_key not in one.log()
    faults.heal()
    wait_for("the row", lambda: not one.row(box).get("storage_detail"), 60)
    assert "users/user-1/cold/file" in s3.keys(bucket)


def test_what_is_not_sent_yet_is_not_deleted(own, s3, faults):
    bucket = s3.new_bucket()
    one = own(**s3.settings(bucket, faults.url), MATRX_SHUTDOWN_TIMEOUT_SECONDS="2").start()
    box = one.create()["sandbox_id"]
    faults.answer(403, method="PUT", path="/cold/")
    one.run(box, "echo late >/data/cold/file; echo work >file")
    one.destroy(box)
    assert one.row(box)["status"] == "stopped"
    refused = one.request("DELETE", "/users/user-1/storage?tier=cold")
    assert refused.status_code == 409 and box in refused.json()["detail"]
    assert one.request("DELETE", "/users/user-1/storage").status_code == 409
    one.kill9()
    one.start()
    assert one.request("DELETE", "/users/user-1/storage?tier=cold").status_code == 409
    faults.heal()
    wait_for("sent", lambda: "users/user-1/cold/file" in s3.keys(bucket), 60)
    wait_for("unmounted", lambda: mounts_of(one) == [], 60)
    answers = []

    def is_deleted():  # the orchestrator notes a moment after the kernel that nothing is mounted
        answers.append(one.request("DELETE", "/users/user-1/storage?tier=cold"))
        return answers[-1].status_code == 200

    wait_for("the deletion", is_deleted)
    assert answers[-1].json() == {"deleted": 1}
    refused = len(answers)  # the last was not, but one before it
    values = stats(one)
    assert values['matrx_storage_requests_total{operation="delete",outcome="failure"}'] == refused
    assert values["matrx_storage_deleted_objects_total"] == 1


# --- mount-s3: Debian does not have it, so that a program with its arguments stands in.

@pytest.fixture
def with_mount_s3(own, s3, tmp_path):
    stand_in = pathlib.Path(__file__).parent / "mount_s3_stand_in.py"
    program = tmp_path / "mount-s3"
    program.write_text(stand_in.read_text())
    program.chmod(0o755)
    bucket = s3.new_bucket()
    one = own(**s3.settings(bucket), MATRX_COLD_DRIVER="mount-s3", MATRX_COLD_CACHE_SIZE="400m",
              MOUNT_S3_CALLS=str(tmp_path / "calls"),
              PATH=f"{tmp_path}:{os.environ['PATH']}").start()
    one.bucket = bucket
    one.calls = lambda: [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]
    return one


def test_mount_s3_is_demanded_at_the_start(own, s3):
    line = refused(own(**s3.settings(), MATRX_COLD_DRIVER="mount-s3"))
    assert "MATRX_COLD_DRIVER" in line and "mount-s3" in line and "PATH" in line


def test_mount_s3_shows_large_files(with_mount_s3, s3):
    one = with_mount_s3
    box = one.create()["sandbox_id"]
    done = one.run(box, "cd /data/cold && mkdir -p sets && head -c 3000000 /dev/urandom >sets/large "
                        "&& sha256sum sets/large && stat -c '%U %a' sets/large")
    assert done["exit_code"] == 0, done
    digest = done["stdout"].split()[0]
    assert done["stdout"].splitlines()[1] == "agent 644"
    assert s3.keys(one.bucket, "users/user-1/cold/") == {"users/user-1/cold/sets/large": 3_000_000}
    call = one.calls()[0]
    assert call["pid"] in mounters_of(one)
    assert call["arguments"][-2:] == [one.bucket, str(one.data / "data/cold" / box / "cold")]
    assert not any(secret in word for word in call["arguments"]
                   for secret in (s3.access_key, s3.secret_key))
    assert call["has_credentials"] and call["our_settings"] == []
    assert call["options"]["max_cache_size"] == 100 and call["options"]["uid"] == 1000
    other = one.create(user_id="user-2")["sandbox_id"]
    assert one.run(other, "ls -A /data/cold")["stdout"] == ""
    assert one.calls()[1]["options"]["max_cache_size"] == 75
    assert one.destroy(box).status_code == 204
    again = one.create()["sandbox_id"]
    assert one.run(again, "sha256sum /data/cold/sets/large")["stdout"].startswith(digest)
    one.destroy(again)
    one.destroy(other)
    assert mounts_of(one) == [] and mounters_of(one) == []
    assert list((one.data / "data/mount-s3").iterdir()) == []


def test_mount_s3_killed_is_mounted_again(with_mount_s3):
    one = with_mount_s3
    boxes = [one.create(user_id=user)["sandbox_id"] for user in ("user-1", "user-2")]
    for box in boxes:
        one.run(box, "echo before >/data/cold/file")
    for pid in mounters_of(one):
        os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    for box in boxes:
        wait_for("I/O again", lambda b=box: one.run(
            b, "cat /data/cold/file && echo again >/data/cold/after")["exit_code"] == 0)
    print(f"I/O again after {time.monotonic() - began:.2f} s")
    assert "cold storage mounted again" in one.log()
    assert stats(one)["matrx_cold_heals_total"] == 2
    # By hand, as an operator might: the kernel tells.
    os.system(f"umount -l {one.data}/data/cold/{boxes[0]}/cold")
    wait_for("I/O again", lambda: one.run(
        boxes[0], "cat /data/cold/after")["stdout"] == "again\n")


def test_mount_s3_after_a_restart(with_mount_s3):
    one = with_mount_s3
    box, ended = (one.create(user_id=user)["sandbox_id"] for user in ("user-1", "user-2"))
    one.run(box, "echo before >/data/cold/file")
    one.kill9()
    wait_for("ended with us", lambda: mounters_of(one) == [])
    one.docker("rm", "-f", "matrx-" + ended)
    one.start()
    wait_for("I/O again", lambda: one.run(box, "cat /data/cold/file")["stdout"] == "before\n")
    wait_for("the other is gone", lambda: len(mounts_of(one)) == 1, 60)
    one.destroy(box)
    assert mounts_of(one) == [] and mounters_of(one) == []


def mounters_of(one):
    """Processes that serve a mount by themselves: those of the stand-in."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"mount" in words and any(str(one.data / "data/cold").encode() in w for w in words):
            found.append(int(path.parent.name))
    return found


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
    assert one.run(box, "mountpoint -q /data/cold")["exit_code"] != 0
