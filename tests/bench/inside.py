"""The ways into a sandbox: streams, files, ports, terminals; each beside the bare agent or Docker's own tool.

    inside.py --build build/release      these figures alone
"""
import argparse
import asyncio
import base64
import concurrent.futures
import http.client
import io
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

import websockets

import bench

MEGA = 1024 * 1024
SERVER = """
const body = Buffer.alloc(65536, 'x');
require('http').createServer((request, response) => {
  if (request.url === '/small') return response.end('hello');
  let left = Number(request.url.split('?')[1]);
  response.setHeader('Content-Length', left);
  const more = () => {
    while (left > 0) {
      const count = Math.min(left, body.length);
      left -= count;
      if (!response.write(body.subarray(0, count))) return response.once('drain', more);
    }
    response.end();
  };
  more();
}).listen(8080, '127.0.0.1');
"""


class Box:
    def __init__(self, orchestrator):
        self.orchestrator = orchestrator
        self.client = orchestrator.connect()
        row = orchestrator.create(self.client)
        self.id, self.container = row["sandbox_id"], row["container_id"]
        self.path = f"/sandboxes/{self.id}"

    def agent(self):
        return bench.UnixConnection(
            f"{self.orchestrator.data}/sandboxes/{self.id}/run/agent.sock")

    def run(self, command):
        return bench.call(self.client, "POST", self.path + "/exec", {"command": command})


def read_until(response, word):
    text = b""
    while word not in text:
        piece = response.read1(65536)
        if not piece:
            sys.exit(f"the stream ended before {word!r}: {text!r}")
        text += piece
    return text


def stream_ours(box):
    connection = box.orchestrator.connect()
    connection.request("POST", box.path + "/exec/stream", json.dumps({"command": "echo hi"}))
    response = connection.getresponse()
    read_until(response, b"event: stdout")
    return connection


def stream_bare(box):
    connection = box.agent()
    message = json.dumps({"process": {"cmd": "echo hi", "shell": True}, "offsets": True}).encode()
    user = base64.b64encode(b"agent:").decode()
    connection.request("POST", "/process.Process/Start",
                       struct.pack(">BI", 0, len(message)) + message,
                       {"Content-Type": "application/connect+json",
                        "Authorization": "Basic " + user})
    read_until(connection.getresponse(), b'"stdout"')
    return connection


def measure_first_byte(box, rounds):
    ours, bare = [], []
    for i in range(rounds + 10):
        took, one = bench.timed_ms(lambda: stream_ours(box))
        one.close()
        floor, other = bench.timed_ms(lambda: stream_bare(box))
        other.close()
        if i >= 10:
            ours.append(took)
            bare.append(floor)
    return ours, bare


def measure_streams(box, count):
    """(seconds until all have ended, how late each second line was in ms, ended without an exit)"""
    late, broken = [], []

    def one(_):
        connection = box.orchestrator.connect()
        connection.request("POST", box.path + "/exec/stream",
                           json.dumps({"command": "echo a; sleep 2; date +%s.%N; sleep 1"}))
        response = connection.getresponse()
        text = b""
        while b"event: exit" not in text:
            piece = response.read1(65536)
            if not piece:
                broken.append(text)
                break
            if b"." in piece and b"stdout" in piece:
                for line in piece.decode().splitlines():
                    if line.startswith("data: ") and '."' not in line and '"data"' in line:
                        said = json.loads(line[6:]).get("data", "").strip()
                        if "." in said:
                            late.append((time.time() - float(said)) * 1000)
            text += piece
        connection.close()

    begun = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        list(pool.map(one, range(count)))
    return time.perf_counter() - begun, late, len(broken)


def rate(size, action):
    begun = time.perf_counter()
    action()
    return size / MEGA / (time.perf_counter() - begun)


def put(box, path, file, size):
    connection = box.orchestrator.connect()
    with open(file, "rb") as content:
        connection.request("PUT", box.path + path, content, {"Content-Length": str(size)})
        response = connection.getresponse()
        if response.status != 200:
            sys.exit(f"PUT answered {response.status}: {response.read()!r}")
        response.read()


def get(box, path):
    connection = box.orchestrator.connect()
    connection.request("GET", box.path + path)
    drain(connection.getresponse())


def drain(response):
    if response.status != 200:
        sys.exit(f"answered {response.status}")
    buffer = bytearray(MEGA)
    while response.readinto(buffer):
        pass


def docker(*arguments, **options):
    subprocess.run(["docker", *arguments], check=True, stdout=subprocess.DEVNULL, **options)


def measure_files(box, folder, size):
    """MiB/s: (ours up, docker cp up, ours down, docker cp down), medians of three in turns."""
    source = os.path.join(folder, "large")
    with open(source, "wb") as out:
        for _ in range(size // MEGA):
            out.write(os.urandom(MEGA))
    figures = [[], [], [], []]
    for _ in range(3):
        figures[0].append(rate(size, lambda: put(box, "/files?path=/tmp/a", source, size)))
        figures[1].append(rate(size, lambda: docker("cp", source, f"{box.container}:/tmp/b")))
        figures[2].append(rate(size, lambda: get(box, "/files?path=/tmp/a")))
        back = os.path.join(folder, "back")
        figures[3].append(rate(size, lambda: docker("cp", f"{box.container}:/tmp/b", back)))
    box.run("rm /tmp/a; sudo rm -f /tmp/b")
    return [bench.percentile(one, .5) for one in figures]


def measure_archive(box, folder, count):
    """Seconds: (ours up, docker cp up, ours down, docker cp down), best of two in turns."""
    archive = os.path.join(folder, "many.tar")
    with tarfile.open(archive, "w") as tar:
        for i in range(count):
            one = tarfile.TarInfo(f"many/{i % 100}/{i}")
            one.size = 1000
            tar.addfile(one, io.BytesIO(os.urandom(1000)))
    size = os.path.getsize(archive)
    figures = [[], [], [], []]
    for turn in range(2):
        def up(): put(box, f"/files/archive?path=/tmp/ours{turn}", archive, size)
        def up_docker():
            box.run(f"mkdir /tmp/theirs{turn}")
            with open(archive, "rb") as content:
                docker("cp", "-", f"{box.container}:/tmp/theirs{turn}", stdin=content)
        def down(): get(box, f"/files/archive?path=/tmp/ours{turn}")
        def down_docker(): docker("cp", f"{box.container}:/tmp/theirs{turn}", "-")
        for figure, action in zip(figures, (up, up_docker, down, down_docker)):
            figure.append(bench.timed_ms(action)[0] / 1000)
    return [min(one) for one in figures]


class Tunnel(http.client.HTTPConnection):
    """HTTP through the agent's tunnel, without the orchestrator."""

    def __init__(self, box):
        super().__init__("localhost", timeout=120)
        self.box = box

    def connect(self):
        agent = self.box.agent()
        agent.connect()
        agent.sock.sendall(b"GET /matrx/tunnel?port=8080 HTTP/1.1\r\nHost: a\r\n"
                           b"Connection: Upgrade\r\nUpgrade: matrx-tunnel\r\n\r\n")
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += agent.sock.recv(1)
        if b" 101 " not in answer:
            sys.exit(f"no tunnel: {answer!r}")
        self.sock = agent.sock


def ask(connection, path):
    connection.request("GET", path)
    drain(connection.getresponse())


def per_second(make, path, workers, duration_s):
    stop, counts = time.perf_counter() + duration_s, []

    def work():
        count = 0
        while time.perf_counter() < stop:
            connection = make()
            ask(connection, path)
            connection.close()
            count += 1
        counts.append(count)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / duration_s


def measure_proxy(box, size, duration_s):
    """(MiB/s ours, MiB/s tunnel, requests/s ours, requests/s tunnel); a tunnel for each request."""
    put_text = box.orchestrator.connect()
    put_text.request("PUT", box.path + "/files?path=/tmp/server.js", SERVER)
    put_text.getresponse().read()
    box.run("nohup node /tmp/server.js >/dev/null 2>&1 &")
    time.sleep(2)
    proxied = box.path + "/proxy/8080"
    ours, bare = [], []
    for _ in range(3):
        ours.append(rate(size, lambda: ask(box.orchestrator.connect(), f"{proxied}/?{size}")))
        bare.append(rate(size, lambda: ask(Tunnel(box), f"/?{size}")))
    return (bench.percentile(ours, .5), bench.percentile(bare, .5),
            per_second(box.orchestrator.connect, proxied + "/small", 8, duration_s),
            per_second(lambda: Tunnel(box), "/small", 8, duration_s))


def measure_terminal(box, rounds):
    """Milliseconds from a key to its echo."""
    async def run():
        url = f"ws://127.0.0.1:{box.orchestrator.port}{box.path}/pty"
        took = []
        async with websockets.connect(url, max_size=None) as line:
            await line.send(b"stty -icanon -echo; PS1=; exec cat\n")
            await asyncio.sleep(1)
            while True:
                try:
                    await asyncio.wait_for(line.recv(), 0.5)
                except asyncio.TimeoutError:
                    break
            for i in range(rounds + 10):
                begun = time.perf_counter()
                await line.send(b"k")
                while not isinstance(await line.recv(), bytes):
                    pass
                if i >= 10:
                    took.append((time.perf_counter() - begun) * 1000)
                await asyncio.sleep(0.005)
        return took
    return asyncio.run(run())


def report(orchestrator, quick=False):
    box = Box(orchestrator)
    rows = []
    ours, bare = measure_first_byte(box, 30 if quick else 200)
    for name, part in (("p50", .5), ("p99", .99)):
        a, b = bench.percentile(ours, part), bench.percentile(bare, part)
        rows.append((f"exec/stream: request to first output, {name}", f"{a:.2f} ms",
                     f"bare agent {b:.2f} ms", f"{a / b:.2f}"))
    took, late, broken = measure_streams(box, 100)
    rows.append(("100 streams at once, 3 s of sleep each: all ended after", f"{took:.2f} s",
                 f"a line on its way: p50 {bench.percentile(late, .5):.1f} ms, "
                 f"p99 {bench.percentile(late, .99):.1f} ms; {broken} without their end", ""))
    size = (64 if quick else 512) * MEGA
    with tempfile.TemporaryDirectory(prefix="matrx-bench-") as folder:
        up, up_docker, down, down_docker = measure_files(box, folder, size)
        rows.append((f"a file of {size // MEGA} MiB up", f"{up:.0f} MiB/s",
                     f"`docker cp` {up_docker:.0f} MiB/s", f"{up / up_docker:.2f}"))
        rows.append(("the same down", f"{down:.0f} MiB/s", f"`docker cp` {down_docker:.0f} MiB/s",
                     f"{down / down_docker:.2f}"))
        up, up_docker, down, down_docker = measure_archive(box, folder, 10_000)
        rows.append(("10,000 files of 1 kB as an archive, up", f"{up:.2f} s",
                     f"`docker cp -` {up_docker:.2f} s", f"{up / up_docker:.2f}"))
        rows.append(("the same down", f"{down:.2f} s", f"`docker cp … -` {down_docker:.2f} s",
                     f"{down / down_docker:.2f}"))
    fast, bare, many, many_bare = measure_proxy(box, size, 2 if quick else 5)
    rows.append((f"proxy: an answer of {size // MEGA} MiB", f"{fast:.0f} MiB/s",
                 f"bare tunnel {bare:.0f} MiB/s", f"{fast / bare:.2f}"))
    rows.append(("proxy: small requests, 8 clients, a connection each", f"{many:.0f}/s",
                 f"bare tunnel {many_bare:.0f}/s", f"{many / many_bare:.2f}"))
    echo = measure_terminal(box, 50 if quick else 300)
    rows.append(("terminal: key to echo, p50", f"{bench.percentile(echo, .5):.2f} ms",
                 f"p99 {bench.percentile(echo, .99):.2f} ms", ""))
    resident = bench.resident_kb(orchestrator.process.pid) / 1024
    rows.append(("memory of the orchestrator after all of it", f"{resident:.1f} MB", "", ""))
    load = pathlib.Path("/proc/loadavg").read_text().split()[0]
    lines = ["", "## Inside of sandboxes", "",
             "The client is Python, on the same machine: it costs both sides of a ratio the same. "
             f"Load of the machine at the end: {load}.", "",
             "| what | measured | beside | ratio |", "|---|---|---|---|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    orchestrator = bench.Orchestrator(arguments.build)
    try:
        print(report(orchestrator, arguments.quick))
    finally:
        orchestrator.stop()


if __name__ == "__main__":
    main()
