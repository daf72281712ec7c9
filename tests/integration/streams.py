"""What tests need to read streams of the API, and to know what must be in them."""
import base64
import json

LINE_BYTES = 16


def numbered(begin, end):
    """Bytes [begin, end) of 0, 1, 2, …, each in a line of 16 bytes."""
    first, last = begin // LINE_BYTES, -(-end // LINE_BYTES)
    text = b"".join(b"%015d\n" % number for number in range(first, last))
    return text[begin - first * LINE_BYTES:][:end - begin]


def writer_of(total_bytes, piece_bytes, pause_s, gate_bytes=None):
    """A program that writes numbered(0, total), a piece at a time; behind the gate it goes slowly
    until there is a file /tmp/go-on."""
    gate = total_bytes if gate_bytes is None else gate_bytes
    return ("import os, sys, time\n"
            f"for at in range(0, {total_bytes}, {piece_bytes}):\n"
            f"  end = min({total_bytes}, at + {piece_bytes})\n"
            "  text = b''.join(b'%015d\\n' % n for n in range(at // 16, -(-end // 16)))\n"
            "  sys.stdout.buffer.write(text[at % 16:][:end - at])\n"
            "  sys.stdout.buffer.flush()\n"
            f"  waits = end >= {gate} and not os.path.exists('/tmp/go-on')\n"
            f"  time.sleep(0.4 if waits else {pause_s})\n")


def lines(response):
    """Without their ends. Old versions of httpx take tens of times as long for it."""
    rest = b""
    for piece in response.iter_raw():
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode() for line in whole)


def events(response):
    """(name, data, id) of server-sent events; comments are named "comment"."""
    name, data, event_id = None, None, None
    for line in lines(response):
        if line.startswith(":"):
            yield "comment", line[1:], None
        elif not line and name:
            yield name, json.loads(data), event_id
            name, data, event_id = None, None, None
        elif line:
            key, _, value = line.partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                data = value
            elif key == "id":
                event_id = int(value)


def exec_stream(one, sandbox_id, command, query="", **fields):
    """All events of a command, without comments."""
    body = {"command": command, **fields}
    with one.stream("POST", f"/sandboxes/{sandbox_id}/exec/stream{query}", json=body) as response:
        if response.status_code != 200:
            return [("refused", {"status": response.status_code, **json.loads(response.read())},
                     None)]
        return [event for event in events(response) if event[0] != "comment"]


class Reader:
    """Follows the output of a process over any number of connections."""

    def __init__(self, one, sandbox_id, process_id):
        self.one, self.path = one, f"/sandboxes/{sandbox_id}/processes/{process_id}/output"
        self.offset, self.pieces, self.gaps, self.exit, self.error = 0, [], [], None, None

    def read(self, enough=None, when_begun=lambda: None):
        """Until the end, until the connection breaks, or until enough bytes are there."""
        path = f"{self.path}?follow=true&encoding=base64&since={self.offset}"
        with self.one.stream("GET", path) as response:
            if response.status_code != 200:
                response.read()
                raise AssertionError(response.text)
            begun = False
            for name, data, event_id in events(response):
                if not begun:
                    begun = True
                    when_begun()
                if name in ("stdout", "stderr", "terminal"):
                    assert data["offset"] == self.offset, (data["offset"], self.offset)
                    self.pieces.append(base64.b64decode(data["data"]))
                    self.offset += len(self.pieces[-1])
                    assert event_id == self.offset
                elif name == "gap":
                    assert data["from"] == self.offset
                    self.gaps.append((data["from"], data["to"]))
                    self.offset = data["to"]
                elif name == "exit":
                    self.exit = data
                elif name == "error":
                    self.error = data
                if enough is not None and self.offset >= enough:
                    return

    def bytes(self):
        return b"".join(self.pieces)
