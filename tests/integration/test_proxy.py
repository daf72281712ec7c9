"""The way to a port inside a sandbox: HTTP and WebSocket, hostile headers, deadlines, death."""
import concurrent.futures
import hashlib
import json
import os
import socket
import threading
import time

import httpx
import pytest
import websockets.exceptions
from inside import MEGA, Files, Peak, WebSocket, agent_pid, pieces, raw, read_all
from orchestrator import KEY, docker, wait_for
from patience import patience
from streams import lines

pytestmark = pytest.mark.integration

LARGE_BYTES = int(os.environ.get("MATRX_LARGE_BYTES", 256 * MEGA))
FLAT_KB = 24 * 1024  # what a transfer of any size may cost
TIMEOUT_SECONDS = 3

# The program inside: one thread for each connection, one request on each, the path says what happens.
PROGRAM = r'''
import base64, hashlib, json, os, socket, struct, sys, threading, time

def exactly(line, count):
    out = b""
    while len(out) < count:
        piece = line.recv(count - len(out))
        if not piece:
            raise EOFError
        out += piece
    return out

def body_of(line, headers, rest):
    """Yields the body, whatever its framing."""
    if "content-length" in headers:
        left = int(headers["content-length"])
        while left > 0:
            piece = rest or line.recv(65536)
            rest = b""
            if not piece:
                return
            left -= len(piece)
            yield piece
    elif headers.get("transfer-encoding") == "chunked":
        file = line.makefile("rb") if not rest else None
        buffer = rest
        def until(count):
            nonlocal buffer
            while len(buffer) < count:
                piece = line.recv(65536)
                if not piece:
                    raise EOFError
                buffer += piece
        while True:
            while b"\r\n" not in buffer:
                until(len(buffer) + 1)
            size, _, buffer = buffer.partition(b"\r\n")
            size = int(size, 16)
            until(size + 2)
            piece, buffer = buffer[:size], buffer[size + 2:]
            if size == 0:
                return
            yield piece

def frame(opcode, data):
    head = bytes([0x80 | opcode])
    if len(data) < 126:
        head += bytes([len(data)])
    elif len(data) < 65536:
        head += b"\x7e" + struct.pack(">H", len(data))
    else:
        head += b"\x7f" + struct.pack(">Q", len(data))
    return head + data

def websocket(line, headers):
    key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    answer = ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Accept: " + accept + "\r\n")
    if "sec-websocket-protocol" in headers:
        answer += "Sec-WebSocket-Protocol: " + headers["sec-websocket-protocol"].split(",")[0] + "\r\n"
    line.sendall(answer.encode() + b"\r\n")
    while True:
        first, second = exactly(line, 2)
        size = second & 127
        if size == 126:
            size, = struct.unpack(">H", exactly(line, 2))
        elif size == 127:
            size, = struct.unpack(">Q", exactly(line, 8))
        mask = exactly(line, 4)
        data = exactly(line, size)
        data = (int.from_bytes(data, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")
                ).to_bytes(size, "big") if size else b""
        opcode = first & 15
        if opcode == 8:
            line.sendall(frame(8, data))
            return
        if data == b"close 4321":
            line.sendall(frame(8, struct.pack(">H", 4321) + b"as asked"))
            return
        if data == b"drop":
            return
        line.sendall(frame(opcode, data))

def serve(line):
    text = b""
    while b"\r\n\r\n" not in text:
        piece = line.recv(65536)
        if not piece:
            return
        text += piece
    head, _, rest = text.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    pairs = [one.partition(": ")[::2] for one in lines[1:]]
    headers = {name.lower(): value for name, value in pairs}
    path = target.partition("?")[0]
    say = lambda text: line.sendall(text.replace("\n", "\r\n").encode("latin-1"))
    def answer(status, body=b"", extra=""):
        say("HTTP/1.1 %s\n%sContent-Length: %d\n\n" % (status, extra, len(body)))
        if method != "HEAD":
            line.sendall(body)
    if path == "/ws":
        websocket(line, headers)
    elif path == "/echo":
        digest, size = hashlib.sha256(), 0
        for piece in body_of(line, headers, rest):
            digest.update(piece)
            size += len(piece)
        answer("200 OK", json.dumps({"method": method, "target": target, "headers": pairs,
                                     "bytes": size, "sha256": digest.hexdigest()}).encode())
    elif path == "/pieces":
        say("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n")
        for i in range(5):
            say("3\none\n")
            time.sleep(0.3)
        say("0\n\n")
    elif path == "/sse":
        say("HTTP/1.1 200 OK\nContent-Type: text/event-stream\n\n")
        for i in range(3):
            say("data: %d\n\n" % i)
            time.sleep(0.3)
        if "?stay" in target:
            line.settimeout(None)
            line.recv(1)
            open("/tmp/reader-gone", "w").close()
    elif path == "/large":
        size = int(target.partition("?")[2])
        say("HTTP/1.1 200 OK\nContent-Length: %d\n\n" % size)
        block = bytes(range(256)) * 1024
        while size > 0:
            line.sendall(block[:min(size, len(block))])
            size -= len(block)
    elif path == "/endless":
        say("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n")
        while True:
            say("400\n" + "x" * 1024 + "\n")
            time.sleep(0.001)
    elif path == "/204":
        say("HTTP/1.1 204 No Content\nX-Mine: yes\n\n")
    elif path == "/304":
        say("HTTP/1.1 304 Not Modified\nETag: \"a\"\n\n")
    elif path == "/redirect":
        answer("302 Found", b"", "Location: /elsewhere?x=1\n")
    elif path == "/head":
        answer("200 OK", b"x" * 1234)
    elif path == "/silent":
        line.settimeout(None)
        time.sleep(600)
    elif path == "/unread":
        time.sleep(600)
    elif path == "/closed":
        return
    elif path == "/half":
        say("HTTP/1.1 200 OK\nContent-Length: 1000\n\nonly this")
    elif path == "/half-chunked":
        say("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n4\nonly\n")
    elif path == "/garbage":
        line.sendall(b"\x00\x01 this is not HTTP\r\n\r\n")
    elif path == "/hijack":
        say("HTTP/1.1 101 Switching Protocols\nUpgrade: odd\nConnection: Upgrade\n\nmine now")
    elif path == "/continue":
        say("HTTP/1.1 100 Continue\n\nHTTP/1.1 103 Early Hints\nLink: x\n\n")
        answer("200 OK", b"after")
    elif path == "/refuse":
        answer("413 Content Too Large", b"too much", "Connection: close\n")
    elif path == "/origin":
        answer("200 OK", b"<script>1</script>",
               "Content-Type: text/html\nSet-Cookie: mine=1; Path=/\n"
               "Set-Cookie: matrx_session=evil; Path=/\nSet-Cookie: =matrx_session=evil\n"
               "Clear-Site-Data: \"*\"\nStrict-Transport-Security: max-age=1\n"
               "WWW-Authenticate: Basic realm=\"Matrx API key\"\n"
               "Alt-Svc: h2=\":1\"\nNEL: {}\nReport-To: {}\nService-Worker-Allowed: /\n"
               "Content-Security-Policy: default-src 'self'\nX-Request-Id: forged\n"
               "Connection: X-Secret\nX-Secret: 1\nKeep-Alive: timeout=5\n")
    else:
        answer("404 Not Found", b"not here")

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=512)
def one(line):
    try:
        serve(line)
    except (OSError, EOFError):
        pass
    finally:
        try:
            line.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        line.close()
while True:
    line, _ = listener.accept()
    threading.Thread(target=one, args=(line,), daemon=True).start()
'''


class Door:
    """A port of a sandbox with the program above behind it."""

    def __init__(self, one, sandbox_id, port=8080):
        self.one, self.sandbox_id, self.port = one, sandbox_id, port
        self.path = f"/sandboxes/{sandbox_id}/proxy/{port}"
        self.cookies = f"mx-{sandbox_id.removeprefix('sbx-')}-{port}-"  # how its cookies begin outside
        Files(one, sandbox_id).write("program.py", PROGRAM.encode())
        one.run(sandbox_id, f"nohup python3 ~/program.py {port} >/tmp/program.log 2>&1 &")
        wait_for("the program", lambda: self.get("/204").status_code == 204)

    def call(self, method, path, **arguments):
        return self.one.request(method, self.path + path, **arguments)

    def get(self, path, **arguments):
        return self.call("GET", path, **arguments)

    def stream(self, path):
        return self.one.stream("GET", self.path + path)

    def echo(self, **arguments):
        return self.call(arguments.pop("method", "GET"), "/echo", **arguments).json()

    def raw(self, method, path, lines="", body=b""):
        return raw(self.one, f"{method} {self.path}{path} HTTP/1.1\nHost: x\nX-API-Key: {KEY}\n"
                             f"{lines}\n", body)

    def websocket(self, **arguments):
        return WebSocket(self.one, self.path + "/ws", **arguments)


@pytest.fixture(scope="module")
def one():
    from orchestrator import Orchestrator
    made = Orchestrator(MATRX_PROXY_TIMEOUT_SECONDS=str(TIMEOUT_SECONDS)).start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def door(one):
    return Door(one, one.create()["sandbox_id"])


# --- HTTP -----------------------------------------------------------------------------------------

def test_a_request_arrives_as_it_was(door):
    told = door.call("POST", "/echo?a=1&b=%2F%20", content=b"hello",
                     headers={"X-Mine": "1", "Cookie": f"others=1; {door.cookies}own=2"}).json()
    assert told["method"] == "POST" and told["target"] == "/echo?a=1&b=%2F%20"
    assert told["bytes"] == 5 and ["X-Mine", "1"] in told["headers"]
    headers = dict(told["headers"])
    assert headers["Cookie"] == "own=2" and headers["Host"] == "localhost:8080"
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Forwarded-Host"].startswith("127.0.0.1")
    assert door.get("/%2e%2e/a%2Fb").status_code == 404  # the program's own 404
    assert door.get("/%2e%2e/a%2Fb").text == "not here"
    assert door.get("").text == "not here" and door.get("/").text == "not here"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "BREW"])
def test_methods(door, method):
    assert door.echo(method=method)["method"] == method


def test_statuses_without_a_body(door):
    nothing = door.get("/204")
    assert nothing.status_code == 204 and nothing.headers["x-mine"] == "yes"
    same = door.get("/304")
    assert same.status_code == 304 and same.headers["etag"] == '"a"' and same.content == b""
    head = door.call("HEAD", "/head")
    assert head.headers["content-length"] == "1234" and head.content == b""
    away = door.get("/redirect")
    assert away.status_code == 302 and away.headers["location"] == "/elsewhere?x=1"
    assert door.get("/continue").text == "after"


@pytest.mark.parametrize("known", [True, False])
def test_a_large_body_arrives(door, known):
    size = 100 * MEGA
    digest = hashlib.sha256()
    for piece in pieces(size):
        digest.update(piece)
    told = door.echo(method="PUT", content=pieces(size),
                     headers={"Content-Length": str(size)} if known else {})
    assert told["bytes"] == size and told["sha256"] == digest.hexdigest()
    names = {name.lower() for name, _ in told["headers"]}
    assert ("content-length" in names) == known


def test_pieces_arrive_one_by_one(door):
    arrived = []
    with door.stream("/pieces") as response:
        for piece in response.iter_raw():
            arrived.append(time.monotonic())
    assert len(arrived) == 5 and arrived[-1] - arrived[0] > 1


def test_events_arrive_one_by_one_and_a_gone_reader_is_noticed(one, door):
    arrived = []
    with door.stream("/sse?stay") as response:
        assert response.headers["content-type"] == "text/event-stream"
        for line in lines(response):
            if line.startswith("data"):
                arrived.append(time.monotonic())
            if len(arrived) == 3:
                break
    assert arrived[-1] - arrived[0] > 0.5
    wait_for("the end at the program",
             lambda: one.exec(door.sandbox_id, "test -e /tmp/reader-gone").json()["exit_code"] == 0)


def test_a_large_answer_with_flat_memory(one, door, record_property):
    peak, agent = Peak(one.process.pid), Peak(agent_pid(one, door.sandbox_id))
    got, begun = 0, time.monotonic()
    with door.stream(f"/large?{LARGE_BYTES}") as response:
        for piece in response.iter_raw():
            got += len(piece)
    took = time.monotonic() - begun
    told = (f"{LARGE_BYTES / MEGA:.0f} MiB: {LARGE_BYTES / MEGA / took:.0f} MiB/s; grown by "
            f"{peak.grown_kb()} KiB (orchestrator), {agent.grown_kb()} KiB (agent)")
    record_property("figures", told)
    print(told)
    assert got == LARGE_BYTES
    assert peak.grown_kb() < FLAT_KB and agent.grown_kb() < FLAT_KB, told


def test_two_hundred_at_once(door):
    def ask(number):
        answer = door.call("POST", f"/echo?{number}", content=b"x" * number, timeout=60).json()
        return answer["bytes"] == number and answer["target"] == f"/echo?{number}"
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        assert all(pool.map(ask, range(200)))
    assert door.get("/204").status_code == 204


# --- WebSocket ------------------------------------------------------------------------------------

def test_websocket(door):
    with door.websocket(subprotocols=["chat", "other"]) as ws:
        assert ws.line.subprotocol == "chat"
        for message in ("hello", "ünï 🙂", b"\x00\xff", "", "x" * 70_000, b"y" * 3_000_000):
            ws.send(message)
            assert ws.recv() == message
        ws.ping()


def test_websocket_close_codes(door):
    with door.websocket() as ws:
        ws.send("close 4321")
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            ws.recv()
        assert closed.value.rcvd.code == 4321 and closed.value.rcvd.reason == "as asked"
    with door.websocket() as ws:
        ws.close(4000, "bye")
        assert ws.line.close_code == 4000
    with door.websocket() as ws:
        ws.send("drop")
        with pytest.raises(websockets.exceptions.ConnectionClosedError):
            ws.recv()


def test_many_websockets(door):
    lines = [door.websocket() for _ in range(50)]
    for number, ws in enumerate(lines):
        ws.send(str(number))
    assert [ws.recv() for ws in lines] == [str(number) for number in range(50)]
    for ws in lines:
        ws.close()


# --- What goes wrong ------------------------------------------------------------------------------

def test_a_closed_port(door):
    answer = door.one.request("GET", f"/sandboxes/{door.sandbox_id}/proxy/9/")
    assert answer.status_code == 502
    body = answer.json()
    assert body["sandboxId"] == door.sandbox_id and body["port"] == 9 and body["code"] == 502
    assert body["message"] and answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("port", ["0", "70000", "abc", "-1", "80a", "+80", "99999999999", "%20"])
def test_ports_that_are_none(door, port):
    answer = door.one.request("GET", f"/sandboxes/{door.sandbox_id}/proxy/{port}/")
    assert answer.status_code == 404 and answer.json()["code"] == "not_found"


@pytest.mark.parametrize("path", ["/closed", "/garbage", "/hijack"])
def test_programs_that_do_not_answer(door, path):
    answer = door.get(path)
    assert answer.status_code == 502 and answer.json()["code"] == 502
    assert door.get("/204").status_code == 204


def test_a_silent_program(door):
    begun = time.monotonic()
    answer = door.get("/silent")
    assert answer.status_code == 504 and answer.json()["code"] == "timeout"
    assert time.monotonic() - begun >= TIMEOUT_SECONDS


def test_a_program_that_does_not_read(door):
    answer = door.call("PUT", "/unread", content=pieces(64 * MEGA))
    assert answer.status_code == 504 and answer.json()["code"] == "timeout"


def test_a_program_that_refuses_a_body(door):
    line = door.raw("PUT", "/refuse", "Content-Length: 500000000\n", b"x" * 100_000)
    assert line.recv(100).startswith(b"HTTP/1.1 413")
    line.close()


@pytest.mark.parametrize("path", ["/half", "/half-chunked"])
def test_half_an_answer_is_seen_to_be_half(door, path):
    with pytest.raises(httpx.HTTPError):
        door.get(path)


def test_a_client_that_goes_away_in_the_middle(door):
    for _ in range(20):
        line = door.raw("PUT", "/echo", "Content-Length: 1000000\n", b"x" * 1000)
        line.close()
        line = door.raw("GET", "/endless")
        line.recv(1000)
        line.close()
    assert door.get("/204").status_code == 204


def test_paused_and_ended(one):
    sandbox_id = one.create()["sandbox_id"]
    path = f"/sandboxes/{sandbox_id}/proxy/8080/"
    one.request("POST", f"/sandboxes/{sandbox_id}/pause")
    paused = one.request("GET", path)
    assert paused.status_code == 409 and "paused" in paused.json()["detail"]
    one.destroy(sandbox_id, "?graceful=false")
    assert one.request("GET", path).status_code == 410
    assert one.request("GET", "/sandboxes/sbx-000000000000/proxy/80/").status_code == 404
    assert one.request("GET", path, key=None).status_code == 401
    assert one.request("GET", path, key="wrong").status_code == 403


def test_a_container_killed_under_a_download(one):
    door = Door(one, one.create()["sandbox_id"])
    with door.stream("/endless") as response:
        coming = response.iter_raw()
        next(coming)
        docker("kill", "matrx-" + door.sandbox_id)
        killed = time.monotonic()
        with pytest.raises(httpx.HTTPError):
            for _ in coming:
                pass
    assert time.monotonic() - killed < patience(10)
    wait_for("410", lambda: door.get("/").status_code == 410)


# --- Hostile headers ------------------------------------------------------------------------------

def test_no_key_of_ours_reaches_the_program(door):
    told = door.echo(headers={"Authorization": f"Bearer {KEY}", "Cookie": "a=1; matrx_session=s; b=2"})
    assert KEY not in json.dumps(told) and "Cookie" not in dict(told["headers"])
    as_bearer = door.call("GET", "/echo", key=None, headers={"Authorization": f"Bearer {KEY}"})
    assert KEY not in as_bearer.text
    own = door.echo(headers={"Authorization": "Bearer the-programs-own"})
    assert dict(own["headers"])["Authorization"] == "Bearer the-programs-own"
    twice = door.raw("GET", "/echo", f"x-api-key: {KEY}\nAUTHORIZATION: bearer  {KEY}\n"
                                     "Connection: close\n")
    assert KEY.encode() not in read_all(twice)


def test_an_answer_cannot_act_as_a_page_of_ours(door):
    answer = door.get("/origin")
    policies = answer.headers.get_list("content-security-policy")
    assert len(policies) == 2 and policies[0] == "default-src 'self'"
    assert policies[1].startswith("sandbox ") and "allow-same-origin" not in policies[1]
    assert answer.headers.get_list("set-cookie") == [
        f"{door.cookies}{own}; Path={door.path}" for own in ("mine=1", "matrx_session=evil")]
    for name in ("clear-site-data", "strict-transport-security", "alt-svc", "nel", "report-to",
                 "service-worker-allowed", "x-secret", "keep-alive"):
        assert name not in answer.headers, name
    assert answer.headers.get_list("x-request-id") != ["forged"]


def test_what_a_browser_has_for_our_host_stays_here(one, door):
    """Behind a link, where people are: its cookies and passwords do not go in, the program's come back to it alone."""
    link = one.request("POST", f"/sandboxes/{door.sandbox_id}/links", json={"port": 8080}).json()["path"]
    browser = {"Cookie": f"session=of-the-site; {door.cookies}mine=1", "Authorization": "Basic c2l0ZTpwYXNz",
               "X-Forwarded-Access-Token": "of-the-site"}
    told = one.request("GET", link + "echo", key=None, headers=browser).json()
    headers = {name.lower(): value for name, value in told["headers"]}
    assert headers["cookie"] == "mine=1"
    assert not {"authorization", "x-forwarded-access-token"} & set(headers)
    answer = one.request("GET", link + "origin", key=None)
    assert answer.headers.get_list("set-cookie")[0] == f"{door.cookies}mine=1; Path={link.rstrip('/')}"
    assert "www-authenticate" not in answer.headers
    # Our pages allow scripts of our own origin, and these are not ours.
    as_script = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "script"}
    assert one.request("GET", link + "origin", key=None, headers=as_script).status_code == 403
    as_its_own = {**as_script, "Sec-Fetch-Site": "cross-site"}
    assert one.request("GET", link + "origin", key=None, headers=as_its_own).status_code == 200


@pytest.mark.parametrize("lines, body", [
    ("Transfer-Encoding: chunked\nContent-Length: 4\n", b"1c\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
    ("Content-Length: 4\nTransfer-Encoding: chunked\n", b"0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
    ("Content-Length: 4\nContent-Length: 9\n", b"abcdefghi"),
    ("Transfer-Encoding: chunked, identity\n", b"0\r\n\r\n"),
    ("Transfer-Encoding: xchunked\n", b"0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
    ("Transfer-Encoding : chunked\n", b"0\r\n\r\n"),
    ("Content-Length: +4\n", b"abcd"), ("Content-Length: 4, 4\n", b"abcd"),
    ("Transfer-Encoding: chunked\n", b"zz\r\nabc\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked\n", b"ffffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
    ("X-A: 1\r\r\nX-B: 2\n", b""), (" folded: 1\n", b""), ("No-Colon\n", b""),
])
def test_smuggling_is_harmless(door, lines, body):
    answer = read_all(door.raw("POST", "/echo", lines + "Connection: close\n", body))
    # Refused, or one request of one meaning. What is behind it is never a second one.
    assert b"smuggled" not in answer
    assert answer.count(b"HTTP/1.1 ") <= 1, answer
    assert door.get("/204").status_code == 204


def test_headers_that_belong_to_the_connection_stay_here(door):
    line = door.raw("GET", "/echo", "Connection: X-One, keep-alive\nConnection: close, X-Two\n"
                                    "X-One: 1\nX-Two: 2\nX-Three: 3\nTE: trailers\n"
                                    "Proxy-Authorization: Basic abc\nKeep-Alive: 5\n")
    text = read_all(line)
    assert b"X-Three" in text
    for name in (b"X-One", b"X-Two", b'"TE"', b"Proxy-Authorization", b"Keep-Alive"):
        assert name not in text.partition(b"\r\n\r\n")[2], name


def test_targets_cannot_leave_the_line(door):
    for target in ("/echo?a=%0d%0aX-Evil:%201", "/echo?%00", "/" + "a" * 6000):
        answer = door.get(target)
        assert "x-evil" not in answer.headers and answer.status_code in (200, 404)
    assert door.get("/" + "a" * 20000).status_code in (414, 431)


# --- Ports ----------------------------------------------------------------------------------------

def test_ports_are_listed(one, door):
    one.run(door.sandbox_id, "nohup python3 -m http.server --bind 0.0.0.0 8090 >/dev/null 2>&1 &",
            user="root")
    ports = lambda: {p["port"]: p for p in one.request(
        "GET", f"/sandboxes/{door.sandbox_id}/ports").json()["ports"]}
    wait_for("both", lambda: {8080, 8090} <= set(ports()))
    listed = ports()
    assert set(listed) == {8080, 8090}, listed  # and not Docker's own resolver
    assert listed[8080]["address"] == "127.0.0.1" and listed[8080]["user"] == "agent"
    assert listed[8090]["address"] == "0.0.0.0" and listed[8090]["user"] == "root"
    for port in listed.values():
        assert port["process"].startswith("python3") and port["pid"] > 1
    page = one.request("GET", f"/sandboxes/{door.sandbox_id}/proxy/8090/etc/hostname")
    assert page.status_code in (200, 404)


def test_a_flood_of_connections_has_a_limit(one, door):
    stop = threading.Event()
    lines = []
    try:
        for _ in range(270):
            lines.append(door.raw("GET", "/endless"))
        answers = [line.recv(12)[9:12] for line in lines]
        assert b"200" in answers and set(answers) <= {b"200", b"429", b"502", b"504"}
    finally:
        stop.set()
        for line in lines:
            line.close()
    wait_for("room again", lambda: door.get("/204").status_code == 204, 30)
    assert socket.create_connection(("127.0.0.1", one.port)).close() is None
