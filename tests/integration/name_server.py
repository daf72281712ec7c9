"""A name server of the tests' own, on this host's loopback: answers what it is told to, and remembers what it heard."""
import socket
import struct
import threading

A, TXT = 1, 16


def read_name(packet, at=12):
    labels = []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    return ".".join(labels), at + 1


class NameServer:
    def __init__(self, addresses):
        self.addresses, self.heard = addresses, []  # {name: [address]}, [(name, type, bytes of the query)]
        self.line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.line.bind(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self.line.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                packet, asker = self.line.recvfrom(4096)
            except OSError:
                return
            name, end = read_name(packet)
            kind = struct.unpack(">H", packet[end:end + 2])[0]
            self.heard.append((name.lower(), kind, len(packet)))
            found = self.addresses.get(name.lower())
            records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", A, 1, 60, 4) + socket.inet_aton(address)
                               for address in found or [] if kind == A)
            room = 1232 if packet[10:12] != b"\0\0" else 512  # who says nothing (EDNS) takes 512
            flags = 0x8180 if found else 0x8183
            if 12 + end - 8 + len(records) > room:  # truncated, as some servers do it: to nothing
                flags, records = flags | 0x200, b""
            header = packet[:2] + struct.pack(">HHHHH", flags, 1, len(records) // 16, 0, 0)
            self.line.sendto(header + packet[12:end + 4] + records, asker)

    def close(self):
        self.line.close()
