"""Homes made to hurt: whatever is in one, the orchestrator lives and the user is told."""
import json
import pathlib
import time

import pytest
from orchestrator import Orchestrator, wait_for

pytestmark = pytest.mark.faults
SETTINGS = {"MATRX_HOT_SYNC_INTERVAL_SECONDS": "1", "MATRX_SHUTDOWN_TIMEOUT_SECONDS": "5",
            "MATRX_HOT_SIZE_LIMIT": "200m"}
MEMORY_KB_MAX = 300 * 1024
LARGE = 1 << 20


@pytest.fixture(scope="module", params=["local disk", "S3"])
def host(request):
    """One orchestrator for all of them: none may spoil it for the next."""
    settings = request.getfixturevalue("s3").settings() if request.param == "S3" else {}
    one = Orchestrator(**settings, **SETTINGS).start()

    def stored():
        """The bytes of everything that the storage has, manifests included, but large files."""
        if settings:
            client, bucket = request.getfixturevalue("s3").client(), settings["MATRX_S3_BUCKET"]
            for key, size in request.getfixturevalue("s3").keys(bucket).items():
                if size < LARGE:
                    yield key, client.get_object(Bucket=bucket, Key=key)["Body"].read()
        else:
            for path in (one.data / "data/storage").rglob("*"):
                if path.is_file() and not path.is_symlink() and path.stat().st_size < LARGE:
                    yield path, path.read_bytes()

    one.stored = stored
    yield one
    one.close()


def healthy(one):
    assert one.request("GET", "/health", timeout=2).status_code == 200
    assert one.memory_kb() < MEMORY_KB_MAX
    return True


def life(one, user, program, timeout=60):
    """A sandbox in which the program ran; answers its id, its output and its row at the end."""
    sandbox_id = one.create(user_id=user)["sandbox_id"]
    done = one.run(sandbox_id, "python3 -", stdin="import os\nos.chdir('/home/agent')\n" + program,
                   timeout=timeout)
    assert done["exit_code"] == 0, done["stderr"][-2000:]
    healthy(one)
    assert one.destroy(sandbox_id).status_code == 204
    row = wait_for("a state", lambda: healthy(one) and (r := one.row(sandbox_id))
                   and (r["storage_state"] == "saved" or r.get("storage_detail")) and r, 60)
    assert row["status"] == "stopped"
    return sandbox_id, done["stdout"], row


def again(one, user, command):
    sandbox_id = one.create(user_id=user)["sandbox_id"]
    shown = one.run(sandbox_id, command, timeout=60)["stdout"]
    healthy(one)
    one.destroy(sandbox_id, "?graceful=false")
    return shown


def test_a_path_that_is_longer_than_any_path(host):
    _, _, row = life(host, "deep", """
for n in range(5000):
    os.mkdir("d")
    os.chdir("d")
open("treasure", "w").close()
""")
    assert row["storage_state"] == "saved"
    assert "could not be kept" in row["storage_detail"]
    depth = again(host, "deep", "find . -type d | wc -l")
    assert 1000 < int(depth) < 5000
    assert "home left on the disk" not in host.log()


def test_a_file_that_grows_without_end(host):
    sandbox_id = host.create(user_id="growing")["sandbox_id"]
    host.run(sandbox_id, "(while :; do head -c 1000000 /dev/zero >>log; sleep 0.02; done "
                         ">/dev/null 2>&1 &)")
    told = wait_for("the row to tell", lambda: healthy(host)
                    and host.row(sandbox_id).get("storage_detail"), 60)
    assert "209715200 bytes" in told
    host.destroy(sandbox_id)
    row = host.row(sandbox_id)
    assert (row["status"], row["storage_state"]) == ("stopped", "pending")
    assert "209715200 bytes" in row["storage_detail"]


def test_a_file_that_grows_is_kept_as_it_was_at_some_time(host):
    sandbox_id = host.create(user_id="grower")["sandbox_id"]
    host.run(sandbox_id, "(n=0; while :; do n=$((n+1)); printf '%08d\\n' $n >>log; done "
                         ">/dev/null 2>&1 &)")
    wait_for("a checkpoint", lambda: synced(host, sandbox_id, "checkpoint"))
    host.destroy(sandbox_id)
    lines = again(host, "grower", "cat log | awk '$1 != NR {exit 1} END {print NR}'")
    assert int(lines) > 100


def synced(one, sandbox_id, direction):
    return [line for line in map(json.loads, one.log().splitlines())
            if line["message"] == "home synced" and line["sandbox_id"] == sandbox_id
            and line["direction"] == direction]


@pytest.mark.integration
def test_what_is_no_file(host):
    _, output, row = life(host, "nodes", """
import socket, stat, subprocess
os.mkfifo("fifo")
socket.socket(socket.AF_UNIX).bind("socket")
made = 2
for command in ("mknod null c 1 3", "mknod disk b 8 0"):
    made += subprocess.run(["sudo", *command.split()], stderr=subprocess.DEVNULL).returncode == 0
open("file", "w").write("x")
print(made)
""")
    assert row["storage_state"] == "saved"
    assert f"{output.strip()} entries of the home could not be kept" in row["storage_detail"]
    assert again(host, "nodes", "find . -mindepth 1") == "./file\n"


@pytest.mark.integration
def test_names_with_everything_in_them(host):
    _, output, row = life(host, "names", r"""
names = [bytes([n]) for n in range(1, 256) if n not in b"./"]
names += [b"a\nb", b"\n", b"-rf", b"..a", b"...", b"{", b"**", b"- x", b"+ x", b"#x", b"; x",
          b"! x",
          b"%00", b"%2e%2e%2f", b"x" * 255, b"\xff" * 255, b"\n" * 255]
names = set(names)
for name in names:
    open(name, "w").write("x")
print(len(names))
""")
    count = int(again(host, "names", "find . -type f -printf x | wc -c"))
    lost = int(output) - count
    assert row["storage_state"] == "saved"
    assert lost <= 2  # names that would be longer than a key's part may be
    if lost:
        assert f"{lost} entries of the home could not be kept" in row["storage_detail"]


def test_a_farm_of_hard_links(host):
    life(host, "farm", """
open("one", "wb").write(b"x" * 100_000)
for n in range(200):
    os.link("one", "link-%d" % n)
""")
    shown = again(host, "farm", "cat * | sha256sum; ls | wc -l; head -c 20100000 /dev/zero | "
                                "tr '\\0' x | sha256sum")
    first, _, count, second, _ = shown.split()
    assert count == "201" and first == second


SWAPS = """
import shutil, time
until = time.time() + 4
os.makedirs("a/b/c", exist_ok=True)
for n in range(300):
    open("a/b/c/shadow%d" % n, "w").write("mine")
targets = ["/etc", "/proc/self/root/etc", "/home", "/run/matrx", "../../..", "/root", "/dev"]
turn = 0
while time.time() < until:
    turn += 1
    os.rename("a/b", "aside")
    os.symlink(targets[turn % len(targets)], "a/b")
    os.unlink("a/b")
    os.rename("aside", "a/b")
    os.rename("a/b/c/shadow1", "kept")
    os.symlink("/etc/shadow", "a/b/c/shadow1")
    os.unlink("a/b/c/shadow1")
    os.rename("kept", "a/b/c/shadow1")
print(turn)
"""


def test_swaps_under_a_checkpoint(host):
    sandbox_id, turns, row = life(host, "swaps", SWAPS)
    assert int(turns) > 500 and synced(host, sandbox_id, "checkpoint")
    assert row["storage_state"] == "saved"
    shown = again(host, "swaps", "find . -type f | sed 's/[0-9]*$//' | sort | uniq -c; "
                                 "find . -type f -exec cat {} + | sed 's/mine//g'")
    assert shown == "    300 ./a/b/c/shadow\n"


@pytest.mark.integration
def test_permissions_that_forbid_everything(host):
    _, _, row = life(host, "shut", """
os.makedirs("shut/in"); open("shut/in/file", "w").write("x")
os.chmod("shut/in/file", 0); os.chmod("shut/in", 0); os.chmod("shut", 0)
""")
    assert row["storage_state"] == "saved" and not row.get("storage_detail")
    shown = again(host, "shut", "sudo find shut -printf '%m %U %p\\n'; sudo cat shut/in/file")
    assert shown == "0 1000 shut\n0 1000 shut/in\n0 1000 shut/in/file\nx"


def test_a_home_that_was_taken_away(host):
    """Its owner may do what he likes with the folder itself."""
    _, _, row = life(host, "bare", "open('x', 'w').close(); os.chmod('.', 0)")
    assert row["storage_state"] == "saved"
    assert again(host, "bare", "ls -A") == "x\n"


@pytest.mark.integration
def test_a_sparse_file_counts_what_it_uses(host):
    sandbox_id, _, row = life(host, "sparse", """
for name, size in ("huge", 1 << 42), ("modest", 50_000_000):
    file = os.open(name, os.O_CREAT | os.O_RDWR)
    os.write(file, b"begin")
    os.truncate(file, size)
""")
    shown = dict(line.split()[::-1] for line in again(
        host, "sparse", "stat -c '%b %n' *; head -c 5 modest").splitlines() if " " in line)
    assert int(shown["modest"]) * 512 < 1_000_000  # it comes back with its holes
    if row["storage_state"] == "saved":
        assert int(shown["huge"]) * 512 < 1_000_000
        return
    # Where holes are kept as zeros: told, and its user is not locked out.
    assert "bytes of holes" in row["storage_detail"] and "huge" not in shown
    assert host.request("DELETE", f"/sandboxes/{sandbox_id}/home").status_code == 204


LEASES = """
import fcntl, signal, sys
if os.fork():
    sys.exit()
os.close(0); os.close(1); os.close(2)
signal.signal(signal.SIGIO, signal.SIG_IGN)
files = [os.open("leased%d" % n, os.O_CREAT | os.O_RDWR) for n in range(20)]
for file in files:
    os.write(file, b"x")
    fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
open("ready", "w").close()
signal.pause()
"""


@pytest.mark.integration
def test_leases_cost_their_own_sandbox_only(host):
    sandbox_id = host.create(user_id="lessee")["sandbox_id"]
    host.run(sandbox_id, "python3 -", stdin="import os\nos.chdir('/home/agent')\n" + LEASES)
    host.run(sandbox_id, "until test -e ready; do sleep 0.1; done")
    told = wait_for("the row to tell", lambda: healthy(host)
                    and host.row(sandbox_id).get("storage_detail"), 60)
    assert "held by programs" in told
    assert host.destroy(sandbox_id).status_code == 204
    wait_for("saved", lambda: host.row(sandbox_id)["storage_state"] == "saved", 60)
    assert again(host, "lessee", "cat leased*") == "x" * 20


def test_nothing_of_the_host_is_in_any_home(host):
    """After all of the above."""
    lines = {line for name in ("/etc/passwd", "/etc/shadow", "/etc/hostname")
             for line in pathlib.Path(name).read_bytes().splitlines() if len(line) > 12}
    looked_at = 0
    for name, content in host.stored():
        looked_at += 1
        assert not any(line in content for line in lines), name
    assert looked_at > 300
    healthy(host)


@pytest.mark.parametrize("where", ["local disk", "S3"])
def test_a_hundred_thousand_empty_files(own, request, where):
    bucket = request.getfixturevalue("s3").settings() if where == "S3" else {}
    one = own(**bucket, MATRX_SHUTDOWN_TIMEOUT_SECONDS="5").start()
    sandbox_id = one.create(user_id="many")["sandbox_id"]
    one.run(sandbox_id, "cd; mkdir many; cd many; for n in $(seq 100); do mkdir $n; done; "
                        "seq 100000 | awk '{print $1 % 100 + 1 \"/\" $1}' | xargs touch",
            timeout=29)
    began = time.monotonic()
    assert one.destroy(sandbox_id).status_code == 204
    # Meanwhile others are served, and each of them at once.
    slowest = 0
    while one.row(sandbox_id)["storage_state"] != "saved" or slowest == 0:
        healthy(one)
        asked = time.monotonic()
        other = one.request("POST", "/sandboxes", json={"user_id": "other"}, timeout=25)
        assert other.status_code == 201
        one.run(other.json()["sandbox_id"], "echo x >>file")
        assert one.destroy(other.json()["sandbox_id"]).status_code == 204
        wait_for("the other's home", lambda o=other: one.row(o.json()["sandbox_id"])[
            "storage_state"] == "saved", 60)
        slowest = max(slowest, time.monotonic() - asked)
        assert time.monotonic() - began < 1800
    print(f"{where}: saved after {time.monotonic() - began:.0f} s, others' slowest life took "
          f"{slowest:.1f} s, memory at most {one.memory_kb('VmHWM') // 1024} MiB")
    began = time.monotonic()
    made = one.request("POST", "/sandboxes", json={"user_id": "many"}, timeout=1800)
    assert made.status_code == 201, made.text
    count = one.run(made.json()["sandbox_id"], "find many -type f | wc -l")["stdout"]
    peak, now = one.memory_kb("VmHWM"), one.memory_kb()
    print(f"{where}: came down within {time.monotonic() - began:.0f} s, memory at most "
          f"{peak // 1024} MiB, then {now // 1024} MiB")
    assert count == "100000\n"
    assert now <= peak < MEMORY_KB_MAX
