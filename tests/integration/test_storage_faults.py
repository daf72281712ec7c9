"""The object store fails in every way, at any moment: no byte is lost, nothing is hidden."""
import contextlib
import json
import os
import random
import subprocess
import tempfile
import threading
import time

import pytest
from home_changes import contents, create_in_trouble, difference, wait_until_saved
from orchestrator import wait_for

pytestmark = pytest.mark.faults
ROUNDS = int(os.environ.get("MATRX_FAULT_ROUNDS", "25"))
SEED = int(os.environ.get("MATRX_FAULT_SEED", "3"))  # another one goes another way
SETTINGS = {"MATRX_HOT_SYNC_INTERVAL_SECONDS": "1", "MATRX_SHUTDOWN_TIMEOUT_SECONDS": "10"}


def log_lines(one, event):
    lines = [json.loads(line) for line in one.log().splitlines() if line.startswith("{")]
    return [line for line in lines if event in line.values()]


def failures(one):
    return log_lines(one, "home could not be synced")


def failed_syncs(one, direction=None):
    """As /metrics counts them."""
    return sum(one.metric(f'matrx_home_syncs_total{{direction="{way}",outcome="failure"}}')
               for way in ("down", "checkpoint", "up") if direction in (None, way))


def check_bucket(s3, bucket, home):
    """Somebody else's look: one object for each file, and nothing that was left behind."""
    keys = s3.keys(bucket, "users/user-1/hot/")
    files = [path for path, node in home.items() if node[0] == "file"]
    assert len(keys) == len(files) > 0, (sorted(keys), sorted(files))
    assert not [key for key in s3.keys(bucket) if ".conflict-" in key]
    assert "Uploads" not in s3.client().list_multipart_uploads(Bucket=bucket)


class Trouble:
    """Things go wrong and right again, in turns, until it is over."""

    def __init__(self, s3, faults, seed):
        self.s3, self.faults, self.chance = s3, faults, random.Random(seed)
        self.over = threading.Event()
        self.met = []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def one(self):
        chance, faults = self.chance, self.faults
        share = chance.choice([0.2, 0.6, 1.0])
        choice = chance.randrange(9)
        if choice == 0:
            self.s3.stop()
        elif choice == 1:
            faults.refuse()
        elif choice == 2:
            faults.delay(chance.choice([0.1, 0.5]), share=share)
        elif choice <= 4:
            faults.answer(chance.choice([500, 503, 403]), share=share,
                          method=chance.choice(["", "PUT", "GET", "DELETE"]))
        elif choice == 5:
            faults.cut_upload(share=share)
        elif choice == 6:
            faults.cut_download(share=share)
        elif choice == 7:
            faults.cut_answer(share=share)
        else:
            faults.stall(share=share)
        self.met.append(choice)
        return choice

    def run(self):
        while not self.over.wait(self.chance.uniform(0, 2)):
            choice = self.one()
            self.over.wait(self.chance.uniform(0.3, 4))
            if choice == 0:
                self.s3.start()
            self.faults.heal()

    def end(self):
        self.over.set()
        self.thread.join()


@contextlib.contextmanager
def trouble(s3, faults, seed):
    one = Trouble(s3, faults, seed)
    try:
        yield one
    finally:
        one.end()


def live_through(one, seeds, pause):
    """One life of a home: it is what it was, it changes, it ends. Answers what is in it then."""
    before = {}
    for seed in seeds:
        sandbox_id = create_in_trouble(one)
        found = contents(one, sandbox_id)
        assert found == before, (seed, difference(before, found))
        for step in range(3):  # checkpoints come in between
            after = contents(one, sandbox_id, 10 * seed + step)
            pause()
        assert after != before
        before = after
        assert one.destroy(sandbox_id).status_code == 204
    return before


def test_nothing_is_lost_whatever_the_store_does(own, s3, faults):
    bucket = s3.new_bucket()
    one = own(**s3.settings(bucket, faults.url), **SETTINGS).start()
    chance = random.Random(SEED)
    with trouble(s3, faults, seed=SEED + 1) as met:
        before = live_through(one, range(1000 * SEED, 1000 * SEED + ROUNDS),
                              lambda: met.over.wait(chance.uniform(0, 1.2)))
    assert faults.failed > ROUNDS and len(set(met.met)) >= min(6, ROUNDS // 4)
    wait_until_saved(one)
    sandbox_id = one.create()["sandbox_id"]
    found = contents(one, sandbox_id)
    assert found == before, difference(before, found)
    check_bucket(s3, bucket, before)
    for failure in failures(one):
        assert failure["error"] and 1 <= failure["tries"] <= 3 and failure["user_id"] == "user-1"
    for row in one.rows():
        assert row["status"] != "failed" or row["status_detail"], row
    wait_for("the count of unsaved homes", lambda: one.metric("matrx_unsaved_homes") == 0)
    assert failed_syncs(one) == len(failures(one)) > 0
    print(f"{ROUNDS} rounds, {faults.failed} requests met a fault, {len(failures(one))} syncs "
          f"failed for the time being")


def test_each_failure_is_in_row_and_log(own, s3, faults):
    one = own(**s3.settings(url=faults.url), **SETTINGS).start()
    sandbox_id = one.create()["sandbox_id"]
    faults.answer(403)  # the one that rclone does not try again
    one.run(sandbox_id, "echo work >file")
    wait_for("a row that tells of it", lambda: one.row(sandbox_id).get("storage_detail"))
    assert wait_for("the log", lambda: failures(one))[-1]["direction"] == "checkpoint"
    assert one.destroy(sandbox_id).status_code == 204
    row = wait_for("a row that tells of the end",
                   lambda: (r := one.row(sandbox_id))["storage_state"] == "pending"
                   and r.get("storage_detail") and r)
    assert row["status"] == "stopped"
    failure = wait_for("the log", lambda: [f for f in failures(one) if f["direction"] == "up"])[0]
    assert failure["sandbox_id"] == sandbox_id and failure["tries"] == 3
    assert "denies access" in failure["error"] and "status code: 403" in failure["internal"]
    assert failed_syncs(one, "checkpoint") > 0 and failed_syncs(one, "up") > 0
    assert wait_for("the count", lambda: one.metric("matrx_unsaved_homes")) == 1
    # Another user has nothing to wait for, and nothing to come down.
    assert failed_syncs(one, "down") == 0
    refused = one.request("POST", "/sandboxes", json={"user_id": "user-2"}, timeout=120)
    assert failed_syncs(one, "down") == 1
    assert refused.status_code == 503 and "object store" in refused.json()["detail"]
    failed = [row for row in one.rows() if row["status"] == "failed"]
    assert [row["user_id"] for row in failed] == ["user-2"]
    assert "object store" in failed[0]["status_detail"]
    faults.heal()
    wait_until_saved(one)
    assert not one.row(sandbox_id).get("storage_detail")
    assert one.run(one.create()["sandbox_id"], "cat file")["stdout"] == "work\n"


CAUSES = {"denies access": lambda faults: faults.answer(403),
          "answers 503": lambda faults: faults.answer(503),
          "answers 500": lambda faults: faults.answer(500),
          "refuses connections": lambda faults: faults.refuse(),
          "broke off": lambda faults: faults.cut_answer()}


QUICK = ("denies access", "refuses connections")


@pytest.mark.parametrize("words", [
    pytest.param(words, marks=pytest.mark.integration if words in QUICK else ())
    for words in CAUSES])
def test_the_row_names_the_cause_and_nothing_else(own, s3, faults, words):
    bucket = s3.new_bucket()
    one = own(**s3.settings(bucket, faults.url), **SETTINGS).start()
    sandbox_id = one.create()["sandbox_id"]
    CAUSES[words](faults)
    one.run(sandbox_id, "echo work >file")
    began = time.monotonic()
    told = wait_for("a row that tells", lambda: one.row(sandbox_id).get("storage_detail"), 60)
    print(f"{words}: told after {time.monotonic() - began:.1f} s")
    assert words in told
    for inside in (bucket, "127.0.0.1", str(faults.port), "rclone", "http", s3.access_key):
        assert inside not in told
    first = log_lines(one, "home could not be synced; trying again")[0]
    assert words in first["error"] and first["sandbox_id"] == sandbox_id
    wait_for("the log", lambda: failures(one), 90)
    assert failed_syncs(one, "checkpoint") >= 1
    faults.heal()
    wait_for("a row that is well", lambda: not one.row(sandbox_id).get("storage_detail"), 90)


@pytest.mark.integration
def test_a_checkpoint_that_fails_tells_until_one_works(own, s3, faults):
    one = own(**s3.settings(url=faults.url), **SETTINGS).start()
    sandbox_id = one.create()["sandbox_id"]
    broken = faults.answer(403, method="PUT")
    one.run(sandbox_id, "echo work >file")
    wait_for("a row that tells", lambda: one.row(sandbox_id).get("storage_detail"))
    faults.heal(broken)
    wait_for("a row that is well", lambda: not one.row(sandbox_id).get("storage_detail"))


def failed_checkpoint(one):
    seen = len(failures(one))
    wait_for("a checkpoint that fails", lambda: len(failures(one)) > seen, 90)


@pytest.mark.parametrize("change", ["echo longer >a", "rm a", "rm a; mkdir a; echo x >a/b"])
def test_what_a_failed_sync_has_sent_is_still_ours(own, s3, faults, change):
    """Half of it arrives, then it changes, then nothing arrives, then all works."""
    bucket = s3.new_bucket()
    one = own(**s3.settings(bucket, faults.url), **SETTINGS).start()
    sandbox_id = one.create()["sandbox_id"]
    faults.answer(503, method="PUT", path="/hot/z")
    one.run(sandbox_id, "echo a >a; echo z >z")
    wait_for("half of it", lambda: "users/user-1/hot/a" in s3.keys(bucket))
    failed_checkpoint(one)
    for method in ("PUT", "DELETE", "POST"):
        faults.answer(403, method=method)  # that one rclone itself does not try again
    one.run(sandbox_id, change)
    failed_checkpoint(one)
    failed_checkpoint(one)
    before = contents(one, sandbox_id)
    faults.heal()
    one.destroy(sandbox_id)
    wait_until_saved(one)
    after = contents(one, one.create()["sandbox_id"])
    assert after == before, difference(before, after)
    check_bucket(s3, bucket, after)


def test_a_large_file_whose_upload_breaks_leaves_no_parts(own, s3, faults):
    bucket = s3.new_bucket()
    one = own(**s3.settings(bucket, faults.url), MATRX_SHUTDOWN_TIMEOUT_SECONDS="1").start()
    sandbox_id = one.create()["sandbox_id"]
    one.run(sandbox_id, "head -c 230000000 /dev/urandom >large", timeout=60)
    wanted = one.run(sandbox_id, "sha256sum large")["stdout"]
    broken = faults.cut_upload(path="partNumber=7")
    one.destroy(sandbox_id)
    wait_for("a broken part", lambda: broken.hits > 0, 60)
    wait_for("a row that tells", lambda: one.row(sandbox_id).get("storage_detail"), 60)
    faults.heal()
    wait_until_saved(one)
    assert "Uploads" not in s3.client().list_multipart_uploads(Bucket=bucket)
    assert one.run(one.create()["sandbox_id"], "sha256sum large", timeout=60)["stdout"] == wanted


@contextlib.contextmanager
def small_disk(megabytes):
    """A folder on a disk of its own; answers it, and what makes the disk larger."""
    folder = tempfile.mkdtemp(prefix="matrx-disk-")
    def grow(size, *options):
        subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}m", *options]),
                        "tmpfs", folder], check=True)
    grow(megabytes)
    try:
        yield folder, lambda size: grow(size, "remount")
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        os.rmdir(folder)


def test_a_disk_that_is_almost_full(own, s3):
    """A checkpoint to S3 needs room for copies, and says so where there is none; the save at the end needs none."""
    with small_disk(60) as (disk, grow):
        one = own(**s3.settings(), MATRX_DATA_DIR=disk, MATRX_SHUTDOWN_TIMEOUT_SECONDS="5", MATRX_DISK_END_BELOW="0",
                  MATRX_DISK_REFUSE_BELOW="0", MATRX_HOT_SYNC_INTERVAL_SECONDS="2").start()
        try:
            first = one.create()["sandbox_id"]
            one.run(first, "head -c 35000000 /dev/urandom >large")
            wanted = one.run(first, "sha256sum large")["stdout"]
            told = wait_for("a row that tells", lambda: one.row(first).get("storage_detail"))
            assert "The disk of the host is full" in told
            assert one.request("GET", "/health").status_code == 200
            assert one.destroy(first).status_code == 204
            wait_for("saved", lambda: one.row(first)["storage_state"] == "saved", 60)
            second = one.create()["sandbox_id"]
            assert one.run(second, "sha256sum large")["stdout"] == wanted
            grow(200)
            one.run(second, "head -c 1000000 /dev/urandom >>large")
            wait_for("a checkpoint", lambda: one.metric(
                'matrx_home_syncs_total{direction="checkpoint",outcome="success"}') > 0)
            assert one.destroy(second).status_code == 204
        finally:
            one.stop()
