"""A home with everything in it comes back as it was, on another orchestrator with another disk."""
import base64
import time

import pytest
from orchestrator import Orchestrator, wait_for

pytestmark = pytest.mark.integration

FILL = r"""
set -e
umask 022
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
python3 - <<'END'
import os, random
chance = random.Random(5)
for n in range(2000):
    folder = "tree/%02d/%d" % (n % 40, n % 7)
    os.makedirs(folder, exist_ok=True)
    path = "%s/file-%d" % (folder, n)
    with open(path, "wb") as f:
        f.write(chance.randbytes(chance.choice([0, 1, 50, 4096, 20000])))
    os.chmod(path, chance.choice([0o644, 0o600, 0o755, 0o400, 0o000, 0o6755, 0o1644]))
    os.utime(path, ns=(0, chance.randrange(1, 1 << 60)))
odd = [b"\xc3\xbcml\xc3\xa4ut", b"u\xcc\x88 composed", "日本語".encode(), b"\xff\xfe",
       b"line\nbreak", b" blank", b"blank ", b"dot.", b"...", b"back\\slash", b"quo\"te'",
       b"%41", b"a%2Fb", b"=mx=a",
       b"a:b", b"*?[x]", b"-rf", b"#x", b"a;b&c", b"\x01\x7f", b"CON", b"x" * 255,
       "\u201bquoted".encode(), "\U0001f600".encode(), b"tab\t", b"~", b"$HOME",
       b"a" * 250 + b".txt"]
os.makedirs(b"odd")
for name in odd:
    with open(b"odd/" + name, "wb") as f:
        f.write(name)
for name in (b"folder ", b"fol\nder", b"\xfe\xff", "пусто".encode()):
    os.makedirs(b"odd folders/" + name + b"/empty")
    with open(b"odd folders/" + name + b"/file", "wb") as f:
        f.write(name)
os.symlink(b"\xff-target\n", b"odd/link")
END
mkdir -p empty/a/b/c; chmod 0700 empty/a; chmod 01777 empty/a/b; chmod 02775 empty/a/b/c
mkdir links; cd links
ln -s ../tree/00/0/file-0 file; ln -s ../tree folder; ln -s /nowhere dangling; ln -s /etc/passwd out
ln -s loop loop; ln -s . here; touch -h -d '2001-02-03 04:05:06.123456789 UTC' dangling
cd ..
git init -q repository; cd repository
for n in 1 2 3; do echo $n >file$n; git add .; git commit -q -m $n; git tag v$n; done
git checkout -q -b other; git rm -q file1; git commit -q -m gone; git gc -q; echo x >untracked
cd ..
python3 -m venv venv; venv/bin/python -c 'import sys; assert sys.prefix.endswith("/venv")'
head -c 220000000 /dev/urandom >large; echo now >.profile; touch -d '1999-01-01 UTC' tree/00
ln large hard-link
find . -name __pycache__ -prune -exec rm -r {} +
sudo sh -c 'mkdir root; echo r >root/file; chmod 600 root/file; chmod 700 root; chown 33:44 root'
sync
"""
SHOW = r"""
set -e
sudo find . -mindepth 1 -printf '%y %m %U:%G %T@ %s %p -> %l\n' \
  | sed 's/^\(d .*\) [0-9]* \./\1 ./' \
  | sort >/tmp/listing
sudo find . -type f -print0 | sort -z | sudo xargs -0 sha256sum -z | tr '\0' '\n' >>/tmp/listing
wc -l </tmp/listing; sha256sum </tmp/listing
"""


def listing(one, sandbox_id):
    """Its sum, and a way to see it: as a whole it is longer than an answer may be."""
    done = one.run(sandbox_id, SHOW, timeout=120)
    assert done["exit_code"] == 0, done
    lines, checksum = done["stdout"].split()[:2]
    assert int(lines) > 5000
    text = "".join(one.run(sandbox_id, f"tail -c +{begin + 1} /tmp/listing | head -c 400000 | "
                           "base64 -w0")["stdout"] + "\n" for begin in range(0, 4_000_000, 400_000))
    return checksum, text


def differing(before, after):
    old, new = ({line for part in text.split() for line in base64.b64decode(part).split(b"\n")}
                for text in (before, after))
    return sorted(old ^ new)[:20]


def test_everything_comes_back_elsewhere(own, s3):
    settings = s3.settings()
    one = own(**settings).start()
    first = one.create()["sandbox_id"]
    done = one.run(first, FILL, timeout=240)
    assert done["exit_code"] == 0, done
    before, seen = listing(one, first)
    assert one.destroy(first).status_code == 204
    row = wait_for("the home in the storage", lambda: (r := one.row(first))["storage_state"]
                   == "saved" and r, 120)
    assert not row.get("storage_detail")
    one.stop()
    two = own(**settings).start()
    assert two.data != one.data
    second = two.create()["sandbox_id"]
    after, seen_then = listing(two, second)
    assert after == before, differing(seen, seen_then)
    checks = ("cd repository && git status --porcelain && git fsck --strict && "
              "git log --oneline | wc -l && ../venv/bin/python -c 'import sys; print(sys.prefix)'")
    assert two.run(second, checks)["stdout"] == "?? untracked\n4\n/home/agent/venv\n"
    assert "Uploads" not in s3.client().list_multipart_uploads(
        Bucket=settings["MATRX_S3_BUCKET"])


# --- Changes that are hard to see ---

CHANGES = {
    "a link made anew": ("ln -s a link; touch -h -d 2001-01-01 link",
                         "touch -h -d 2002-02-02 link"),
    "a file in the place of another of the same size and time":
        ("echo one >a; echo two >b; touch -d 2001-01-01 a b", "mv a b"),
    "a content with the old time": ("echo one >a; touch -d 2001-01-01 a",
                                    "echo two >a; touch -d 2001-01-01 a"),
    "a time alone": ("echo one >a; touch -d 2001-01-01 a", "touch -d 2002-02-02 a"),
    "a mode alone": ("echo one >a; mkdir b", "chmod 700 a b"),
    "an owner alone": ("echo one >a; mkdir b", "sudo chown 33:44 a b"),
    "a link for a file": ("echo one >a", "rm a; ln -s x a"),
    "a file for a folder": ("mkdir -p a/b; echo x >a/b/c", "rm -r a; echo x >a"),
    "a folder for a link": ("ln -s x a", "rm a; mkdir a; echo x >a/b"),
    "case alone": ("echo one >Name", "mv Name name"),
    "the last file": ("echo one >a", "rm a"),
}


@pytest.fixture(scope="module")
def keeper(s3):
    one = Orchestrator(**s3.settings()).start()
    yield one
    one.close()


@pytest.mark.parametrize("what", list(CHANGES))
def test_a_change_is_seen(keeper, what):
    """Each in a sandbox that has found the home as the one before has left it."""
    user = "user-" + "-".join(what.split())
    show = ("sudo find . -mindepth 1 -printf '%y %m %U:%G %T@ %p -> %l\\n' | sort; "
            "sudo find . -type f -print0 | sort -z | sudo xargs -r0 sha256sum")
    for command in CHANGES[what]:
        sandbox_id = keeper.create(user_id=user)["sandbox_id"]
        done = keeper.run(sandbox_id, f"set -e; {command}; {show}")
        assert done["exit_code"] == 0, done
        keeper.destroy(sandbox_id)
        assert keeper.row(sandbox_id)["storage_state"] == "saved"
        sandbox_id = keeper.create(user_id=user)["sandbox_id"]
        assert keeper.run(sandbox_id, show)["stdout"] == done["stdout"]
        keeper.destroy(sandbox_id)


def test_a_home_at_rest_is_not_sent_for_ever(own, s3, faults):
    """Whatever is in it: once it is in the storage, a checkpoint does not ask the store again."""
    one = own(**s3.settings(url=faults.url), MATRX_HOT_SYNC_INTERVAL_SECONDS="1").start()
    first = one.create()["sandbox_id"]
    one.run(first, "ln -s a link; mkdir -p b/c; echo x >b/c/d; chmod 4711 b/c/d")
    one.destroy(first)
    second = one.create()["sandbox_id"]
    one.run(second, "touch -h link; touch b b/c b/c/d; chmod 700 b")
    wait_for("a checkpoint", lambda: '"checkpoint"' in one.log())
    wait_for("silence", lambda: silent(one, 4))


def silent(one, seconds):
    before = one.log().count('"checkpoint"')
    time.sleep(seconds)
    return one.log().count('"checkpoint"') == before
