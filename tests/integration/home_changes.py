"""Random changes of a home, and what is in it: path → kind, mode, time and sha256, or target."""
import json
import time

import httpx
from orchestrator import wait_for
from patience import patience

PROGRAM = r"""
import hashlib, json, os, random, shutil, stat, sys

def show():
    found = {}
    for folder, folders, files in os.walk("."):
        for name in folders + files:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            mode = stat.S_IMODE(info.st_mode)
            if stat.S_ISLNK(info.st_mode):
                found[path] = ["link", os.readlink(path)]
            elif stat.S_ISDIR(info.st_mode):
                found[path] = ["folder", mode, info.st_mtime_ns]
            else:
                with open(path, "rb") as f:
                    sum = hashlib.sha256(f.read()).hexdigest()
                found[path] = ["file", mode, info.st_mtime_ns, sum]
    return found

def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)

def change(seed):
    chance = random.Random(seed)
    def name():
        parts = chance.choice(["", "a/", "a/b/", "c d/", "e/f/g/"])
        return parts + chance.choice("abcdefghij") + chance.choice(["", ".txt", " ö", "\n"])
    def room(path):
        above = os.path.dirname(path)
        while above:
            if os.path.lexists(above) and (os.path.islink(above) or not os.path.isdir(above)):
                os.unlink(above)
            above = os.path.dirname(above)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        remove(path)
    def there():
        return sorted(os.path.join(f, n) for f, d, files in os.walk(".") for n in d + files)
    def write(path, size):
        room(path)
        with open(path, "wb") as f:
            f.write(chance.randbytes(size))
        os.chmod(path, chance.choice([0o600, 0o644, 0o755, 0o400]))
    for _ in range(12):
        kind = chance.randrange(7)
        if kind <= 1:
            write(name(), chance.choice([0, 1, 100, 5000, 70000]))
        elif kind == 2 and (all := there()):
            remove(chance.choice(all))
        elif kind == 3 and (all := there()):
            old, new = chance.choice(all), name()
            if not ("./" + new + "/").startswith(old + "/"):
                above = os.path.dirname(new)
                room(new)
                if os.path.lexists(old):
                    os.rename(old, new)
        elif kind == 4 and (all := [p for p in there() if not os.path.islink(p)]):
            os.chmod(chance.choice(all), chance.choice([0o700, 0o755, 0o711, 0o4755]))
        elif kind == 5:
            path = name()
            room(path)
            os.symlink(chance.choice(["/nowhere", "a/b", "../x y", "."]), path)
        elif kind == 6:
            path = name()
            room(path)
            os.makedirs(path)
    write("large-%d" % (seed % 3), chance.randrange(1 << 20, 5 << 20))

os.umask(0o022)
os.chdir(os.environ["HOME"])
if len(sys.argv) > 1:
    change(int(sys.argv[1]))
print(json.dumps(show()))
"""


def contents(one, sandbox_id, *seed):
    """What is in the home; with a seed: after the changes that follow from it."""
    command = "cat >/tmp/home.py && python3 /tmp/home.py " + " ".join(map(str, seed))
    done = one.run(sandbox_id, command, stdin=PROGRAM, timeout=120)
    assert done["exit_code"] == 0, done["stderr"]
    return json.loads(done["stdout"])


def difference(before, after):
    """For a message: what was, what is, by path."""
    return {path: (before.get(path), after.get(path)) for path in before.keys() | after.keys()
            if before.get(path) != after.get(path)}


def create_in_trouble(one, seconds=180):
    """Tries until it is made: "not now" is a fair answer while the storage does not work."""
    deadline = time.monotonic() + patience(seconds)
    while True:
        answer = one.request("POST", "/sandboxes", json={"user_id": "user-1"}, timeout=120)
        if answer.status_code == 201:
            return answer.json()["sandbox_id"]
        assert answer.status_code == 503 and answer.json()["detail"], answer.text
        assert time.monotonic() < deadline, f"not within {seconds} s: {answer.text}"
        time.sleep(0.1)


def wait_until_saved(one, seconds=120):
    ended = ("stopped", "failed", "expired")

    def unsaved():
        try:
            return [row for row in one.rows() if row["status"] in ended
                    and row["storage_state"] in ("pending", "active")]
        except httpx.HTTPError:
            return ["?"]

    wait_for("every home in the storage", lambda: not unsaved(), seconds)
