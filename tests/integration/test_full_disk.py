"""One sandbox fills the disk of the host: it can be ended, the others go on, and a restart works."""
import contextlib
import os
import pathlib
import subprocess
import tempfile

import pytest
from orchestrator import wait_for

pytestmark = pytest.mark.integration
# In the home, which lies on the small disk: never anywhere else.
FILL = "cd /home/agent && test $(stat -fc %b .) -lt 400000 && { dd if=/dev/zero of=fill bs=1M; " \
       "dd if=/dev/zero of=fill-2 bs=1k; true; }"


@contextlib.contextmanager
def ext4_disk(megabytes):
    """A folder on a disk as most hosts have it, which promises nobody anything."""
    folder = tempfile.mkdtemp(prefix="matrx-disk-")
    image = pathlib.Path(folder + ".img")
    with open(image, "wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, folder], check=False, capture_output=True).returncode != 0:
        os.rmdir(folder)
        image.unlink()
        pytest.skip("there are no loop devices here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        os.rmdir(folder)
        image.unlink()


def fill(one, sandbox_id):
    one.run(sandbox_id, FILL, user="root", timeout=120)


def create(one, user):
    return one.request("POST", "/sandboxes", json={"user_id": user})


def test_a_full_disk_to_the_end_and_back(own):
    with ext4_disk(200) as disk:
        # Nobody is ended: what users do must be enough.
        one = own(MATRX_DATA_DIR=disk, MATRX_DISK_END_BELOW="0", MATRX_SHUTDOWN_TIMEOUT_SECONDS="10").start()
        try:
            bad, other = (one.create(user_id=user)["sandbox_id"] for user in ("bad", "other"))
            fill(one, bad)
            assert os.statvfs(disk).f_bavail == 0
            for more in range(100):
                extended = one.request("POST", f"/sandboxes/{other}/extend", json={"ttl_seconds": 8000 + more})
                assert extended.status_code == 200, extended.text
            ready = one.request("GET", "/health/ready")
            assert ready.status_code == 200, ready.text  # the registry can write: it was tried
            refused = wait_for("a create that is refused", lambda: (
                answer := create(one, "new")).status_code == 503 and answer)
            assert refused.json()["code"] == "exhausted" and "room" in refused.json()["detail"], refused.text
            assert "Retry-After" in refused.headers
            one.kill9()
            one.start()
            assert one.run(other, "echo I am here")["stdout"] == "I am here\n"
            assert one.destroy(bad, "?graceful=false").status_code == 204
            wait_for("saved", lambda: one.row(bad)["storage_state"] == "saved")
            assert one.metric("matrx_disk_free_bytes") >= 0 and one.metric("matrx_disk_refused_total") >= 0
            # On this disk is the storage as well: its user's files are what fills it now.
            assert create(one, "new").status_code == 503
            assert one.request("DELETE", "/users/bad/storage").status_code == 200
            new = wait_for("room", lambda: (answer := create(one, "new")).status_code == 201 and answer)
            assert one.destroy(new.json()["sandbox_id"]).status_code == 204
            one.stop()

            # And with the watch, as it is by default: it ends by itself, and says why.
            one.start(MATRX_DISK_END_BELOW="2%", MATRX_DISK_REFUSE_BELOW="5%")
            bad = one.create(user_id="bad")["sandbox_id"]
            one.exec(bad, FILL + "; sleep 60", user="root", timeout=100)
            row = wait_for("its end", lambda: (row := one.row(bad))["status"] == "stopped" and row)
            assert "disk" in row["status_detail"] and row["stop_reason"] == "error", row
            assert one.run(other, "echo I am still here")["stdout"] == "I am still here\n"
            wait_for("saved", lambda: one.row(bad)["storage_state"] == "saved")
            assert one.destroy(other).status_code == 204
        finally:
            for row in one.rows():
                one.destroy(row["sandbox_id"], "?graceful=false")
            one.stop()
