"""deploy/compose, brought up by tools/try-compose.sh with images that were built here: a home's whole way through the
S3 beside it, large files, and sandboxes that outlive the orchestrator's container."""
import hashlib
import os
import pathlib
import subprocess

import boto3
import httpx
import pytest
from botocore.config import Config
from orchestrator import wait_for

KEY = os.environ["MATRX_API_KEY"]
COMPOSE = os.environ["MATRX_TRY_COMPOSE"].split()
DATA = pathlib.Path(os.environ["MATRX_DATA_DIR"])
BUCKET = "matrx-local"


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Site:
    def __init__(self):
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{os.environ['MATRX_PUBLISHED_PORT']}", timeout=60,
                                 headers={"X-API-Key": KEY})
        self.s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{os.environ['LOCALSTACK_PUBLISHED_PORT']}",
                               region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test",
                               config=Config(s3={"addressing_style": "path"}))

    def call(self, method, path, status, **options):
        response = self.http.request(method, path, **options)
        assert response.status_code == status, response.text
        return response.json() if response.content else None

    def create(self, user):
        return self.call("POST", "/sandboxes", 201, json={"user_id": user})["sandbox_id"]

    def destroy(self, sandbox):
        self.call("DELETE", f"/sandboxes/{sandbox}", 204)

    def sh(self, sandbox, command):
        done = self.call("POST", f"/sandboxes/{sandbox}/exec", 200, json={"command": command})
        assert done["exit_code"] == 0, done
        return done["stdout"]

    def ready(self):
        try:
            return self.http.get("/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def keys(self, prefix):
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [one["Key"] for one in listed.get("Contents", [])]


@pytest.fixture(scope="module")
def site():
    return Site()


def test_the_whole_way_of_a_home(site):
    assert httpx.get(site.http.base_url.join("/sandboxes")).status_code == 401
    sandbox = site.create("compose-home")
    site.sh(sandbox, "mkdir -p notes && echo hello >notes/a.txt && head -c 300000 /dev/urandom >data && chmod 600 data")
    digest = site.sh(sandbox, "sha256sum <data")
    site.destroy(sandbox)
    assert site.keys("users/compose-home/hot/")
    row = site.call("GET", f"/sandboxes/{sandbox}", 200)
    assert (row["status"], row["storage_state"]) == ("stopped", "saved")
    assert not list((DATA / "sandboxes").iterdir())

    again = site.create("compose-home")
    assert site.sh(again, "sha256sum <data; cat notes/a.txt; stat -c %a data") == digest + "hello\n600\n"
    site.destroy(again)


def test_large_files_are_seen_in_the_sandbox_and_in_the_bucket(site):
    content = os.urandom(3_000_000)
    site.s3.put_object(Bucket=BUCKET, Key="users/compose-cold/cold/given", Body=content)
    sandbox = site.create("compose-cold")
    assert site.sh(sandbox, "sha256sum </data/cold/given").split()[0] == hashlib.sha256(content).hexdigest()
    site.sh(sandbox, "echo taken >/data/cold/taken")
    site.destroy(sandbox)
    taken = site.s3.get_object(Bucket=BUCKET, Key="users/compose-cold/cold/taken")["Body"].read()
    assert taken == b"taken\n"


def test_sandboxes_outlive_the_orchestrators_container(site):
    sandbox = site.create("compose-restart")
    site.sh(sandbox, "echo here >file")
    container = site.call("GET", f"/sandboxes/{sandbox}", 200)["container_id"]
    before = run("docker", "inspect", "-f", "{{.State.StartedAt}}", container)
    run(*COMPOSE, "restart", "orchestrator")
    wait_for("the orchestrator", site.ready, 120)
    assert site.sh(sandbox, "cat file") == "here\n"
    # A new container of it, as an upgrade makes one.
    run(*COMPOSE, "up", "-d", "--force-recreate", "--no-deps", "orchestrator")
    wait_for("the orchestrator", site.ready, 120)
    assert site.sh(sandbox, "cat file && echo large >/data/cold/file && cat /data/cold/file") == "here\nlarge\n"
    assert run("docker", "inspect", "-f", "{{.State.StartedAt}}", container) == before
    site.destroy(sandbox)


def test_the_container_has_no_more_rights_than_the_file_says(site):
    container = run(*COMPOSE, "ps", "-q", "orchestrator").strip()
    assert run("docker", "inspect", "-f", "{{.State.Health.Status}}", container).strip() in ("healthy", "starting")
    status = run("docker", "exec", container, "cat", "/proc/1/status")
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert lines["NoNewPrivs"] == "1"
    # CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP SYS_ADMIN MKNOD, and no other.
    assert int(lines["CapEff"], 16) == int(lines["CapBnd"], 16) == sum(
        1 << bit for bit in (0, 1, 2, 3, 4, 5, 6, 7, 8, 21, 27))
    # The socket's file itself cannot be replaced.
    mounts = run("docker", "exec", container, "cat", "/proc/self/mountinfo").splitlines()
    socket = [line.split() for line in mounts if line.split()[4].endswith("/docker.sock")]
    assert len(socket) == 1 and "ro" in socket[0][5].split(",")
