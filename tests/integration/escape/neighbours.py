"""What lies around a host, for sandboxes to reach or not: machines of several address ranges, services of the host."""
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading

from patience import patience

PORT = 7777
SERVER = f"""
import socket, threading
def echo():
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.bind(("", 53))
    while True:
        text, asker = line.recvfrom(100)
        line.sendto(text, asker)
threading.Thread(target=echo, daemon=True).start()
server = socket.create_server(("", {PORT}), backlog=64)
print("ready", flush=True)
while True:
    server.accept()[0].close()
"""


def ip(*words, check=True):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, (words, done.stderr)
    return done.stdout


def free_number():
    """One whose addresses no other run beside us has."""
    taken = ip("-4", "addr")
    return next(number for number in ((os.getpid() + i) % 60 for i in range(60))
                if f"203.0.113.{4 * number + 1}/" not in taken)


class Neighbours:
    """A network namespace that the host has routes to, as if it were a machine at each of these addresses. What a
    run adds to the host carries its process id, and goes with close()."""

    def __init__(self):
        number = free_number()
        self.space = f"matrx-escape-{os.getpid()}"
        self.link = f"mxe{os.getpid()}"
        near, self.public = (f"203.0.113.{4 * number + i}" for i in (1, 2))  # an address for examples
        self.far = {"metadata_range": f"169.254.{100 + number}.2", "private_range": f"10.213.{number}.2",
                    "shared_range": f"100.64.{number}.2"}
        self.table = str(20000 + os.getpid() % 10000)
        self.rules, self.undo = [], []
        ip("netns", "add", self.space)
        ip("link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.space)
        ip("addr", "add", near + "/30", "dev", self.link)
        ip("link", "set", self.link, "up")
        for words in (["link", "set", "lo", "up"], ["addr", "add", self.public + "/30", "dev", "eth0"],
                      ["link", "set", "eth0", "up"], ["route", "add", "default", "via", near],
                      *(["addr", "add", address + "/32", "dev", "lo"]
                        for address in [*self.far.values(), "169.254.169.254"])):
            ip("-n", self.space, *words)
        for address in self.far.values():
            ip("route", "add", address + "/32", "via", self.public)
        # For packets of the sandboxes' bridges only: the host may need the true one.
        ip("route", "add", "169.254.169.254/32", "via", self.public, "table", self.table)
        self.server = subprocess.Popen(["ip", "netns", "exec", self.space, sys.executable, "-c", SERVER],
                                       stdout=subprocess.PIPE, text=True)
        assert self.server.stdout.readline() == "ready\n"
        self.service = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind("\0" + self.space)
        self.abstract.listen()

    def accept(self):
        while True:
            try:
                self.service.accept()[0].close()
            except OSError:
                return

    def lead_metadata(self, bridge):
        ip("rule", "add", "iif", bridge, "lookup", self.table)
        self.rules.append(bridge)

    def environment(self, bridge, orchestrator_port, sibling):
        """Where inside.py finds all this, for a sandbox on that bridge."""
        gateway = re.search(r"inet ([\d.]+)", ip("-4", "addr", "show", "dev", bridge)).group(1)
        route = re.search(r"src ([\d.]+)", ip("route", "get", self.public)).group(1)
        engine = re.search(r"inet ([\d.]+)", ip("-4", "addr", "show", "dev", "docker0")).group(1)
        local6 = re.search(r"inet6 (fe80:[0-9a-f:]+)", ip("-6", "addr", "show", "dev", bridge))
        port = self.service.getsockname()[1]
        places = {name: f"{address}:{PORT}" for name, address in self.far.items()}
        places |= {"public": f"{self.public}:{PORT}", "metadata": f"169.254.169.254:{PORT}",
                   "dns": f"{self.public}:53", "host_gateway": f"{gateway}:{port}", "host_address": f"{route}:{port}",
                   "engine_bridge": f"{engine}:{port}", "orchestrator": f"{gateway}:{orchestrator_port}",
                   "link_local6": f"{local6.group(1) if local6 else 'fe80::1'}:{port}", "sibling": sibling,
                   "abstract": self.space}
        return {"ESCAPE_" + name.upper(): value for name, value in places.items()}

    def close(self):
        for bridge in self.rules:
            ip("rule", "del", "iif", bridge, "lookup", self.table, check=False)
        self.service.close()
        self.abstract.close()
        self.server.kill()
        self.server.wait(patience(30))
        ip("route", "flush", "table", self.table, check=False)
        # The link by itself, which takes all routes along: with its namespace it would go a moment later, in the
        # kernel's own time, and be in the way of the next one of this process.
        ip("link", "del", self.link, check=False)
        ip("netns", "del", self.space, check=False)


def source():
    return (pathlib.Path(__file__).parent / "inside.py").read_text()
