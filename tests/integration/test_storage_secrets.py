"""The storage's credentials are nowhere where a sandbox, or others on the host, could read them."""
import json
import pathlib
import subprocess

import pytest
from orchestrator import docker

pytestmark = pytest.mark.integration

# Prints where one of the words on its input was found; as root, inside.
SEARCH = r"""
import os, stat, sys
words = [line.encode() for line in sys.stdin.read().split()]
seen = 0

def look(path):
    global seen
    try:
        with open(path, "rb", buffering=0) as f:
            seen += 1
            held = b""
            while piece := f.read(1 << 20):
                held = held[-100:] + piece
                if any(word in held for word in words):
                    print("found in", path)
                    return
    except OSError:
        pass

me = str(os.getpid())
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("environ", "cmdline") if pid != me else ():
        look("/proc/%s/%s" % (pid, name))
for name in os.environ.items():
    if any(word in "=".join(name).encode() for word in words):
        print("found in the environment")
for folder, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if os.path.join(folder, f) not in ("/proc", "/sys", "/dev")]
    for name in files:
        path = os.path.join(folder, name)
        if stat.S_ISREG(os.lstat(path).st_mode):
            look(path)
print("looked at", seen)
"""


@pytest.fixture
def life(own, s3):
    """A sandbox of a user who has a home in the bucket."""
    one = own(**s3.settings(), MATRX_HOT_SYNC_INTERVAL_SECONDS="1", MATRX_LOG_LEVEL="DEBUG").start()
    first = one.create()["sandbox_id"]
    one.run(first, "echo work >file")
    one.destroy(first)
    return one, one.create()


def inside(one, sandbox_id, words):
    """The words go in by standard input, so that the search does not find itself."""
    one.run(sandbox_id, "cat >/dev/shm/search.py", stdin=SEARCH, user="root")
    done = one.run(sandbox_id, "python3 /dev/shm/search.py", stdin=" ".join(words), user="root",
                   timeout=300)
    assert done["exit_code"] == 0, done
    *found, looked = done["stdout"].splitlines()
    assert int(looked.split()[-1]) > 1000
    return found


def test_nothing_inside_a_sandbox(life, s3):
    one, sandbox = life
    assert inside(one, sandbox["sandbox_id"], [s3.access_key, s3.secret_key]) == []


def test_the_search_finds_what_is_there(life):
    one, sandbox = life
    sandbox_id = sandbox["sandbox_id"]
    one.run(sandbox_id, "echo x-needle-4711-y >/var/tmp/hidden; chmod 0 /var/tmp/hidden; "
                        "(NEEDLE=needle-4712 sleep 300 >/dev/null 2>&1 &)", user="root")
    found = inside(one, sandbox_id, ["needle-4711", "needle-4712"])
    assert "found in /var/tmp/hidden" in found
    assert [line for line in found if line.endswith("/environ")]


def test_nothing_in_what_the_engine_tells(life, s3):
    one, sandbox = life
    container = sandbox["container_id"]
    image = json.loads(docker("inspect", container))[0]["Image"]
    told = [docker("inspect", container), docker("history", "--no-trunc", image),
            docker("inspect", image), docker("logs", container)]
    assert container in told[0]
    for text in told:
        assert s3.access_key not in text and s3.secret_key not in text


def test_nothing_on_the_host_but_in_the_environment(life, s3):
    one, _ = life
    words = [s3.access_key.encode(), s3.secret_key.encode()]
    command_lines = {path: path.read_bytes() for path in readable("/proc", "[0-9]*/cmdline")}
    assert any(b"rclone" in text and str(one.data).encode() in text
               for text in command_lines.values())
    files = {path: path.read_bytes() for path in readable(one.data, "**/*")}
    assert any(path.name == "rclone.conf" for path in files) and one.log_path in files
    told = [path for path, text in {**command_lines, **files}.items()
            if any(word in text for word in words)]
    assert told == []


def test_rclone_asks_for_a_password_that_is_on_no_command_line(life):
    """Who may run programs on the host, but not as the orchestrator's user, gets no bucket."""
    one, _ = life
    lines = [path.read_bytes().decode() for path in readable("/proc", "[0-9]*/cmdline")]
    line = next(line for line in lines if "rcd" in line and str(one.data) in line)
    address = line.split("--rc-addr\0")[1].split("\0")[0]
    status = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST",
                             f"http://{address}/config/dump"], capture_output=True, text=True,
                            check=True).stdout
    assert address.startswith("127.0.0.1:") and status == "401"
    assert "pass" not in line


def readable(root, pattern):
    """Its files that are still there and have content to be read."""
    for path in pathlib.Path(root).glob(pattern):
        try:
            if path.is_file() and not path.is_symlink():
                path.read_bytes()
                yield path
        except OSError:
            continue
