"""Files of a sandbox over the API: each operation, odd names, bad input, large ones, archives, watching."""
import concurrent.futures
import gzip
import hashlib
import io
import os
import random
import tarfile
import time

import httpx
import pytest
from inside import MEGA, EventStream, Files, Peak, agent_pid, pieces, raw, read_all
from orchestrator import KEY, wait_for
from patience import patience

pytestmark = pytest.mark.integration

LARGE_BYTES = int(os.environ.get("MATRX_LARGE_BYTES", 256 * MEGA))
FLAT_KB = 24 * 1024  # what a transfer of any size may cost


@pytest.fixture(scope="module")
def place(shared):
    """A sandbox that the tests of this file share; each works in a folder of its own."""
    sandbox = shared.create()
    yield sandbox["sandbox_id"]
    shared.destroy(sandbox["sandbox_id"], "?graceful=false")


@pytest.fixture
def files(shared, place):
    return Files(shared, place)


# --- Operations ---------------------------------------------------------------------------------

def test_write_read_stat(files):
    written = files.write("~/ops/a.txt", b"hello\n")
    assert written.status_code == 200, written.text
    entry = written.json()
    assert entry["path"] == "/home/agent/ops/a.txt" and entry["name"] == "a.txt"
    assert entry["type"] == "file" and entry["size"] == 6 and entry["owner"] == "agent"
    assert files.stat("ops/a.txt").json() == entry  # relative ones begin at the home
    read = files.read("/home/agent/ops/a.txt")
    assert read.content == b"hello\n" and read.headers["content-length"] == "6"
    assert read.headers["content-disposition"] == "attachment"
    assert read.headers["x-content-type-options"] == "nosniff"
    assert files.write("ops/a.txt", b"").json()["size"] == 0
    assert files.read("ops/a.txt").content == b""


def test_all_bytes_survive(files):
    content = bytes(range(256)) * 1000
    files.write("bytes", content)
    assert files.read("bytes").content == content


def test_a_chunked_body_is_a_file_as_well(files):
    assert files.write("chunked", iter([b"one ", b"two ", b"three"])).json()["size"] == 13
    assert files.read("chunked").content == b"one two three"


def test_folders(files):
    made = files.post("mkdir", path="~/tree/a/b")
    assert made.status_code == 201 and made.json()["type"] == "folder"
    assert files.post("mkdir", path="~/tree/a/b").status_code == 409
    files.write("tree/a/b/deep", b"1")
    files.write("tree/top", b"2")
    assert files.names("tree") == ["a", "top"]
    assert files.names("tree", depth=3) == ["a", "b", "deep", "top"]
    assert files.list("tree/top").status_code == 400
    assert files.list("tree/none").status_code == 404
    assert files.list("tree", depth=11).status_code == 422
    refused = files.remove("tree/a")
    assert refused.status_code == 409 and "recursive" in refused.json()["detail"]
    assert files.remove("tree/a", recursive="true").status_code == 204
    assert files.names("tree") == ["top"]
    assert files.remove("tree/top").status_code == 204
    assert files.remove("tree").status_code == 204  # an empty one needs no word more
    assert files.stat("tree").status_code == 404
    assert files.remove("tree").status_code == 404


def test_move_and_copy(shared, place, files):
    files.write("mc/a", b"abc")
    moved = files.post("move", **{"from": "mc/a", "to": "mc/new/b"})
    assert moved.status_code == 200 and moved.json()["path"] == "/home/agent/mc/new/b"
    assert files.stat("mc/a").status_code == 404
    shared.run(place, "cd ~/mc && chmod 640 new/b && ln -s new/b link && touch -d 2001-02-03 new/b")
    copied = files.post("copy", **{"from": "~/mc", "to": "/tmp/copy"})
    assert copied.status_code == 201, copied.text
    assert files.read("/tmp/copy/new/b").content == b"abc"
    entry = files.stat("/tmp/copy/new/b").json()
    assert entry["mode"] == "0640" and entry["modified_at"].startswith("2001-02-03")
    assert files.stat("/tmp/copy/link").json()["target"]
    nothing = files.post("copy", **{"from": "mc/none", "to": "mc/x"})
    assert nothing.status_code == 404 and "none" in nothing.json()["detail"]
    assert files.post("move", **{"from": "mc/none", "to": "mc/x"}).status_code == 404


def test_a_link_is_removed_and_not_what_it_leads_to(shared, place, files):
    shared.run(place, "mkdir -p ~/ln/kept && touch ~/ln/kept/file && ln -s kept ~/ln/way")
    assert files.remove("ln/way").status_code == 204
    assert files.names("ln/kept") == ["file"]
    shared.run(place, "ln -s none-such ~/ln/dangling")
    assert files.remove("ln/dangling").status_code == 204


@pytest.mark.parametrize("given, content, told", [
    ("bytes=0-3", b"0123", "bytes 0-3/10"), ("bytes=4-", b"456789", "bytes 4-9/10"),
    ("bytes=-3", b"789", "bytes 7-9/10"), ("bytes=8-100", b"89", "bytes 8-9/10"),
])
def test_ranges(files, given, content, told):
    files.write("range", b"0123456789")
    part = files.read("range", headers={"Range": given})
    assert part.status_code == 206 and part.content == content
    assert part.headers["content-range"] == told
    assert part.headers["content-length"] == str(len(content))


def test_ranges_that_cannot_be(files):
    files.write("range", b"0123456789")
    outside = files.read("range", headers={"Range": "bytes=10-"})
    assert outside.status_code == 416 and outside.headers["content-range"] == "bytes */10"
    strange = files.read("range", headers={"Range": "apples=1-2"})
    assert strange.status_code == 200 and strange.content == b"0123456789"


def test_head(files):
    files.write("head", b"x" * 1000)
    head = files.call("HEAD", "head")
    assert head.status_code == 200 and head.content == b""
    assert head.headers["content-length"] == "1000" and head.headers["accept-ranges"] == "bytes"
    assert files.call("HEAD", "head-none").status_code == 404


@pytest.mark.parametrize("name", [
    "ünï/çødé 文件 🙂", "new\nline", "'single' \"double\" `tick` $HOME $(id)", "-rf", "--help",
    "a%2Fb", "  spaces  ", "back\\slash", "tab\tand\x01control", "a&b=c?d#e;f+g", "*", "~tilde",
    "end.", "x" * 255,
])
def test_odd_names(shared, place, files, name):
    files.call("DELETE", "odd", recursive="true")
    path, last = "odd/" + name, name.rsplit("/", 1)[-1]
    entry = files.write(path, b"odd")
    assert entry.status_code == 200 and entry.json()["name"] == last, entry.text
    assert files.read(path).content == b"odd"
    assert last in files.names("odd", depth=3)
    copied = files.post("copy", **{"from": path, "to": path[:250] + "!"})
    assert copied.status_code == 201, copied.text
    assert files.read(path[:250] + "!").content == b"odd"
    moved = files.post("move", **{"from": path, "to": "odd/'moved'"})
    assert moved.status_code == 200, moved.text
    assert shared.run(place, "cat odd/\\'moved\\'", cwd="/home/agent")["stdout"] == "odd"
    assert files.remove("odd/'moved'").status_code == 204
    assert files.remove(path[:250] + "!").status_code == 204


def test_a_name_that_is_no_text(shared, place, files):
    shared.run(place, "mkdir -p ~/raw && touch ~/raw/$'a\\xffb'")
    assert files.names("raw") == ["a�b"]


# --- Bad input ------------------------------------------------------------------------------------

def test_paths_that_cannot_be(files):
    for call in (files.read, files.stat, files.list, files.remove):
        assert call("a\0b").status_code == 422
        assert call("x" * 5000).status_code == 422
        assert call("").status_code == 422
        assert call("x" * 300).status_code == 400
    assert files.write("a\0b", b"").status_code == 422
    assert files.write("y/" * 2500, b"").status_code == 422
    assert files.write("x" * 300, b"").status_code == 400
    assert files.post("mkdir", path="a\0b").status_code == 422
    assert files.post("move", **{"from": "a", "to": "x" * 5000}).status_code == 422
    assert files.post("copy", **{"from": "a\0", "to": "b"}).status_code == 422
    assert files.call("GET").status_code == 422  # no path at all
    assert files.read("bad-\udcff".encode("utf-8", "surrogateescape")).status_code == 404


def test_dots_lead_no_further_than_the_users_rights(files):
    assert files.read("../../etc/hostname").status_code == 200
    assert files.read("../../etc/shadow").status_code == 403
    assert files.write("/etc/../etc/new", b"").status_code == 403
    assert files.remove("/etc/passwd").status_code == 403
    assert files.read("/etc/shadow", user="root").status_code == 200


def test_users(files):
    assert files.write("/srv/mine", b"r", user="root").json()["owner"] == "root"
    assert files.write("/srv/mine", b"a").status_code == 403
    assert files.remove("/srv/mine").status_code == 403
    unknown = files.read("a", user="nobody-here")
    assert unknown.status_code == 400 and "nobody-here" in unknown.json()["detail"]
    assert files.read("a", user="a b").status_code == 422
    assert files.write("a", b"", user="nobody-here").status_code == 400
    assert files.stat("a", user="nobody-here").status_code == 400
    assert files.post("copy", **{"from": "a", "to": "b", "user": "nobody-here"}).status_code == 400


def test_what_is_no_file(shared, place, files):
    shared.run(place, "mkdir -p ~/kinds/folder && cd ~/kinds && mkfifo fifo && "
                      "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")'")
    for path in ("kinds/folder", "kinds/fifo", "kinds/sock", "/dev/zero", "/dev/tty"):
        begun = time.monotonic()
        read = files.read(path)
        assert read.status_code == 400 and read.json()["code"] == "invalid", (path, read.text)
        written = files.write(path, b"x")
        assert written.status_code == 400, (path, written.text)
        assert time.monotonic() - begun < patience(20)
    assert files.stat("kinds/fifo").json()["type"] == "other"
    assert files.read("kinds").status_code == 400
    assert files.write("kinds/folder/", b"").status_code == 400
    assert files.stat("kinds/fifo/below").status_code == 404
    assert files.write("kinds/fifo/below", b"").status_code == 400
    assert len(tarfile.open(fileobj=io.BytesIO(files.pack("kinds").content)).getnames()) >= 1


def test_links_in_a_circle(shared, place, files):
    shared.run(place, "mkdir -p ~/loop && cd ~/loop && ln -s a b && ln -s b a && ln -s . here")
    assert files.read("loop/a").status_code == 400
    assert len(files.names("loop", depth=10)) >= 3
    assert files.remove("loop", recursive="true").status_code == 204


def test_deleted_while_read(shared, place, files):
    shared.run(place, "head -c 30000000 /dev/zero > ~/going")
    with shared.stream("GET", files.base, params={"path": "going"}) as response:
        coming = response.iter_bytes()
        got = len(next(coming))
        shared.run(place, "rm ~/going")
        got += sum(len(piece) for piece in coming)
    assert got == 30_000_000  # who has it open has all of it
    assert files.read("going").status_code == 404


def test_cut_short_while_read(shared, place, files):
    shared.run(place, "head -c 60000000 /dev/zero > ~/shrinking")
    with shared.stream("GET", files.base, params={"path": "shrinking"}) as response:
        coming = response.iter_bytes()
        next(coming)
        shared.run(place, "truncate -s 10 ~/shrinking")
        with pytest.raises(httpx.HTTPError):  # never a short file that looks complete
            for _ in coming:
                pass
    files.remove("shrinking")


def test_a_full_disk(shared, place, files):
    full = files.write("/dev/shm/large", pieces(80 * MEGA))
    assert full.status_code == 413, full.text
    assert full.json()["code"] == "too_large" and "space" in full.json()["detail"]
    assert files.names("/dev/shm") == []
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        one = tarfile.TarInfo("large")
        one.size = 80 * MEGA
        tar.addfile(one, io.BytesIO(bytes(80 * MEGA)))
    assert files.unpack("/dev/shm/box", archive.getvalue()).status_code == 413
    assert files.remove("/dev/shm/box", recursive="true").status_code == 204


@pytest.mark.parametrize("kind", ["length", "chunked"])
def test_an_upload_that_breaks_off_leaves_nothing(shared, files, kind):
    files.post("mkdir", path="half")
    files.write("half/old", b"as it was")
    for name in ("new", "old"):
        framing = "Content-Length: 9000000" if kind == "length" else "Transfer-Encoding: chunked"
        start = b"x" * 300000 if kind == "length" else b"493e0\r\n" + b"x" * 300000 + b"\r\n"
        line = raw(shared, f"PUT {files.base}?path=half/{name} HTTP/1.1\nHost: x\n"
                           f"X-API-Key: {KEY}\n{framing}\n\n", start)
        time.sleep(0.2)
        line.close()
    wait_for("nothing but the old one", lambda: files.names("half") == ["old"])
    assert files.read("half/old").content == b"as it was"


def test_a_refused_upload_is_answered_before_its_end(shared, files):
    begun = time.monotonic()
    line = raw(shared, f"PUT {files.base}?path=/etc/no HTTP/1.1\nHost: x\nX-API-Key: {KEY}\n"
                       "Content-Length: 9000000000\n\n", b"x" * 100000)
    assert line.recv(100).startswith(b"HTTP/1.1 403")
    assert time.monotonic() - begun < patience(20)
    line.close()


def test_paused_unknown_and_ended(shared):
    sandbox_id = shared.create()["sandbox_id"]
    files = Files(shared, sandbox_id)
    files.write("a", b"1")
    assert shared.request("POST", f"/sandboxes/{sandbox_id}/pause").status_code == 200
    for answer in (files.read("a"), files.write("b", b"x"), files.pack("."), files.stat("a")):
        assert answer.status_code == 409 and "paused" in answer.json()["detail"]
    shared.destroy(sandbox_id, "?graceful=false")
    for answer in (files.read("a"), files.write("b", b"x"), files.unpack(".", b""),
                   files.post("copy", **{"from": "a", "to": "b"})):
        assert answer.status_code == 410 and "stopped" in answer.json()["detail"]
    assert Files(shared, "sbx-000000000000").read("a").status_code == 404
    assert shared.request("GET", files.base, key=None, params={"path": "a"}).status_code == 401


# --- Archives -------------------------------------------------------------------------------------

def tar_of(entries, packed=False):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for entry in entries:
            name, content, extra = (*entry, {})[:3]
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o644
            for key, value in extra.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), 1) if packed else out.getvalue()


def test_ten_thousand_files_as_one_archive(shared, place, files):
    wanted = {f"d{i % 100}/file {i}": b"content of %d" % i for i in range(10_000)}
    done = files.unpack("many", tar_of(wanted.items()))
    assert done.status_code == 200, done.text
    assert done.json() == {"entries": 10_000, "bytes": sum(map(len, wanted.values()))}
    assert shared.run(place, "find ~/many -type f | wc -l")["stdout"].strip() == "10000"
    answer = files.pack("many")
    assert answer.headers["content-type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        found = {member.name.removeprefix("./"): tar.extractfile(member).read()
                 for member in tar if member.isfile()}
    assert found == wanted
    files.remove("many", recursive="true")


@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"},
                                     {"Content-Type": "application/gzip"}])
def test_a_packed_archive(files, headers):
    packed = tar_of([("a/b", b"12345" * 1000), ("run", b"#!/bin/sh", {"mode": 0o755})], True)
    assert files.unpack("packed", packed, headers=headers).json() == {"entries": 2, "bytes": 5009}
    assert files.read("packed/a/b").content == b"12345" * 1000
    assert files.stat("packed/run").json()["mode"] == "0755"
    files.remove("packed", recursive="true")


@pytest.mark.parametrize("entries", [
    [("../out", b"x")], [("/tmp/archive-out", b"x")], [("a/../../out", b"x")],
    [("way", b"", {"type": tarfile.SYMTYPE, "linkname": "/tmp"})],
    [("way", b"", {"type": tarfile.SYMTYPE, "linkname": "../.."})],
    [("hard", b"", {"type": tarfile.LNKTYPE, "linkname": "../../../etc/passwd"})],
    [("in", b"", {"type": tarfile.SYMTYPE, "linkname": "."}), ("in/../../x", b"x")],
])
def test_archives_that_lead_out(files, entries):
    refused = files.unpack("jail", tar_of(entries))
    assert refused.status_code == 400 and refused.json()["detail"], refused.text
    assert files.stat("out").status_code == 404
    assert files.stat("/tmp/archive-out").status_code == 404
    files.remove("jail", recursive="true")


def test_links_out_where_they_are_wished(files):
    link = [("python", b"", {"type": tarfile.SYMTYPE, "linkname": "/usr/bin/python3"})]
    assert files.unpack("venv", tar_of(link), outside_links="true").status_code == 200
    assert files.stat("venv/python").json()["target"]
    through = [("way", b"", {"type": tarfile.SYMTYPE, "linkname": "/tmp"}), ("way/through", b"x")]
    assert files.unpack("venv", tar_of(through), outside_links="true").status_code == 400
    assert files.stat("/tmp/through").status_code == 404


@pytest.mark.parametrize("content", [
    b"this is not a tar" * 100, tar_of([("a", b"x" * 5000)])[:2000], b"\x1f\x8b\x08garbage",
])
def test_what_is_no_archive(files, content):
    refused = files.unpack("broken", content)
    assert refused.status_code == 400 and refused.json()["code"] == "invalid", refused.text
    assert files.stat("broken/a").status_code == 404
    packed = files.unpack("broken", content, headers={"Content-Encoding": "gzip"})
    assert packed.status_code == 400, packed.text


def test_unreadable_things_in_an_archive(shared, place, files):
    shared.run(place, "mkdir -p ~/mixed && cd ~/mixed && echo a > mine && echo b > theirs && "
                      "chmod 0 theirs")
    with pytest.raises(httpx.HTTPError):  # incomplete, and it can be seen
        files.pack("mixed")
    left = files.pack("mixed", skip_unreadable="true")
    with tarfile.open(fileobj=io.BytesIO(left.content)) as tar:
        assert [m.name.removeprefix("./") for m in tar if m.isfile()] == ["mine"]
    assert files.pack("mixed/mine").status_code == 400
    assert files.pack("none-such").status_code == 404


# --- Large ones -----------------------------------------------------------------------------------

def test_a_large_file_up_and_down(shared, place, files, record_property):
    one, agent = Peak(shared.process.pid), Peak(agent_pid(shared, place))
    begun = time.monotonic()
    written = files.write("large", pieces(LARGE_BYTES), timeout=600)
    up = time.monotonic() - begun
    assert written.status_code == 200 and written.json()["size"] == LARGE_BYTES
    wanted, got = hashlib.sha256(), hashlib.sha256()
    for piece in pieces(LARGE_BYTES):
        wanted.update(piece)
    begun = time.monotonic()
    with shared.stream("GET", files.base, params={"path": "large"}, timeout=600) as response:
        for piece in response.iter_raw():
            got.update(piece)
    down = time.monotonic() - begun
    assert got.digest() == wanted.digest()
    mega = LARGE_BYTES / MEGA
    told = (f"{mega:.0f} MiB: up {mega / up:.0f} MiB/s, down {mega / down:.0f} MiB/s; grown by "
            f"{one.grown_kb()} KiB (orchestrator), {agent.grown_kb()} KiB (agent)")
    record_property("figures", told)
    print(told)
    assert one.grown_kb() < FLAT_KB and agent.grown_kb() < FLAT_KB, told
    assert files.remove("large").status_code == 204


def test_a_slow_reader_holds_nobody_up(shared, place, files):
    shared.run(place, "head -c 100000000 /dev/zero > ~/slow")
    peak = Peak(shared.process.pid)
    line = raw(shared, f"GET {files.base}?path=slow HTTP/1.1\nHost: x\nX-API-Key: {KEY}\n\n")
    line.recv(1000)
    time.sleep(1)
    assert files.write("quick", b"1").status_code == 200
    assert peak.grown_kb() < FLAT_KB
    line.close()
    files.remove("slow")


def test_many_at_once(files):
    def both(number):
        content = bytes([number]) * 100_000
        assert files.write(f"crowd/{number}", content).status_code == 200
        return files.read(f"crowd/{number}").content == content
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(both, range(64)))
    assert len(files.names("crowd")) == 64


# --- Watching -------------------------------------------------------------------------------------

def watch(shared, files, path, **query):
    return EventStream(shared, files.base + "/watch", {"path": path, **query})


def changes(stream):
    return [(change["type"], change["name"]) for change in stream.of("change")]


def test_watch_tells_of_each_kind(shared, place, files):
    files.post("mkdir", path="seen/inner")
    stream = watch(shared, files, "seen", recursive="true")
    assert stream.events[0][0] == "start"
    shared.run(place, "cd ~/seen && touch new && echo text >> new && chmod 600 new && "
                      "mv new inner/other && rm inner/other && mkdir deep && sleep 0.5 && "
                      "touch deep/x && touch end")
    wait_for("the last change", lambda: ("create", "end") in changes(stream))
    told = changes(stream)
    for wanted in [("create", "new"), ("write", "new"), ("chmod", "new"), ("rename", "new"),
                   ("create", "inner/other"), ("remove", "inner/other"), ("create", "deep"),
                   ("create", "deep/x")]:
        assert wanted in told, (wanted, told)
    assert told.index(("create", "new")) < told.index(("write", "new")) < \
        told.index(("rename", "new")) < told.index(("create", "inner/other"))
    stream.close()
    files.write("seen/bye", b"")


def test_watch_tells_of_an_upload_by_its_name(shared, files):
    files.post("mkdir", path="arriving")
    stream = watch(shared, files, "arriving")
    files.write("arriving/file", b"12345")
    wait_for("the upload", lambda: ("write", "file") in changes(stream))
    assert {name for _, name in changes(stream)} == {"file"}
    stream.close()
    files.write("arriving/bye", b"")


def test_watch_refuses(files, shared, place):
    files.write("plain", b"")
    for path, status in (("none", 404), ("plain", 400), ("a\0b", 422)):
        assert files.call("GET", path, "/watch").status_code == status
    shared.run(place, "mkdir -p ~/closed && chmod 0 ~/closed")
    assert files.call("GET", "closed", "/watch").status_code == 403
    assert files.call("GET", "x", "/watch", user="nobody-here").status_code == 400


def test_ten_thousand_changes(shared, place, files):
    files.post("mkdir", path="flood")
    stream = watch(shared, files, "flood", recursive="true")
    shared.run(place, "cd ~/flood && for d in 1 2 3 4 5 6 7 8 9 10; do mkdir $d; done; python3 -c '"
                      "for i in range(10000): open(f\"{i % 10 + 1}/{i}\", \"w\").close()"
                      "' && touch end", timeout=60)
    wait_for("the end, or an overflow",
             lambda: ("create", "end") in changes(stream) or stream.of("overflow"), 60)
    if not stream.of("overflow"):
        told = [name for kind, name in changes(stream) if kind == "create"]
        assert len(told) == len(set(told))
        assert len([name for name in told if "/" in name]) == 10_000
    stream.close()
    files.write("flood/bye", b"")
    files.remove("flood", recursive="true")


def test_watches_that_nobody_reads_are_given_back(shared, place, files):
    files.post("mkdir", path="left")
    path = f"{files.base}/watch?path=left"
    for _ in range(3):
        lines = [raw(shared, f"GET {path} HTTP/1.1\nHost: x\nX-API-Key: {KEY}\n\n")
                 for _ in range(30)]
        for line in lines:
            assert line.recv(15).startswith(b"HTTP/1.1 200")
        for line in lines:
            line.close()
        time.sleep(1.5)
    again = watch(shared, files, "left")
    assert again.status == 200
    again.close()
    files.write("left/bye", b"")


def test_watch_ends_with_the_sandbox(shared):
    sandbox_id = shared.create()["sandbox_id"]
    stream = EventStream(shared, f"/sandboxes/{sandbox_id}/files/watch", {"path": "."})
    shared.destroy(sandbox_id, "?graceful=false")
    wait_for("the end", stream.ended.is_set)


# --- A client that does anything ------------------------------------------------------------------

def test_random_operations_keep_it_alive(shared, files):
    dice = random.Random(5)
    names = ["f/a", "f/b", "f/a/c", "f", "/dev/full", "/proc/self/mem", "/proc/1/environ", "..",
             "//f//a", "f/./b", "/", ".", "~", "~/", "~root", "/proc/kcore"]
    answers = set()
    for _ in range(120):
        one, other = dice.choice(names), dice.choice(names)
        answer = dice.choice([
            lambda: files.write(one, b"x"), lambda: files.read(one, headers={"Range": "bytes=0-9"}),
            lambda: files.stat(one), lambda: files.list(one),
            lambda: files.post("mkdir", path=one), lambda: files.remove("f/" + other),
            lambda: files.post("move", **{"from": "f/" + one, "to": "f/" + other}),
            lambda: files.post("copy", **{"from": "f/" + one, "to": "f/" + other}),
        ])()
        answers.add(answer.status_code)
        assert answer.status_code < 500, (one, other, answer.request.url, answer.text)
    assert answers & {200, 201}


def test_half_a_header_and_a_body_too_long(shared, files):
    answer = read_all(raw(shared, f"PUT {files.base}?path=t HTTP/1.1\nHost: x\nX-API-Key: {KEY}\n"
                                  "Content-Length: 3\nConnection: close\n\n", b"abcdefgh"))
    assert answer.startswith(b"HTTP/1.1 200") and files.read("t").content == b"abc"
