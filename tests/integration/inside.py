"""Helpers of the tests that work inside a sandbox: files, raw HTTP, server-sent events, memory."""
import asyncio
import json
import pathlib
import re
import socket
import threading

import httpx
import websockets
from orchestrator import KEY, wait_for
from streams import lines

MEGA = 1024 * 1024


class Files:
    """The files of one sandbox, as a client sees them."""

    def __init__(self, one, sandbox_id):
        self.one, self.base = one, f"/sandboxes/{sandbox_id}/files"

    def call(self, method, path=None, route="", timeout=120, **arguments):
        query = {key: arguments.pop(key) for key in list(arguments)
                 if key in ("user", "depth", "recursive", "skip_unreadable", "outside_links")}
        if path is not None:
            query["path"] = path
        return self.one.request(method, self.base + route, params=query, timeout=timeout,
                                **arguments)

    def write(self, path, content, **arguments):
        return self.call("PUT", path, content=content, **arguments)

    def read(self, path, **arguments):
        return self.call("GET", path, **arguments)

    def stat(self, path, **arguments):
        return self.call("GET", path, "/stat", **arguments)

    def list(self, path, **arguments):
        return self.call("GET", path, "/list", **arguments)

    def names(self, path, **arguments):
        return sorted(entry["name"] for entry in self.list(path, **arguments).json()["entries"])

    def remove(self, path, **arguments):
        return self.call("DELETE", path, **arguments)

    def post(self, what, **body):
        return self.call("POST", None, "/" + what, json=body)

    def pack(self, path, **arguments):
        return self.call("GET", path, "/archive", **arguments)

    def unpack(self, path, content, **arguments):
        return self.call("PUT", path, "/archive", content=content, **arguments)


class EventStream:
    """Reads server-sent events in a thread: (name, data) in the order in which they came."""

    def __init__(self, one, path, params=None):
        self.events, self.ended, self.status = [], threading.Event(), None
        self.one, self.path, self.params = one, path, params
        self.stopped = False
        threading.Thread(target=self.read, daemon=True).start()
        wait_for("the stream", lambda: self.events or self.ended.is_set())

    def read(self):
        try:
            with self.one.stream("GET", self.path, params=self.params, timeout=None) as response:
                self.status = response.status_code
                name = None
                for line in lines(response):
                    if line.startswith("event: "):
                        name = line[7:]
                    elif line.startswith("data: "):
                        self.events.append((name, json.loads(line[6:])))
                    if self.stopped:
                        break
        except httpx.HTTPError:
            pass
        self.ended.set()

    def of(self, name):
        return [data for one, data in list(self.events) if one == name]

    def close(self):
        self.stopped = True


def raw(one, text, body=b"", timeout=30):
    """Sends these bytes as they are, and answers the connection."""
    line = socket.create_connection(("127.0.0.1", one.port), timeout=timeout)
    line.sendall(text.replace("\n", "\r\n").encode() + body)
    return line


def read_all(line):
    text = b""
    try:
        while piece := line.recv(65536):
            text += piece
    except ConnectionResetError:
        pass
    line.close()
    return text


class Peak:
    """The most memory that a process has held since this was made, in KiB."""

    def __init__(self, pid):
        self.folder = pathlib.Path(f"/proc/{pid}")
        (self.folder / "clear_refs").write_text("5")
        self.before = self.value("VmRSS")

    def value(self, name):
        return int(re.search(name + r":\s+(\d+)", (self.folder / "status").read_text()).group(1))

    def grown_kb(self):
        return self.value("VmHWM") - self.before


def agent_pid(one, sandbox_id):
    """Of the agent of a sandbox, as this machine counts: the child of Docker's init."""
    init = one.docker("inspect", "-f", "{{.State.Pid}}", "matrx-" + sandbox_id)
    children = pathlib.Path(f"/proc/{init}/task/{init}/children").read_text().split()
    return children[0]


def pieces(total, size=256 * 1024):
    """A body of so many bytes whose every piece is another one, and whose sum can be known."""
    for at in range(0, total, size):
        block = (at // size).to_bytes(8, "little") * (size // 8)
        yield block[:min(size, total - at)]


class WebSocket:
    """A client whose calls wait; the package has such only since version 11."""

    def __init__(self, one, path, **arguments):
        newer = int(websockets.__version__.partition(".")[0]) >= 14
        headers = {"additional_headers" if newer else "extra_headers": {"X-API-Key": KEY}}
        self.loop = asyncio.new_event_loop()
        url = one.url(path).replace("http:", "ws:")

        async def connect():
            return await websockets.connect(url, max_size=None, **headers, **arguments)
        self.line = self.wait(connect())

    def wait(self, coroutine, seconds=30):
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, seconds))

    def send(self, message):
        self.wait(self.line.send(message))

    def recv(self):
        return self.wait(self.line.recv())

    def ping(self):
        async def both():
            await (await self.line.ping())
        self.wait(both())

    def close(self, *arguments):
        self.wait(self.line.close(*arguments))
        self.loop.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.loop.is_closed():
            self.close()
