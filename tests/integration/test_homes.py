"""Homes that survive their sandboxes."""
import concurrent.futures
import pathlib

import pytest
from orchestrator import wait_for

pytestmark = pytest.mark.integration

FILL = r"""
set -e
umask 022
echo kept >plain; printf 'a\0b' >binary; : >empty
mkdir -p deep/er/est 'odd näme' hollow/inner; echo x >deep/er/est/file
printf y >'odd näme/'$'new\nline'; printf z >$'bytes-\xff\xfe'; echo tmp >left.tmp
mkdir __pycache__; echo c >__pycache__/c.pyc
chmod 4711 plain; chmod 700 deep/er; chmod 1777 hollow
ln -s plain link; ln -s /nowhere/at/all dangling; ln -s deep/er folderlink
sudo sh -c 'echo root >owned; chown 0:0 owned; chmod 600 owned'
touch -h -d '2001-02-03 04:05:06.123456789 UTC' link; touch -d '2002-02-02 02:02:02.5 UTC' binary
touch -d '2003-03-03 03:03:03 UTC' deep
"""
# Every node with all that should survive, as the sandbox itself sees it.
SHOW = ("sudo find . -mindepth 1 -printf '%y %m %U:%G %T@ %p -> %l\\n' | sort; "
        "sudo find . -type f -print0 | sort -z | sudo xargs -0 sha256sum -z | tr '\\0' '\\n'")


@pytest.fixture(params=["local disk", "S3"])
def kept(request, own):
    """Makes orchestrators that keep homes on the local disk, or in a bucket of their own."""
    def make(**settings):
        bucket = {}
        if request.param == "S3":
            s3 = request.getfixturevalue("s3")
            make.s3, make.bucket = s3, s3.new_bucket()
            bucket = s3.settings(make.bucket)
        make.one = own(**bucket, **settings).start()
        return make.one

    def stored(user="user-1"):
        """What the storage has, as somebody else sees it: an S3 client, or the files."""
        if request.param == "S3":
            client, found = make.s3.client(), {}
            prefix = f"users/{user}/hot/"
            for key in make.s3.keys(make.bucket, prefix):
                try:
                    answer = client.get_object(Bucket=make.bucket, Key=key)
                except client.exceptions.NoSuchKey:
                    continue  # deleted since it was listed
                found[key.removeprefix(prefix)] = answer["Body"].read()
            return found
        folder = make.one.data / f"data/storage/users/{user}/hot"
        return {str(path.relative_to(folder)): path.read_bytes()
                for path in folder.rglob("*") if path.is_file()}

    make.stored = stored
    return make


def homes(one):
    folder = one.data / "data/homes"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_home_comes_back_as_it_was(kept):
    one = kept()
    first = one.create()["sandbox_id"]
    assert one.run(first, FILL)["exit_code"] == 0
    before = one.run(first, "rm -rf left.tmp __pycache__; touch -d '2004-04-04 UTC' .; " + SHOW)
    assert before["stdout"].count("\n") >= 25, before
    assert one.destroy(first).status_code == 204
    row = one.row(first)
    assert (row["status"], row["storage_state"]) == ("stopped", "saved")
    assert homes(one) == []
    second = one.create()["sandbox_id"]
    assert one.run(second, SHOW)["stdout"] == before["stdout"]
    # What is deleted stays deleted; another user sees nothing of it.
    one.run(second, "rm -r plain deep link; echo new >fresh")
    one.destroy(second)
    third = one.create()["sandbox_id"]
    assert one.run(third, "ls -d plain deep link fresh 2>/dev/null")["stdout"] == "fresh\n"
    other = one.create(user_id="user-2")["sandbox_id"]
    assert one.run(other, "ls -A")["stdout"] == ""


def test_what_is_not_kept(own):
    one = own(MATRX_HOT_SYNC_EXCLUDE="*.log, node_modules/").start()
    first = one.create()["sandbox_id"]
    one.run(first, "mkdir -p node_modules a/__pycache__; touch a.tmp .DS_Store x.log y node_modules/z "
                   "a/__pycache__/b; mkfifo pipe")
    one.destroy(first)
    assert "1 entries of the home could not be kept" in one.row(first)["storage_detail"]
    second = one.create()["sandbox_id"]
    assert one.run(second, "find . -mindepth 1 | sort")["stdout"] == "./a\n./y\n"


def test_a_checkpoint_survives_the_loss_of_host_and_home(kept):
    one = kept(MATRX_HOT_SYNC_INTERVAL_SECONDS="1")
    first = one.create()["sandbox_id"]
    one.run(first, "echo work >file")
    wait_for("a checkpoint", lambda: kept.stored() == {"file": b"work\n"})
    one.run(first, "rm file; echo more >other")
    wait_for("the next", lambda: kept.stored() == {"other": b"more\n"})


def test_two_sandboxes_of_one_user_lose_nothing(kept):
    one = kept()
    a, b = one.create()["sandbox_id"], one.create()["sandbox_id"]
    one.run(a, "echo from a >file; echo a >only-a")
    one.run(b, "echo from b >file; echo b >only-b")
    one.destroy(a)
    one.destroy(b)
    after = one.create()["sandbox_id"]
    assert one.run(after, "head *")["stdout"].split("\n\n") == [
        "==> file <==\nfrom b", f"==> file.conflict-{a} <==\nfrom a",
        "==> only-a <==\na", "==> only-b <==\nb\n"]


def test_a_container_that_dies_loses_nothing(kept):
    one = kept()
    first = one.create()["sandbox_id"]
    one.run(first, "echo work >file")
    one.docker("kill", "matrx-" + first)
    wait_for("saved", lambda: one.row(first)["storage_state"] == "saved")
    assert one.row(first)["stop_reason"] == "lost"
    second = one.create()["sandbox_id"]
    assert one.run(second, "cat file")["stdout"] == "work\n"


def test_an_orchestrator_that_dies_loses_nothing(kept):
    one = kept()
    first = one.create()["sandbox_id"]
    one.run(first, "echo work >file")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(one.destroy, first)
        wait_for("the stop", lambda: one.row(first)["status"] != "running")
        one.kill9()
    one.start()
    wait_for("saved", lambda: one.row(first)["storage_state"] == "saved")
    second = one.create()["sandbox_id"]
    assert one.run(second, "cat file")["stdout"] == "work\n"
    wait_for("a free disk", lambda: homes(one) == [second])


def test_a_registry_in_memory_forgets_no_home(kept):
    one = kept(MATRX_SANDBOX_STORE="memory")
    gone, lives = one.create()["sandbox_id"], one.create(user_id="user-2")["sandbox_id"]
    for box in (gone, lives):
        one.run(box, "echo work >file")
    one.kill9()
    one.docker("rm", "-f", "matrx-" + gone)
    one.start()
    again = one.create()["sandbox_id"]
    assert one.run(again, "cat file")["stdout"] == "work\n"
    wait_for("the disk", lambda: gone not in homes(one))
    assert kept.stored() == {"file": b"work\n"}
    # The other one's programs still run.
    assert one.container_names()["matrx-" + lives] == "running"
    assert lives in homes(one) and kept.stored("user-2") == {}
    one.docker("rm", "-f", "matrx-" + lives)
    wait_for("saved", lambda: kept.stored("user-2") == {"file": b"work\n"}, 60)
    wait_for("the disk", lambda: lives not in homes(one))


def test_a_home_that_is_too_large_is_told(own):
    one = own(MATRX_HOT_SIZE_LIMIT="1m", MATRX_HOT_SYNC_INTERVAL_SECONDS="1").start()
    first = one.create()["sandbox_id"]
    one.run(first, "head -c 2000000 /dev/zero >large; echo small >small")
    told = wait_for("the row to tell", lambda: one.row(first).get("storage_detail"))
    assert "more than 1048576 bytes" in told
    one.destroy(first)
    row = one.row(first)
    assert (row["status"], row["storage_state"]) == ("stopped", "pending")
    assert homes(one) == [first]  # nothing is thrown away
    # Its user goes on with what fits. Of many such homes one has to be given up first.
    others = [one.create()["sandbox_id"]]
    assert one.run(others[0], "ls")["stdout"] == "small\n"
    one.run(others[0], "head -c 2000000 /dev/zero >large-too")
    one.destroy(others[0])
    others += [one.create()["sandbox_id"]]
    one.run(others[1], "head -c 2000000 /dev/zero >large-as-well")
    one.destroy(others[1])
    refused = one.request("POST", "/sandboxes", json={"user_id": "user-1"})
    assert (refused.status_code, refused.json()["code"]) == (409, "home_not_saved")
    kept = one.request("DELETE", "/users/user-1/storage")
    assert (kept.status_code, kept.json()["code"]) == (409, "home_not_saved")
    for other in others:
        assert one.request("DELETE", f"/sandboxes/{other}/home").status_code == 204
        assert one.row(other)["storage_state"] == "none"
    assert homes(one) == [first]
    # The operator raises the limit: it is saved by itself.
    one.stop()
    one.settings["MATRX_HOT_SIZE_LIMIT"] = "10m"
    one.start()
    wait_for("saved", lambda: one.row(first)["storage_state"] == "saved")
    second = one.create()["sandbox_id"]
    assert one.run(second, "stat -c %s large; cat small")["stdout"] == "2000000\nsmall\n"


HOSTILE = r"""
import os, pathlib, socket, threading, time
os.chdir("/home/agent")
os.makedirs("d", exist_ok=True)
pathlib.Path("d/passwd").write_text("mine")
pathlib.Path("real").mkdir(exist_ok=True); pathlib.Path("real/passwd").write_text("mine")
if not os.path.exists("fifo"): os.mkfifo("fifo")
socket.socket(socket.AF_UNIX).bind("sock-%d" % os.getpid())
for n in range(200):
    try: os.link("d/passwd", "hard-%d" % n)
    except FileExistsError: pass
until = time.time() + 6
i = 0
while time.time() < until:
    i += 1
    try:
        os.rename("d", "away"); os.symlink("/etc", "d"); open("d-seen", "w").write(str(i))
        os.unlink("d"); os.rename("away", "d")
        os.unlink("d/passwd"); os.symlink("/etc/passwd", "d/passwd"); os.unlink("d/passwd")
        pathlib.Path("d/passwd").write_text("mine")
        with open("growing", "ab") as f: f.write(b"x" * 65536)
    except OSError: pass
"""


def test_a_hostile_home_gets_nothing_of_the_host(kept):
    one = kept(MATRX_HOT_SYNC_INTERVAL_SECONDS="1")
    first = one.create()["sandbox_id"]
    one.run(first, "cat >/tmp/hostile.py", stdin=HOSTILE)
    one.run(first, "python3 /tmp/hostile.py", timeout=60)
    one.destroy(first)
    assert one.row(first)["storage_state"] == "saved"
    text = b"".join(kept.stored().values())
    assert pathlib.Path("/etc/passwd").read_bytes().split(b"\n")[0] not in text
    assert one.request("GET", "/health").status_code == 200
