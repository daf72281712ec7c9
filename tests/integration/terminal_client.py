"""A terminal of a sandbox, seen through a real WebSocket client; and a hand-made one that can speak
nonsense."""
import asyncio
import base64
import inspect
import json
import os
import socket
import struct
import threading
import time

import websockets
from orchestrator import KEY
from patience import patience
from websockets.exceptions import ConnectionClosed


class Socket:
    """A WebSocket of the asyncio client, for tests that are not coroutines. Debian 12 has no other
    one."""
    loop = None

    def __init__(self, url, headers):
        if Socket.loop is None:
            Socket.loop = asyncio.new_event_loop()
            threading.Thread(target=Socket.loop.run_forever, daemon=True).start()
        # Its name has changed over the versions.
        known = inspect.signature(websockets.connect.__init__).parameters
        name = "extra_headers" if "extra_headers" in known else "additional_headers"

        async def begin():
            return await websockets.connect(url, max_size=None, max_queue=None, compression=None,
                                            close_timeout=2, **{name: headers})
        self.socket = self.wait(begin())

    @staticmethod
    def wait(task):
        return asyncio.run_coroutine_threadsafe(task, Socket.loop).result(patience(30))

    def recv(self, timeout):
        return self.wait(asyncio.wait_for(self.socket.recv(), timeout))

    def send(self, message):
        self.wait(self.socket.send(message))

    def close(self):
        self.wait(self.socket.close())

    def abort(self):
        Socket.loop.call_soon_threadsafe(self.socket.transport.abort)

    def close_code(self):
        return self.socket.close_code


class Terminal:
    """One viewer. Counts offsets as a client does that wants to come back."""

    def __init__(self, one, sandbox_id, **query):
        text = "&".join(f"{key}={value}" for key, value in query.items())
        self.socket = Socket(f"ws://127.0.0.1:{one.port}/sandboxes/{sandbox_id}/pty?{text}",
                             {"X-API-Key": KEY})
        self.shown, self.told, self.gaps, self.closed = bytearray(), [], [], False
        self.ready = json.loads(self.socket.recv(timeout=patience(20)))
        assert self.ready["type"] == "ready", self.ready
        self.terminal_id, self.offset = self.ready["terminal_id"], self.ready["offset"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def take(self, timeout):
        """One message, if one comes."""
        try:
            message = self.socket.recv(timeout=timeout)
        except (TimeoutError, asyncio.TimeoutError):  # one and the same since Python 3.11
            return
        except ConnectionClosed:
            self.closed = True
            return
        if isinstance(message, bytes):
            self.shown += message
            self.offset += len(message)
            return
        self.told.append(json.loads(message))
        if self.told[-1]["type"] == "gap":
            assert self.told[-1]["from"] == self.offset
            self.gaps.append((self.told[-1]["from"], self.told[-1]["to"]))
            self.offset = self.told[-1]["to"]

    def wait(self, what, condition, seconds=30):
        deadline = time.monotonic() + patience(seconds)
        while not (answer := condition()):
            assert time.monotonic() < deadline and not self.closed, \
                f"not within {seconds} s: {what}; shown: {self.shown[-300:]!r}, " \
                f"told: {self.told[-5:]}, closed: {self.closed}"
            self.take(0.2)
        return answer

    def see(self, text, seconds=30):
        """Waits until it is shown, and forgets what was shown up to there."""
        text = text.encode() if isinstance(text, str) else text
        searched = 0

        def found():
            nonlocal searched
            at = self.shown.find(text, searched)
            searched = max(0, len(self.shown) - len(text))
            return at + len(text) if at >= 0 else None
        end = self.wait(f"{text!r} on the terminal", found, seconds)
        before, self.shown = self.shown[:end], self.shown[end:]
        return before

    def hear(self, **fields):
        """Waits for a message with these fields, and answers it."""
        def found():
            for number, message in enumerate(self.told):
                if all(message.get(key) == value for key, value in fields.items()):
                    return self.told.pop(number)
            return None
        return self.wait(f"{fields}", found)

    def type(self, text):
        self.socket.send(text.encode() if isinstance(text, str) else text)

    def tell(self, **fields):
        self.socket.send(json.dumps(fields))

    def drop(self):
        """Goes without a word, as a laptop that is shut."""
        self.socket.abort()


class RawTerminal:
    """A client that may say anything."""

    def __init__(self, one, sandbox_id, query="", **headers):
        self.socket = socket.create_connection(("127.0.0.1", one.port), timeout=patience(20))
        fields = {"Host": "x", "X-API-Key": KEY, "Upgrade": "websocket", "Connection": "Upgrade",
                  "Sec-WebSocket-Version": "13",
                  "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
        self.socket.sendall(f"GET /sandboxes/{sandbox_id}/pty?{query} HTTP/1.1\r\n{lines}\r\n"
                            .encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = self.socket.recv(4096)
            assert piece, answer
            answer += piece
        self.status = int(answer.split()[1])
        self.head = answer

    def send(self, opcode, payload, masked=True, length=None, fin=True):
        head = bytes([(0x80 if fin else 0) | opcode])
        announced = len(payload) if length is None else length
        mask_bit = 0x80 if masked else 0
        if announced < 126:
            head += bytes([mask_bit | announced])
        elif announced < 65536:
            head += bytes([mask_bit | 126]) + struct.pack(">H", announced)
        else:
            head += bytes([mask_bit | 127]) + struct.pack(">Q", announced)
        mask = b"\x11\x22\x33\x44"
        if masked:
            payload = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        self.socket.sendall(head + (mask if masked else b"") + payload)

    def body(self):
        """Of a refusal: what came with its header, or behind it."""
        text = self.head.partition(b"\r\n\r\n")[2]
        return text or self.socket.recv(65536)

    def is_ended(self):
        """Reads to the end of the connection."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True

    def close(self):
        self.socket.close()
