"""The host loses power: what its disk had at that moment is all that the next start finds.

The data folder lies on a file system in a file. While programs write to their homes, everything that may write is
killed, and the file is copied: without what the kernel still held in memory. The orchestrator then starts on the copy,
as after a boot. Nothing that the storage had may be gone or replaced by less.
"""
import os
import random
import shutil
import subprocess
import time

import pytest
from conftest import LOGS
from orchestrator import Orchestrator, docker, wait_for

ROUNDS = int(os.environ.get("MATRX_POWER_LOSSES", "200"))
SEED = int(os.environ.get("MATRX_FAULT_SEED", str(random.randrange(10**6))))
USERS = ["ada", "bob", "eve"]

# Each file is of a version, and tells whether it is whole: its bytes follow from name and version.
PROGRAM = r"""
import os, random, sys, time

def content(name, version):
    chance = random.Random(f"{name}-{version}")
    size = chance.choice([1, 100, 5000, 30000, 60000])
    return f"{version:08d}\n".encode() + chance.randbytes(size)

def version_of(name, found):
    try:
        version = int(found[:8])
    except ValueError:
        return -1
    return version if found == content(name, version) else -1

def show():
    found = {}
    for folder, _, files in os.walk("."):
        for name in files:
            path = os.path.relpath(os.path.join(folder, name), ".")
            with open(path, "rb") as file:
                found[path] = version_of(path.split(".conflict-")[0], file.read())
    return found

def work(seed):
    chance, version = random.Random(seed), max([0, *show().values()])
    while True:
        version += 1
        name = chance.choice(["", "d/", "d/e/"]) + chance.choice("klmnopqr")
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        style = chance.randrange(6)
        if style == 0 and os.path.exists(name):
            os.unlink(name)
        elif style == 1:
            with open("part", "wb") as file:
                file.write(content(name, version))
            os.rename("part", name)
        elif style == 2:
            with open(name, "wb", 0) as file:
                file.write(content(name, version))
                os.fsync(file.fileno())
        else:
            with open(name, "wb", 0) as file:
                file.write(content(name, version))
        time.sleep(chance.choice([0, 0, 0.01, 0.3]))

if sys.argv[1:2] == ["work"]:
    work(sys.argv[2])
"""
program = {}
exec(PROGRAM, program)  # the test reads files as the program writes them
version_of = program["version_of"]


class Powered(Orchestrator):
    """One whose data folder lies on a disk of its own, and who believes in a boot of its own."""

    def __init__(self, **settings):
        super().__init__(MATRX_HOT_SYNC_INTERVAL_SECONDS="1", **settings)
        self.boot = 0
        self.disk = self.data / "disk-0"
        self.elsewhere = self.s3 = self.bucket = None  # what is the storage, if not a folder of that disk
        subprocess.run(["truncate", "-s", "300M", self.disk], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.disk], check=True)

    def command(self, *arguments):
        boot = self.data / "boot"
        boot.write_text(f"00000000-0000-4000-8000-{self.boot:012d}\n")
        return ["unshare", "-m", "--propagation", "slave", "sh", "-c",
                'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"', str(boot),
                *super().command(*arguments)]

    def mount(self):
        point = self.data / "data"
        point.mkdir(exist_ok=True)
        subprocess.run(["mount", "-o", "loop", self.disk, point], check=True)
        if self.elsewhere:
            (point / "storage").mkdir(exist_ok=True)
            subprocess.run(["mount", "--bind", self.elsewhere, point / "storage"], check=True)

    def unmount(self):
        if self.elsewhere:
            subprocess.run(["umount", "-l", self.data / "data/storage"], check=True)
        subprocess.run(["umount", "-l", self.data / "data"], check=True)

    def lose_power(self):
        """All that writes ends at once; the disk keeps what it has, and the next boot begins."""
        containers = self.containers()
        self.kill9()
        docker("kill", *containers)
        self.boot += 1
        after = self.data / f"disk-{self.boot}"
        subprocess.run(["cp", "--sparse=always", self.disk, after], check=True)
        docker("rm", "-f", *containers)
        self.unmount()
        self.disk.unlink()
        self.disk = after
        self.mount()


def stored_files(one):
    """What the storage has: user → path → content."""
    if one.bucket:
        return {user: one.s3.read_all(one.bucket, f"users/{user}/hot/") for user in USERS}
    found = {}
    for user in USERS:
        top = one.data / "data/storage/users" / user / "hot"
        found[user] = {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*")
                       if path.is_file() and not path.name.startswith(".matrx-part-")}
    return found


def check_nothing_lost(before, after):
    """Each content is there, and under its name nothing older is."""
    for user, files in before.items():
        kept = set(after[user].values())
        for path, content in files.items():
            assert path in after[user], f"{user}: {path} is gone"
            assert content in kept or not content, f"{user}: {path} has lost {len(content)} bytes"
            name, now = path.split(".conflict-")[0], after[user][path]
            had, has = version_of(name, content), version_of(name, now)
            assert content == now or has == -1 or has > had, f"{user}: {path} went from version {had} to {has}"


def lose_power_often(one, rounds, tell):
    chance = random.Random(SEED)
    compared = 0
    for number in range(1, rounds + 1):
        one.start()
        boxes = [one.create(user_id=user)["sandbox_id"] for user in USERS]
        for box in boxes:
            work = ["sh", "-c", 'cd ~ && rm -rf *.conflict-* && exec python3 -c "$1" work "$2"', "sh", PROGRAM,
                    str(chance.random())]
            started = one.request("POST", f"/sandboxes/{box}/processes", json={"argv": work})
            assert started.status_code == 201, started.text
        time.sleep(chance.uniform(0.2, 5))
        one.lose_power()
        before = stored_files(one)
        one.start()
        wait_for("all homes saved", lambda: [row for row in one.rows() if row["sandbox_id"] in boxes and
                                             row["storage_state"] != "saved"] == [], 60)
        after = stored_files(one)
        check_nothing_lost(before, after)
        compared += sum(len(content) for files in before.values() for content in files.values())
        one.stop()
        tell(f"{number}: {compared} bytes compared, {sum(map(len, after.values()))} files")
    return compared


@pytest.fixture
def powered(request):
    made = []

    def make(where):
        s3 = request.getfixturevalue("s3") if where == "S3" else None
        bucket = s3.new_bucket() if s3 else None
        one = Powered(**({**s3.settings(bucket), "MATRX_COLD_DRIVER": "off"} if s3 else {}))
        made.append(one)
        one.s3, one.bucket = s3, bucket
        if where == "another disk":
            one.elsewhere = one.data / "elsewhere"
            one.elsewhere.mkdir()
        one.mount()
        return one

    yield make
    for one in made:
        if getattr(request.node, "has_failed", False) and one.log_path.exists():
            LOGS.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(one.log_path, LOGS / "power-loss.log")
        one.close()


@pytest.mark.integration
@pytest.mark.parametrize("where", ["the same disk", "another disk"])
def test_a_power_loss_takes_nothing_from_the_storage(powered, where):
    assert lose_power_often(powered(where), 2, print) > 0, f"nothing was compared; seed {SEED}"


@pytest.mark.faults
@pytest.mark.parametrize("where", ["the same disk", "another disk", "S3"])
def test_many_power_losses(powered, where, capsys):
    def tell(line):
        with capsys.disabled():
            print(f"    {where}, {line}", flush=True)

    assert lose_power_often(powered(where), ROUNDS // 3 + 1, tell) > 0, f"nothing was compared; seed {SEED}"
