"""A way to an S3 server on which things go wrong: an HTTP relay with switches.

It passes every byte as it came, the Host header too, which the client has signed. Each fault is for
requests of a `method`, with a text in their `path`, for a `share` of them, and so many `times`.
"""
import collections
import contextlib
import dataclasses
import random
import select
import socket
import struct
import threading
import time

CHUNK = 65536
HEAD_BYTES_MAX = 65536
CODES = {403: "AccessDenied", 500: "InternalError", 503: "SlowDown"}


@dataclasses.dataclass(eq=False)
class Fault:
    kind: str
    value: float = 0
    method: str = ""
    path: str = ""
    share: float = 1.0
    times: int = -1
    hits: int = 0


class Cut(Exception):
    """This connection ends now, without a farewell."""


class Peer:
    """One end of the relay, read by heads and bodies."""

    def __init__(self, connection):
        self.socket = connection
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.held = b""

    def more(self):
        data = self.socket.recv(CHUNK)
        self.held += data
        return bool(data)

    def head(self):
        """The bytes of a head with its empty line; none when the other side has closed."""
        while b"\r\n\r\n" not in self.held:
            if len(self.held) > HEAD_BYTES_MAX or not self.more():
                return b""
        end = self.held.index(b"\r\n\r\n") + 4
        head, self.held = self.held[:end], self.held[end:]
        return head

    def take(self, size):
        """Up to `size` bytes."""
        if not self.held and not self.more():
            raise Cut
        piece, self.held = self.held[:size], self.held[size:]
        return piece

    def line(self):
        while b"\r\n" not in self.held:
            if not self.more():
                raise Cut
        end = self.held.index(b"\r\n") + 2
        line, self.held = self.held[:end], self.held[end:]
        return line

    def body(self, fields):
        """The bytes of a body, piece by piece, its chunk marks included."""
        if "chunked" in fields.get("transfer-encoding", ""):
            while True:
                mark = self.line()
                yield mark
                size = int(mark.split(b";")[0], 16)
                yield from self.exactly(size + 2 if size else 0)
                if size == 0:
                    break
            while True:  # trailers
                line = self.line()
                yield line
                if line == b"\r\n":
                    return
        yield from self.exactly(int(fields.get("content-length", 0)))

    def exactly(self, size):
        while size > 0:
            piece = self.take(size)
            size -= len(piece)
            yield piece

    def reset(self):
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads from it
        self.socket.close()


def parse(head):
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return first, {name.strip().lower(): value.strip() for name, value in pairs}


class S3Faults:
    def __init__(self, target_port, seed=1):
        self.target_port = target_port
        self.lock = threading.Lock()
        self.random = random.Random(seed)
        self.faults = []
        self.peers = set()
        self.counts = collections.Counter()  # requests by method
        self.requests = []                   # "PUT /bucket/key?x", in their order
        self.failed = 0                      # requests that met a fault
        self.port = 0
        self.listener = None
        self.accept()
        self.url = f"http://127.0.0.1:{self.port}"

    # --- Switches ---
    def answer(self, status, **which):
        """An error of S3 instead of what the server would say."""
        return self.add("answer", status, **which)

    def delay(self, seconds, **which):
        return self.add("delay", seconds, **which)

    def cut_upload(self, after=0, **which):
        """Resets the connection after so many bytes of a request's body; 0 = half of it."""
        return self.add("cut_upload", after, **which)

    def cut_download(self, after=0, **which):
        """Resets the connection after so many bytes of an answer's body; 0 = half of it."""
        return self.add("cut_download", after, **which)

    def cut_answer(self, **which):
        """The server does what it was asked, and nobody hears of it."""
        return self.add("cut_answer", **which)

    def stall(self, **which):
        """Reads the request's head and nothing else, until heal()."""
        return self.add("stall", **which)

    def add(self, kind, value=0, **which):
        fault = Fault(kind, value, **which)
        with self.lock:
            self.faults.append(fault)
        return fault

    def heal(self, fault=None):
        """Everything works again, or that fault is over."""
        with self.lock:
            self.faults = [one for one in self.faults if fault and one is not fault]
        if self.listener is None:
            self.accept()

    def refuse(self):
        """Resets what is connected and refuses new connections, until heal()."""
        listener, self.listener = self.listener, None
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        self.cut_all()

    def cut_all(self):
        with self.lock:
            peers = list(self.peers)
        for peer in peers:
            peer.reset()

    def close(self):
        if self.listener is not None:
            self.refuse()
        self.faults = []

    # --- The relay ---
    def accept(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.listen, args=(self.listener,), daemon=True).start()

    def listen(self, listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        client, server = Peer(connection), None
        try:
            server = Peer(socket.create_connection(("127.0.0.1", self.target_port)))
            with self.lock:
                self.peers |= {client, server}
            # Both are watched between two requests: a server that goes is news for the client.
            while client.held or client.socket in select.select(
                    [client.socket, server.socket], [], [])[0]:
                if not self.exchange(client, server):
                    break
        except (OSError, ValueError, Cut):
            pass
        finally:
            for peer in (client, server):
                if peer is not None:
                    peer.reset()
            with self.lock:
                self.peers -= {client, server}

    def exchange(self, client, server):
        """One request and its answer. Answers whether the connection goes on."""
        head = client.head()
        if not head:
            return False
        first, fields = parse(head)
        method, target, _ = first.split(" ", 2)
        faults = self.pick(method, target)
        if "delay" in faults:
            time.sleep(faults["delay"].value)
        while "stall" in faults and faults["stall"] in self.faults:
            time.sleep(0.02)
        if "stall" in faults:
            raise Cut
        if "answer" in faults:
            return self.answer_error(client, method, fields, int(faults["answer"].value))

        server.socket.sendall(head)
        if fields.get("expect", "").lower() == "100-continue":
            answer = server.head()
            if not answer:
                raise Cut
            client.socket.sendall(answer)
            if not answer.split(b" ", 2)[1:2] == [b"100"]:
                return self.pass_body(server, client, method, answer, faults) and False
        limit = self.limit(faults.get("cut_upload"), fields)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            # A server that does not want all of the body answers and closes: that answer counts.
            for piece in client.body(fields):
                limit = self.spend(limit, piece, server)
        if "cut_answer" in faults:
            server.head()
            raise Cut
        answer = server.head()
        if not answer:
            raise Cut
        client.socket.sendall(answer)
        return self.pass_body(server, client, method, answer, faults)

    def pass_body(self, server, client, method, head, faults):
        first, fields = parse(head)
        status = first.split(" ")[1]
        if method != "HEAD" and status not in ("204", "304"):
            limit = self.limit(faults.get("cut_download"), fields)
            for piece in server.body(fields):
                limit = self.spend(limit, piece, client)
        return fields.get("connection", "").lower() != "close"

    def limit(self, fault, fields):
        if fault is None:
            return None
        return int(fault.value) or int(fields.get("content-length", 0)) // 2

    def spend(self, limit, piece, receiver):
        if limit is not None and limit < len(piece):
            receiver.socket.sendall(piece[:limit])
            raise Cut
        receiver.socket.sendall(piece)
        return None if limit is None else limit - len(piece)

    def answer_error(self, client, method, fields, status):
        expects = "expect" in fields
        if not expects:  # who expects nothing is sending its body already
            for _ in client.body(fields):
                pass
        code = CODES.get(status, "InternalError")
        text = ('<?xml version="1.0" encoding="UTF-8"?><Error>'
                f"<Code>{code}</Code><Message>A test wants this</Message>"
                "<RequestId>0</RequestId><HostId>faults</HostId></Error>").encode()
        head = (f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\n"
                f"Content-Length: {len(text)}\r\n" + "Connection: close\r\n" * expects + "\r\n")
        client.socket.sendall(head.encode() + (b"" if method == "HEAD" else text))
        return not expects

    def pick(self, method, target):
        """The faults that this request meets, by kind."""
        with self.lock:
            self.counts[method] += 1
            self.requests.append(f"{method} {target}")
            met = {}
            for fault in self.faults:
                if (fault.kind in met or fault.times == 0 or fault.path not in target
                        or fault.method not in ("", method)
                        or self.random.random() >= fault.share):
                    continue
                fault.times -= 1
                fault.hits += 1
                met[fault.kind] = fault
            self.failed += bool(met)
            return met
