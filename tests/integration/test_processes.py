"""Processes and streamed commands: what they say arrives, byte for byte, whatever happens to the
reader or to the orchestrator; and nothing of them is left when they have ended."""
import base64
import concurrent.futures
import os
import socket
import threading
import time
import uuid

import httpx
import pytest
from orchestrator import KEY, docker, wait_for
from patience import patience
from streams import Reader, events, exec_stream, numbered, writer_of
from test_exec import ESCAPE

pytestmark = pytest.mark.integration
MB = 1_000_000


def start(one, sandbox_id, **fields):
    response = one.request("POST", f"/sandboxes/{sandbox_id}/processes", json=fields)
    assert response.status_code == 201, response.text
    return response.json()


def at(sandbox_id, process_id, rest=""):
    return f"/sandboxes/{sandbox_id}/processes/{process_id}{rest}"


def state(one, sandbox_id, process_id):
    response = one.request("GET", at(sandbox_id, process_id))
    assert response.status_code == 200, response.text
    return response.json()


def ended(one, sandbox_id, process_id, seconds=30):
    return wait_for("the end of the process",
                    lambda: (p := state(one, sandbox_id, process_id))["running"] is False and p,
                    seconds)


def output(one, sandbox_id, process_id, since=0):
    response = one.request("GET", at(sandbox_id, process_id, f"/output?follow=false&since={since}"))
    assert response.status_code == 200, response.text
    return response.content


class SlowReader(threading.Thread):
    """Half a minute of one that stops reading, and of one that hears nothing: begun before the
    other tests, looked at behind them."""

    def __init__(self, one):
        super().__init__()
        self.one, self.problem = one, None
        self.quiet = []

    def run(self):
        try:
            self.live()
        except BaseException as error:  # pytest sees only its own thread
            self.problem = error

    def live(self):
        sandbox_id = self.one.create()["sandbox_id"]
        listening = threading.Thread(target=self.listen, args=(sandbox_id,))
        listening.start()
        marker = "/tmp/all-written"
        command = f"head -c 60000000 /dev/zero | tr '\\0' x; touch {marker}"
        body = httpx.Request("POST", "http://x/", json={"command": command, "timeout": 120}).content
        before = self.one.memory_kb()
        with socket.create_connection(("127.0.0.1", self.one.port)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall((f"POST /sandboxes/{sandbox_id}/exec/stream HTTP/1.1\r\nHost: x\r\n"
                                f"X-API-Key: {KEY}\r\nContent-Type: application/json\r\n"
                                f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
            time.sleep(5)
            self.held_up = self.one.run(sandbox_id, f"test -e {marker}")["exit_code"] != 0
            self.grown_kb = self.one.memory_kb() - before
            # It is given up after 30 s, and the process goes on.
            wait_for("the process to go on", lambda: self.one.run(
                sandbox_id, f"sleep 0.5; test -e {marker}")["exit_code"] == 0, 60)
        listening.join()

    def listen(self, sandbox_id):
        with self.one.stream("POST", f"/sandboxes/{sandbox_id}/exec/stream",
                             json={"command": "sleep 17"}) as response:
            self.quiet = [name for name, _, _ in events(response)]


@pytest.fixture(scope="module", autouse=True)
def slow_reader():
    from orchestrator import Orchestrator
    one = Orchestrator().start()
    thread = SlowReader(one)
    thread.start()
    yield thread
    thread.join()
    one.close()


# --- exec/stream ---------------------------------------------------------------------------------

def test_order_and_offsets(shared, box):
    heard = exec_stream(shared, box, "echo a; sleep 0.2; echo bc >&2; sleep 0.2; cd /usr; echo d; "
                                     "exit 3")
    assert [name for name, _, _ in heard] == ["start", "stdout", "stderr", "stdout", "exit"]
    begin, *said, end = (data for _, data, _ in heard)
    assert begin["process_id"].startswith("prc-") and begin["pid"] > 1
    assert said == [{"data": "a\n", "offset": 0}, {"data": "bc\n", "offset": 2},
                    {"data": "d\n", "offset": 5}]
    assert [event_id for _, _, event_id in heard[1:]] == [2, 5, 7, 7]
    assert (end["exit_code"], end["timed_out"], end["cwd"]) == (3, False, "/usr")
    assert end["duration_ms"] >= 400
    # The directory is the sandbox's, whichever way commands are run.
    assert shared.run(box, "pwd")["stdout"] == "/usr\n"
    assert exec_stream(shared, box, "pwd")[1][1]["data"] == "/usr\n"


def test_what_a_command_gets(shared, box):
    heard = exec_stream(shared, box, "cat; echo $A; id -un; pwd", stdin="é\n", env={"A": "b c"},
                        user="root", cwd="/etc")
    text = "".join(data["data"] for name, data, _ in heard if name == "stdout")
    assert text == "é\nb c\nroot\n/etc\n"
    refused = exec_stream(shared, box, "true", user="nobody-here")[0][1]
    assert refused["status"] == 400, refused
    refused = exec_stream(shared, box, "true", cwd="/no/such/folder")[0][1]
    assert refused["status"] == 400, refused
    assert exec_stream(shared, box, "true", query="?encoding=hex")[0][1]["status"] == 422
    assert exec_stream(shared, "sbx-000000000000", "true")[0][1]["status"] == 404


CUT = ("import sys, time\nfor piece in (b'a\\xc3', b'\\xa9b\\xf0\\x9f', b'\\x98', b'\\x80', b'\\xff"
       "c', b'\\xe2\\x82'):\n  sys.stdout.buffer.write(piece)\n  sys.stdout.flush()\n"
       "  time.sleep(0.1)\n")


def test_characters_that_are_cut(shared, box):
    heard = exec_stream(shared, box, f'python3 -c "{CUT}"')
    text = "".join(data["data"] for name, data, _ in heard if name == "stdout")
    assert text == "aéb😀\ufffdc\ufffd\ufffd"  # one for each byte
    heard = exec_stream(shared, box, f'python3 -c "{CUT}"', query="?encoding=base64")
    raw = b"".join(base64.b64decode(data["data"]) for name, data, _ in heard if name == "stdout")
    assert raw == "aéb😀".encode() + b"\xffc\xe2\x82"


def test_every_end_is_told(shared, box):
    def end_of(command, **fields):
        name, data, _ = exec_stream(shared, box, command, **fields)[-1]
        assert name == "exit", data
        return data["exit_code"], data["timed_out"]

    assert end_of("kill -9 $$") == (137, False)
    assert end_of("kill -TERM $$") == (143, False)
    assert end_of("sleep 30", timeout=1) == (124, True)
    assert end_of("trap '' TERM; sleep 30", timeout_seconds=1) == (124, True)
    assert end_of("sleep 30 & exit 5") == (5, False)
    assert end_of("no-such-program") == (127, False)


def test_container_killed_under_streams(shared, record_property):
    sandbox = shared.create()
    sandbox_id = sandbox["sandbox_id"]
    job = start(shared, sandbox_id, command="sleep 60")
    shared.request("GET", at(sandbox_id, job["process_id"]))
    told = {}

    def follow(name, method, path, body):
        with shared.stream(method, path, json=body) as response:
            for event in events(response):
                told[name] = (event, time.monotonic())

    waiting = [
        threading.Thread(target=follow, args=("exec", "POST", f"/sandboxes/{sandbox_id}/exec/stream",
                                              {"command": "echo on; sleep 300"})),
        threading.Thread(target=follow, args=(
            "output", "GET", at(sandbox_id, job["process_id"], "/output?follow=true"), None))]
    for one in waiting:
        one.start()
    wait_for("the command", lambda: "exec" in told and told["exec"][0][0] == "stdout")
    killed = time.monotonic()
    docker("kill", sandbox["container_id"])
    for one in waiting:
        one.join(patience(60))
    for name, data in (("exec", told["exec"]), ("output", told["output"])):
        (kind, body, _), heard_at = data
        assert kind == "error" and body["code"] == "gone" and "lost" in body["detail"], body
        print(f"the stream of {name} told it {heard_at - killed:.2f} s after docker kill")
        record_property(f"{name}_told_after_s", heard_at - killed)
    assert exec_stream(shared, sandbox_id, "true")[0][1]["status"] == 410


def test_a_hundred_streams_at_once(shared, box):
    begun = threading.Barrier(100)

    def one(number):
        begun.wait()
        command = f"for i in 1 2 3; do echo {number}-$i; sleep 0.3; done; exit {number}"
        return exec_stream(shared, box, command, timeout=60)

    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        for number, heard in enumerate(pool.map(one, range(100))):
            text = "".join(data["data"] for name, data, _ in heard if name == "stdout")
            assert text == f"{number}-1\n{number}-2\n{number}-3\n", heard
            assert heard[-1][0] == "exit" and heard[-1][1]["exit_code"] == number


def test_nothing_survives_a_timeout(shared, record_property):
    trees = int(os.environ.get("MATRX_TREES", "100"))
    sandbox_id = shared.create()["sandbox_id"]
    marker = "31" + str(uuid.uuid4().int)[:6]

    def one(_):
        begun = time.monotonic()
        heard = exec_stream(shared, sandbox_id, ESCAPE.format(marker), timeout=1)
        return heard[-1], time.monotonic() - begun - 1

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        ends = list(pool.map(one, range(trees)))
    for (name, data, _), _ in ends:
        assert name == "exit" and data["timed_out"] and data["exit_code"] == 124, data
    late = sorted(seconds for _, seconds in ends)
    print(f"{trees} trees: their end was told after {late[len(late) // 2]:.2f} s at the median, "
          f"{late[-1]:.2f} s at the most")
    record_property("slowest_end_s", late[-1])
    left = shared.run(sandbox_id, f"pgrep -fc '[s]leep {marker}'; pgrep -c python3", user="root")
    assert left["stdout"].split() == ["0", "0"], left
    shared.destroy(sandbox_id, "?graceful=false")


# --- Processes that outlive their request --------------------------------------------------------

def test_a_process_and_what_is_known_of_it(shared, box):
    job = start(shared, box, argv=["sh", "-c", "echo out; echo err >&2; exit 4"], cwd="/tmp")
    now = ended(shared, box, job["process_id"])
    assert (now["pid"], now["exit_code"], now["timed_out"]) == (job["pid"], 4, False)
    assert (now["cwd"], now["user"], now["tty"], now["output_end"]) == ("/tmp", "agent", False, 8)
    assert state(shared, box, str(job["pid"]))["process_id"] == job["process_id"]
    listed = shared.request("GET", f"/sandboxes/{box}/processes").json()["processes"]
    assert now in listed
    answer = shared.request("GET", at(box, job["process_id"], "/output?since=4"))
    assert answer.content == b"err\n"
    assert answer.headers["X-Matrx-Output-Begin"] == "4"
    assert answer.headers["X-Matrx-Output-End"] == "8"
    assert answer.headers["X-Matrx-Running"] == "false"
    assert shared.request("GET", at(box, job["process_id"], "/output?since=9")).status_code == 400
    assert shared.request("GET", at(box, job["process_id"], "/output?since=x")).status_code == 422


def test_what_cannot_be_started(shared, box):
    def status(**fields):
        return shared.request("POST", f"/sandboxes/{box}/processes", json=fields).status_code

    assert status() == 422
    assert status(command="true", argv=["true"]) == 422
    assert status(argv=[]) == 422
    assert status(argv=["/no/such/program"]) == 400
    assert status(command="true", user="nobody-here") == 400
    assert status(command="true", timeout=0) == 422
    assert shared.request("GET", at(box, "prc-000000000000")).status_code == 404
    assert shared.request("GET", at(box, "word")).status_code == 404
    assert shared.request("GET", at(box, "99999999999999")).status_code == 404


def test_input(shared, box):
    job = start(shared, box, command="cat; echo end", stdin=True)["process_id"]

    def give(**fields):
        return shared.request("POST", at(box, job, "/stdin"), json=fields).status_code

    assert give(data="é\n") == 204
    assert give(data=base64.b64encode(b"\xff\0\n").decode(), encoding="base64") == 204
    assert give(data="no base64!", encoding="base64") == 422
    big = "x" * 700_000
    assert give(data=big) == 204
    assert give(data="last\n", eof=True) == 204
    assert ended(shared, box, job)["exit_code"] == 0
    assert output(shared, box, job) == b"\xc3\xa9\n\xff\0\n" + big.encode() + b"last\nend\n"
    assert give(data="more") == 404
    deaf = start(shared, box, command="sleep 30", stdin=True)["process_id"]
    assert shared.request("POST", at(box, deaf, "/stdin"), json={"eof": True}).status_code == 204
    assert shared.request("POST", at(box, deaf, "/stdin"), json={"data": "x"}).status_code == 409
    without = start(shared, box, command="sleep 30")["process_id"]
    assert shared.request("POST", at(box, without, "/stdin"), json={"data": "x"}).status_code == 409


TRAPS = ("import signal, time\nfor name in ('HUP', 'INT', 'QUIT', 'USR1', 'USR2', 'TERM'):\n"
         "  signal.signal(getattr(signal, 'SIG' + name), lambda *_, n=name: print(n, flush=True))\n"
         "print('on', flush=True)\nwhile True: time.sleep(1)\n")


def test_signals(shared, box):
    job = start(shared, box, argv=["python3", "-c", TRAPS])["process_id"]

    def send(signal, target=job):
        return shared.request("POST", at(box, target, "/signal"), json={"signal": signal})

    wait_for("the traps", lambda: output(shared, box, job) == b"on\n")
    expected = "on\n"
    for given, name in (("SIGHUP", "HUP"), ("int", "INT"), (3, "QUIT"), ("10", "USR1"),
                        ("USR2", "USR2"), (15, "TERM")):
        assert send(given).status_code == 204
        expected += name + "\n"
        wait_for(f"the answer to {given}", lambda: output(shared, box, job).decode() == expected)
    for nonsense in ("SIGSEGV", 11, 0, -9, 9.5, True, "", "KILL ", 10**30):
        assert send(nonsense).status_code == 422, nonsense
    # What was not started over the API is not ours to signal.
    pid = int(shared.run(box, "sleep 77 >/dev/null 2>&1 & echo $!")["stdout"])
    for stranger in (str(pid), "1", "999999", "prc-000000000000"):
        assert send("KILL", stranger).status_code == 404
    assert shared.run(box, f"kill -0 {pid}")["exit_code"] == 0
    assert send("KILL").status_code == 204
    assert ended(shared, box, job)["exit_code"] == 137
    assert send("TERM").status_code == 404


def test_delete_kills_the_tree(shared, box):
    marker = "41" + str(uuid.uuid4().int)[:6]
    job = start(shared, box, command=ESCAPE.format(marker))["process_id"]
    def count():
        return shared.run(box, f"pgrep -fc '[s]leep {marker}'", user="root")["stdout"].strip()

    wait_for("the tree", lambda: int(count()) >= 4)
    assert shared.request("DELETE", at(box, job)).status_code == 204
    wait_for("its end", lambda: count() == "0")
    assert ended(shared, box, job)["exit_code"] == 137
    assert shared.request("DELETE", at(box, job)).status_code == 204
    assert shared.request("DELETE", at(box, "prc-000000000000")).status_code == 404


def test_timeout_of_a_process_that_nobody_watches(shared, box):
    job = start(shared, box, command="trap '' TERM; echo on; sleep 60", timeout=1)["process_id"]
    now = ended(shared, box, job)
    assert (now["exit_code"], now["timed_out"]) == (124, True)
    assert output(shared, box, job) == b"on\n"


def follow_through_a_kill(one, total):
    """A reader that comes back after its own loss, and after the orchestrator's. The last 4 MB are
    kept for it: that is a minute's output while it is away, and no slow machine makes a gap."""
    sandbox_id = one.create()["sandbox_id"]
    enough = min(total // 10, 2 * MB)
    writer = writer_of(total, 20_000, 0, gate_bytes=enough + 500_000)
    job = start(one, sandbox_id, argv=["python3", "-c", writer])
    reader = Reader(one, sandbox_id, job["process_id"])
    reader.read(enough=enough)  # and the client is gone
    killer = threading.Timer(0.3, one.kill9)
    killer.start()
    with pytest.raises(httpx.HTTPError):
        reader.read()
    killer.join()
    assert reader.exit is None and 0 < reader.offset < total
    one.start()
    reader.read(when_begun=lambda: one.run(sandbox_id, "touch /tmp/go-on"))
    return reader


def test_output_goes_on_after_a_kill(own):
    reader = follow_through_a_kill(own().start(), 10 * MB)
    assert reader.gaps == [] and reader.exit["exit_code"] == 0
    assert reader.bytes() == numbered(0, 10 * MB)


def test_what_nobody_read_in_time_is_a_gap(shared, box):
    job = start(shared, box, argv=["python3", "-c", writer_of(10 * MB, 100_000, 0)])["process_id"]
    ended(shared, box, job, 30)
    reader = Reader(shared, box, job)
    reader.read()
    [(gap_from, gap_to)] = reader.gaps
    assert gap_from == 0 and 10 * MB - gap_to >= 3_500_000
    assert reader.bytes() == numbered(gap_to, 10 * MB)
    plain = shared.request("GET", at(box, job, "/output"))
    assert int(plain.headers["X-Matrx-Output-Begin"]) == gap_to
    assert plain.content == reader.bytes()


@pytest.mark.faults
def test_a_hundred_megabytes_through_a_kill(own):
    one = own().start()
    reader = follow_through_a_kill(one, 100 * MB)
    assert reader.gaps == [] and reader.bytes() == numbered(0, 100 * MB)
    # Faster than anybody can come back: the loss is announced, the rest is exact.
    sandbox_id = one.create()["sandbox_id"]
    job = start(one, sandbox_id, argv=["python3", "-c", writer_of(100 * MB, 50_000, 0.002)])
    reader = Reader(one, sandbox_id, job["process_id"])
    reader.read(enough=MB)
    one.kill9()
    time.sleep(1)
    one.start()
    reader.read()
    assert len(reader.gaps) == 1 and reader.exit["exit_code"] == 0
    gap_from, gap_to = reader.gaps[0]
    assert reader.bytes() == numbered(0, gap_from) + numbered(gap_to, 100 * MB)


# --- The last: half a minute has gone by --------------------------------------------------------

def test_who_does_not_read_harms_nobody(slow_reader, record_property):
    slow_reader.join(patience(60))
    assert slow_reader.problem is None, slow_reader.problem
    assert slow_reader.held_up, "without a reader the output should have waited"
    record_property("grown_kb", slow_reader.grown_kb)
    print(f"memory of the orchestrator grew by {slow_reader.grown_kb} KB")
    assert slow_reader.grown_kb < 8 * 1024
    # Somebody who hears nothing for long hears that it is still there.
    assert slow_reader.quiet[0] == "start" and slow_reader.quiet[-1] == "exit"
    assert "comment" in slow_reader.quiet
