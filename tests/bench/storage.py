"""Homes in S3 against `aws s3 sync` on the same server, in turns in one run.

    storage.py --build build/release     prints the table; `make bench` writes it
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
from orchestrator import Orchestrator, wait_for  # noqa: E402
from s3_server import REGION, S3  # noqa: E402

# The same files for both: made from one seed, inside the sandbox and on the host.
MAKE = """
import os, random, sys
kind, chance = sys.argv[1], random.Random(1)
if kind == "small":
    sizes = {"%d/%d" % (n % 20, n): 4096 for n in range(1000)}
elif kind == "large":
    sizes = {"large": 100_000_000}
else:
    sizes = {"%d/%d" % (n % 100, n): 1000 for n in range(10_000)}
if sys.argv[2:] == ["changed"]:
    chance.seed(2)
    sizes = {path: size for n, (path, size) in enumerate(sizes.items()) if n % 100 == 0}
for path, size in sizes.items():
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as f:
        f.write(chance.randbytes(size))
"""
ROUNDS = {"small": 3, "large": 3, "many": 1}


class Aws:
    """Debian's client, as somebody would use it by hand."""

    def __init__(self, s3, folder):
        self.s3, self.folder = s3, folder
        self.target = f"s3://{s3.new_bucket()}/home"
        unwanted = ("AWS_", "PYTHON")
        base = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
        self.environment = {**base, "AWS_ACCESS_KEY_ID": s3.access_key,
                            "AWS_SECRET_ACCESS_KEY": s3.secret_key, "AWS_DEFAULT_REGION": REGION}

    def sync(self, *ways):
        begun = time.perf_counter()
        subprocess.run(["/usr/bin/aws", "--endpoint-url", self.s3.url, "s3", "sync", "--delete",
                        "--only-show-errors", *ways], env=self.environment, check=True)
        return (time.perf_counter() - begun) * 1000

    def up(self):
        return self.sync(self.folder, self.target)

    def down(self):
        with tempfile.TemporaryDirectory() as empty:
            return self.sync(self.target, empty)


class Ours:
    def __init__(self, build, **settings):
        self.one = Orchestrator(pathlib.Path(build).resolve() / "bin/matrx-orchestrator",
                                MATRX_CONTAINER_MEMORY_LIMIT="1g",
                                MATRX_SHUTDOWN_TIMEOUT_SECONDS="20", **settings)
        self.one.start()

    def fill(self, sandbox_id, *arguments):
        done = self.one.run(sandbox_id, "python3 - " + " ".join(arguments), stdin=MAKE, timeout=120)
        assert done["exit_code"] == 0, done

    def took(self, sandbox_id, direction):
        lines = [json.loads(line) for line in self.one.log().splitlines()]
        return next(line["duration_ms"] for line in lines if line["message"] == "home synced"
                    and (line["sandbox_id"], line["direction"]) == (sandbox_id, direction))

    def create(self, user):
        sandbox_id = self.one.create(user_id=user)["sandbox_id"]
        return sandbox_id, self.took(sandbox_id, "down")

    def destroy(self, sandbox_id):
        self.one.destroy(sandbox_id)
        wait_for("saved", lambda: self.one.row(sandbox_id)["storage_state"] == "saved", 300)
        return self.took(sandbox_id, "up")

    def ready_ms(self, user):
        """A new user's sandbox, and the same user's next one: until it may be used."""
        took = []
        for _ in range(2):
            begun = time.perf_counter()
            sandbox_id = self.one.create(user_id=user)["sandbox_id"]
            took.append((time.perf_counter() - begun) * 1000)
            self.one.run(sandbox_id, "mkdir -p a; for n in $(seq 20); do echo $n >a/$n; done")
            self.destroy(sandbox_id)
        return took


def fill_folder(folder, *arguments):
    subprocess.run([sys.executable, "-", *arguments], input=MAKE, text=True, cwd=folder, check=True)


def compare(ours, s3, kind, changes):
    """[(what, ours in ms, aws in ms)]: medians of rounds that take turns."""
    times = {}

    def note(what, mine, theirs):
        times.setdefault(what, ([], []))
        times[what][0].append(mine)
        times[what][1].append(theirs)

    for number in range(ROUNDS[kind]):
        folder = tempfile.mkdtemp(prefix="matrx-bench-")
        try:
            aws, user = Aws(s3, folder), f"{kind}-{number}"
            fill_folder(folder, kind)
            sandbox_id, _ = ours.create(user)
            ours.fill(sandbox_id, kind)
            note("up", ours.destroy(sandbox_id), aws.up())
            sandbox_id, down = ours.create(user)
            note("down", down, aws.down())
            if changes:
                ours.fill(sandbox_id, kind, "changed")
                fill_folder(folder, kind, "changed")
                note("up, 1 % changed", ours.destroy(sandbox_id), aws.up())
            else:
                ours.destroy(sandbox_id)
        finally:
            shutil.rmtree(folder)
    return [(what, statistics.median(a), statistics.median(b)) for what, (a, b) in times.items()]


def report(build):
    s3 = S3()
    try:
        return measure(build, s3)
    finally:
        s3.close()


def measure(build, s3):
    rows = []
    kinds = {"small": ("1,000 × 4 KiB", False), "large": ("1 × 100 MB", False),
             "many": ("10,000 × 1 kB", True)}
    settings = {"disk": {}, "S3": s3.settings()}
    ready = {}
    for name, values in settings.items():
        ours = Ours(build, **values)
        try:
            pairs = [ours.ready_ms(f"user-{random.randrange(1 << 30)}") for _ in range(10)]
            ready[name] = [statistics.median(column) for column in zip(*pairs)]
            for kind, (title, changes) in kinds.items() if name == "S3" else ():
                for what, mine, theirs in compare(ours, s3, kind, changes):
                    print(title, what, round(mine), round(theirs), file=sys.stderr, flush=True)
                    rows.append((f"{title}: {what}", f"{mine:.0f} ms",
                                 f"`aws s3 sync` {theirs:.0f} ms", f"{mine / theirs:.2f}"))
            print(name, ready[name], file=sys.stderr, flush=True)
        finally:
            ours.one.close()
    for column, who in enumerate(("new", "returning")):
        disk, remote = ready["disk"][column], ready["S3"][column]
        rows.append((f"create to ready of a {who} user's sandbox, S3, p50", f"{remote:.0f} ms",
                     f"local disk {disk:.0f} ms", f"{remote / disk:.2f}"))
    lines = ["", "## Homes in S3", "",
             "Whole syncs as the log tells them (\"home synced\": destroy is up, create is down), "
             "and whole runs of", f"`aws s3 sync --delete` on the same server; medians of 3 in turns",
             "(10,000 files: 1). Ready times: 10 users each, whose homes have",
             "20 small files when they return.", "",
             "| what | measured | beside | ratio |", "|---|---|---|---|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release")
    print(report(parser.parse_args().build))
