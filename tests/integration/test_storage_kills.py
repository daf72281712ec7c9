"""kill -9 of the orchestrator, or of its rclone, while a home is on its way: nothing is lost."""
import concurrent.futures
import os
import pathlib
import random
import time

import httpx
import pytest
from home_changes import contents, create_in_trouble, difference, wait_until_saved
from orchestrator import wait_for
from test_storage_faults import SETTINGS, check_bucket

pytestmark = pytest.mark.faults
ROUNDS = int(os.environ.get("MATRX_FAULT_ROUNDS", "25")) // 2
SEED = int(os.environ.get("MATRX_FAULT_SEED", "9"))


def rclones(one):
    """The process ids of its rclone, also of one whose parent is gone."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"rclone") and str(one.data).encode() in b" ".join(words):
            found.append(int(entry.name))
    return found


def kill_orchestrator(one):
    one.kill9()
    wait_for("the end of its rclone", lambda: rclones(one) == [])
    one.start()


def kill_rclone(one):
    for pid in rclones(one):
        os.kill(pid, 9)


def while_killed(one, kill, after_seconds, action):
    """Does something, and kills meanwhile; answers what it answered, nothing where it was cut."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(action)
        time.sleep(after_seconds)
        kill(one)
        try:
            return waiting.result()
        except (httpx.HTTPError, ValueError):
            return None


def create_anyway(one):
    """The answer to a create may be lost in a kill, and its sandbox with it or not."""
    pending = ("creating", "starting")
    wait_for("an end of what was cut",
             lambda: not [row for row in one.rows() if row["status"] in pending], 60)
    live = [row["sandbox_id"] for row in one.rows() if row["status"] in ("ready", "running")]
    return live[0] if live else create_in_trouble(one)


TRACES = {kill_orchestrator: '"orchestrator ready"', kill_rclone: "rclone has ended"}


@pytest.mark.parametrize("kill", TRACES)
def test_kills_at_random_moments(own, s3, faults, kill):
    bucket = s3.new_bucket()
    one = own(**s3.settings(bucket, faults.url), **SETTINGS).start()
    faults.delay(0.1)  # so that more of them come while something is on its way
    chance = random.Random(SEED)
    before = {}
    for number in range(1, ROUNDS + 1):
        where = chance.choice(["down", "checkpoint", "up"])
        moment = chance.uniform(0, 2)
        if where == "down":
            while_killed(one, kill, moment, lambda: create_in_trouble(one))
        sandbox_id = create_anyway(one)
        found = contents(one, sandbox_id)
        assert found == before, (number, where, difference(before, found))
        after = contents(one, sandbox_id, 10 * number)
        if where == "checkpoint":
            time.sleep(moment)
            kill(one)
            after = contents(one, sandbox_id, 10 * number + 1)
        before = after
        if where == "up":
            while_killed(one, kill, moment, lambda: one.destroy(sandbox_id))
        if one.row(sandbox_id)["status"] in ("ready", "running"):
            assert one.destroy(sandbox_id).status_code == 204
    assert one.log().count(TRACES[kill]) >= ROUNDS // 2
    wait_until_saved(one)
    faults.heal()
    found = contents(one, one.create()["sandbox_id"])
    assert found == before, difference(before, found)
    check_bucket(s3, bucket, before)


@pytest.mark.integration
def test_rclone_killed_between_two_syncs_is_started_again(own, s3):
    one = own(**s3.settings(), **SETTINGS).start()
    sandbox_id = one.create()["sandbox_id"]
    first = rclones(one)
    assert len(first) == 1
    kill_rclone(one)
    one.run(sandbox_id, "echo work >file")
    assert one.destroy(sandbox_id).status_code == 204
    assert one.row(sandbox_id)["storage_state"] == "saved"
    assert len(rclones(one)) == 1 and rclones(one) != first
    assert "rclone has ended" in one.log()


@pytest.mark.parametrize("kill", TRACES)
def test_a_kill_under_a_large_upload_leaves_no_parts(own, s3, faults, kill):
    bucket = s3.new_bucket()
    one = own(**s3.settings(bucket, faults.url), MATRX_SHUTDOWN_TIMEOUT_SECONDS="1").start()
    sandbox_id = one.create()["sandbox_id"]
    one.run(sandbox_id, "head -c 230000000 /dev/urandom >large", timeout=60)
    wanted = one.run(sandbox_id, "sha256sum large")["stdout"]
    theirs = "users/user-1/hot/theirs"  # somebody else is at work on something
    s3.client().create_multipart_upload(Bucket=bucket, Key=theirs)
    part = faults.delay(3, path="partNumber=7")
    one.destroy(sandbox_id)
    wait_for("the middle", lambda: part.hits > 0, 60)
    kill(one)
    faults.heal()
    wait_until_saved(one)
    assert one.run(one.create()["sandbox_id"], "sha256sum large", timeout=60)["stdout"] == wanted
    # Parts of an upload that nobody will ever finish would cost money for ever.
    left = s3.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    assert [upload["Key"] for upload in left] == [theirs]
