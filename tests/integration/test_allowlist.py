"""Sandboxes that reach what their list names, and nothing else."""
import pathlib
import socket
import subprocess
import sys

import pytest
from name_server import TXT, NameServer
from orchestrator import Orchestrator, docker, wait_for
from streams import Reader

sys.path.insert(0, str(pathlib.Path(__file__).parent / "escape"))
import neighbours  # noqa: E402

pytestmark = pytest.mark.integration

# Prints "open", or the class of what happened.
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
    print("open")
except OSError as error:
    print(type(error).__name__, error.errno)
"""
# A question of any type, by hand, to the name server that the resolver asks.
ASK = """
import socket, struct, sys
name, kind, server = sys.argv[1], int(sys.argv[2]), sys.argv[3]
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.settimeout(5)
packet = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 1)
packet += b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\\0"
line.sendto(packet + struct.pack(">HH", kind, 1) + b"\\0\\0\\x29\\x04\\xd0" + b"\\0" * 4 + b"\\0\\4leak", (server, 53))
answer = line.recv(4096)
print(answer[3] & 15, struct.unpack(">H", answer[6:8])[0])
"""


class Place:
    def __init__(self):
        self.around = neighbours.Neighbours()
        public = self.around.public
        self.names = NameServer({"public.example.com": [public], "deep.in.example.org": [public],
                                 "metadata.example.com": ["169.254.169.254"], "text.example.com": [],
                                 "private.example.com": [self.around.far["private_range"]],
                                 "many.example.com": [f"192.0.2.{i}" for i in range(20)] + [public],
                                 "crowd.example.com": [f"192.0.2.{i}" for i in range(60)],
                                 "elsewhere.example.net": [public]})
        self.one = Orchestrator(MATRX_FIREWALL="required", MATRX_EGRESS_NAMESERVERS=self.names.place,
                                MATRX_HEALTHCHECK_INTERVAL_SECONDS="1").start()

    def close(self):
        self.one.close()
        self.names.close()
        self.around.close()

    def box(self, *allowed):
        return self.one.create(egress="allowlist", egress_allow=list(allowed))["sandbox_id"]

    def connect(self, box, host, port=neighbours.PORT):
        done = self.one.run(box, f"python3 - {host} {port}", stdin=CONNECT)
        assert done["exit_code"] == 0 and done["stdout"].strip(), done
        return done["stdout"].strip()

    def bridge(self):
        return "br-" + docker("network", "inspect", "-f", "{{.Id}}", self.one.network + "-allowlist")[:12]

    def gateway(self):
        return docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}",
                      self.one.network + "-allowlist").strip()


@pytest.fixture(scope="module")
def place():
    one = Place()
    yield one
    one.close()


def rules(chain="", table="filter"):
    return subprocess.run(["iptables", "-t", table, "-S", *([chain] if chain else [])], capture_output=True, text=True,
                          check=False).stdout


def chain_of(box):
    return "MATRX-E-" + box.replace("-", "")[:20]


def test_a_name_on_the_list_is_reached_and_no_other(place):
    box = place.box("public.example.com", "*.example.org")
    public = place.around.public
    assert place.connect(box, public) != "open"
    assert place.connect(box, "public.example.com") == "open"
    assert place.connect(box, "PUBLIC.example.com") == "open"
    assert place.connect(box, "deep.in.example.org") == "open"
    for name in ("elsewhere.example.net", "example.org", "example.com", "x.public.example.com"):
        assert place.connect(box, name).startswith("gaierror"), name
    assert not [name for name, _, _ in place.names.heard if name in ("elsewhere.example.net", "example.org")]
    # What one sandbox has learned is not another's.
    assert place.connect(place.box("many.example.org"), public) != "open"


def test_a_range_on_the_list_is_reached(place):
    box = place.box(place.around.public + "/32")
    assert place.connect(box, place.around.public) == "open"
    assert place.connect(box, "public.example.com").startswith("gaierror")
    assert place.connect(box, place.around.far["private_range"]) != "open"


def test_a_name_that_leads_inside_is_refused(place):
    box = place.box("*.example.com")
    place.around.lead_metadata(place.bridge())  # it is there to be reached
    for name in ("metadata.example.com", "private.example.com"):
        assert place.connect(box, name) != "open", name
    # Nor does a list open what only the host may open.
    listed = place.box(place.around.far["private_range"] + "/32")
    assert place.connect(listed, place.around.far["private_range"]) != "open"


def test_what_the_host_allows_has_to_be_on_the_list_as_well(place):
    private = place.around.far["private_range"]
    one = Orchestrator(MATRX_FIREWALL="required", MATRX_EGRESS_ALLOW=private + "/32",
                       MATRX_EGRESS_NAMESERVERS=place.names.place).start()
    try:
        # A name that leads there is not the list's word for it.
        led = one.create(egress="allowlist", egress_allow=["*.example.com"])["sandbox_id"]
        found = one.run(led, f"python3 - private.example.com {neighbours.PORT}", stdin=CONNECT)["stdout"]
        assert found and found != "open\n"
        named = one.create(egress="allowlist", egress_allow=[private])["sandbox_id"]
        other = one.create(egress="allowlist", egress_allow=["192.0.2.0/24"])["sandbox_id"]
        ask = f"python3 - {private} {neighbours.PORT}"
        assert one.run(named, ask, stdin=CONNECT)["stdout"] == "open\n"
        assert one.run(other, ask, stdin=CONNECT)["stdout"] != "open\n"
    finally:
        one.close()


def test_no_data_leaves_in_names(place):
    box = place.box("*.example.com")
    gateway = place.gateway()

    def ask(name, kind, server=gateway, box=box):
        return place.one.run(box, f"python3 - {name} {kind} {server}", stdin=ASK)["stdout"].split()

    assert ask("secret.tunnel.example.net", 1) == ["3", "0"]  # no such name
    assert ask("secret.tunnel.example.net", TXT) == ["3", "0"]
    assert ask("public.example.com", 28) == ["0", "0"]  # no IPv6: nobody is asked
    assert ask("public.example.com", 1) == ["0", "1"]
    assert ask("text.example.com", TXT) in (["0", "0"], ["3", "0"])
    heard = [(kind, size) for name, kind, size in place.names.heard if name == "public.example.com"]
    assert 28 not in [kind for kind, _ in heard]
    # Of a question that carried more, the question alone was handed on, and how much we take.
    assert {size for kind, size in heard if kind == 1} == {12 + 20 + 4 + 11}
    assert {size for name, kind, size in place.names.heard if name == "text.example.com"} == {12 + 18 + 4}
    # Nor to a name server of its choice.
    assert ask("public.example.com", 1, place.around.public, place.box("many.example.org")) == []


def test_many_addresses_of_one_name(place):
    box = place.box("many.example.com")
    found = place.one.run(box, "getent ahostsv4 many.example.com | grep -c STREAM")
    assert found["stdout"] == "21\n", found
    assert rules(chain_of(box)).count("-j RETURN") == 21
    # More than fit into a plain answer: as many as do, and no more is opened.
    box = place.box("crowd.example.com")
    found = place.one.run(box, "getent ahostsv4 crowd.example.com | grep -c STREAM")
    assert 20 < int(found["stdout"]) < 60, found
    assert rules(chain_of(box)).count("-j RETURN") == int(found["stdout"])


# Packets from one port of its own to an echo, one for each line that it reads.
FLOW = """
import socket, sys
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.bind(("", 40000))
line.settimeout(2)
line.connect((sys.argv[1], 53))
for word in sys.stdin:
    try:
        line.send(word.encode())
        print("echo", line.recv(100).decode().strip(), flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""


def test_a_flow_ends_with_what_allowed_it(place):
    """An address that is used again has the connections of who had it before, as far as the kernel knows."""
    box = place.box(place.around.public)
    assert place.one.request("PUT", f"/sandboxes/{box}/files?path=/tmp/flow.py", content=FLOW).status_code < 300
    at = f"/sandboxes/{box}/processes"
    job = place.one.request("POST", at, json={
        "command": f"python3 /tmp/flow.py {place.around.public}", "stdin": True}).json()
    reader = Reader(place.one, box, job["process_id"])

    def say(word):
        place.one.request("POST", f"{at}/{job['process_id']}/stdin", json={"data": word + "\n"})

    say("first")
    reader.read(enough=11)
    assert reader.bytes() == b"echo first\n"
    subprocess.run(["iptables", "--wait", "5", "-D", chain_of(box), "-d", place.around.public, "-j", "RETURN"],
                   check=True)
    say("second")
    reader.read(enough=12)
    assert b"second" not in reader.bytes()


def test_a_network_that_is_made_anew_has_its_walls(place):
    one = Orchestrator(MATRX_FIREWALL="required").start()
    network = one.network + "-allowlist"
    try:
        first = one.create(egress="allowlist", egress_allow=["192.0.2.1"])["sandbox_id"]
        one.destroy(first)
        docker("network", "rm", network)
        box = one.create(egress="allowlist", egress_allow=[place.around.public])["sandbox_id"]
        bridge = "br-" + docker("network", "inspect", "-f", "{{.Id}}", network)[:12]
        assert f"-i {bridge} -j MATRX-A-" in rules("DOCKER-USER")
        ask = "python3 - {} " + str(neighbours.PORT)
        assert one.run(box, ask.format(place.around.public), stdin=CONNECT)["stdout"] == "open\n"
        assert one.run(box, ask.format(place.around.far["private_range"]), stdin=CONNECT)["stdout"] != "open\n"
        one.destroy(box)
        docker("network", "rm", network)
        docker("network", "create", network)  # somebody else's, whose rules are not ours to make
        answer = one.request("POST", "/sandboxes", json={"user_id": "user-1", "egress": "allowlist",
                                                         "egress_allow": ["192.0.2.1"]})
        assert answer.status_code == 503 and "was not made by an orchestrator" in answer.text
    finally:
        docker("network", "rm", network)
        one.close()


def test_a_name_server_that_cannot_listen_is_said(place):
    one = Orchestrator(MATRX_FIREWALL="required").start()
    try:
        box = one.create(egress="allowlist", egress_allow=["192.0.2.1"])["sandbox_id"]
        one.stop()
        gateway = docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", one.network + "-allowlist")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind((gateway, 53))
            one.start()
            answer = one.request("POST", "/sandboxes", json={"user_id": "user-2", "egress": "allowlist",
                                                             "egress_allow": ["192.0.2.1"]})
            assert answer.status_code == 503 and f"cannot listen on {gateway} port 53" in answer.text
        # Freed, it is had within moments.
        assert one.create(egress="allowlist", egress_allow=["192.0.2.1"])["status"] == "ready"
        assert one.row(box)["status"] == "ready"
    finally:
        one.close()


def test_a_restart_keeps_what_was_learned(place):
    box = place.box("public.example.com")
    assert place.connect(box, "public.example.com") == "open"
    before = rules(chain_of(box))
    place.one.stop()
    place.one.start()
    assert rules(chain_of(box)) == before
    assert place.connect(box, place.around.public) == "open"
    assert place.connect(box, "public.example.com") == "open"


def jump_of(one, kind, host_chain="DOCKER-USER"):
    mine = one.installation().replace("-", "")[:20]
    return next(line for line in rules(host_chain).splitlines() if line.endswith(f"-j MATRX-{kind}-{mine}"))


def count(one, name):
    text = one.request("GET", "/metrics").text
    return float(next(line for line in text.splitlines() if line.startswith(name + " ")).split()[1])


def test_walls_that_somebody_takes_away_are_put_up_again(place):
    """What a reload of another firewall does: jumps, chains, or all of them at once."""
    box = place.box("public.example.com")
    assert place.connect(box, "public.example.com") == "open"
    mine = place.one.installation().replace("-", "")[:20]
    before = rules(chain_of(box))
    delete = lambda rule: ["iptables", "--wait", "5", "-D", *rule.split()[1:]]  # noqa: E731
    flush = lambda chain: ["iptables", "--wait", "5", "-F", chain]  # noqa: E731
    for harm in (delete(jump_of(place.one, "F")), delete(jump_of(place.one, "I", "INPUT")), flush(f"MATRX-F-{mine}"),
                 delete(jump_of(place.one, "A")), flush(f"MATRX-S-{mine}"), flush(chain_of(box)),
                 ["iptables", "--wait", "5", "-t", "nat", "-F", f"MATRX-P-{mine}"]):
        repairs = count(place.one, "matrx_firewall_repairs_total")
        subprocess.run(harm, check=True)
        wait_for("the repair of " + " ".join(harm),
                 lambda: count(place.one, "matrx_firewall_repairs_total") > repairs)
        assert place.connect(box, place.around.public) == "open"
        assert place.connect(box, place.around.far["private_range"]) != "open"
        assert rules(chain_of(box)) == before
    assert count(place.one, "matrx_firewall_up") == 1
    states = {one["name"]: one["status"] for one in place.one.request("GET", "/health/ready").json()["dependencies"]}
    assert states["firewall"] == "ok"


def test_an_allowlist_is_closed_where_its_rules_are_gone(place):
    """The orchestrator is away, and somebody flushes the rules: nothing else lets such a sandbox out."""
    box = place.box(place.around.public)
    assert place.connect(box, place.around.public) == "open"
    container = place.one.row(box)["container_id"]
    rule = jump_of(place.one, "A").split()[1:]
    route = neighbours.ip("-n", place.around.space, "route", "show", "default").split()
    place.one.kill9()
    try:
        # As in the internet: nobody knows the way to a private address.
        neighbours.ip("-n", place.around.space, "route", "del", "default")
        subprocess.run(["iptables", "--wait", "5", "-D", *rule], check=True)
        done = subprocess.run(["docker", "exec", "-i", container, "python3", "-", place.around.public,
                               str(neighbours.PORT)], input=CONNECT, capture_output=True, text=True, check=True)
        assert done.stdout != "open\n"
        place.one.start()
        assert place.connect(box, place.around.public) == "open"
    finally:
        neighbours.ip("-n", place.around.space, "route", "replace", *route)
        if place.one.process.poll() is not None:
            place.one.start()


def test_the_walls_go_with_their_sandboxes(place):
    box = place.box("public.example.com")
    assert chain_of(box) in rules()
    place.one.destroy(box)
    assert chain_of(box) not in rules()
    # Of one that dies by itself as well.
    box = place.box("public.example.com")
    docker("kill", place.one.row(box)["container_id"])
    wait_for("its chain to go", lambda: chain_of(box) not in rules())


def test_what_is_wrong_with_a_list_is_said(place):
    for fields in ({"egress": "allowlist"}, {"egress_allow": ["example.com"]},
                   {"egress": "open", "egress_allow": ["example.com"]}, {"egress": "allowlist", "egress_allow": []},
                   {"egress": "allowlist", "egress_allow": ["http://example.com"]},
                   {"egress": "allowlist", "egress_allow": ["a.com"] * 65}):
        answer = place.one.request("POST", "/sandboxes", json={"user_id": "user-1", **fields})
        assert answer.status_code == 422, (fields, answer.text)
        assert answer.json()["detail"][0]["loc"] == ["body", "egress_allow"]
    one = Orchestrator(MATRX_FIREWALL="off").start()
    try:
        answer = one.request("POST", "/sandboxes", json={"user_id": "user-1", "egress": "allowlist",
                                                         "egress_allow": ["example.com"]})
        assert answer.status_code == 503 and "MATRX_FIREWALL" in answer.text
    finally:
        one.close()


def test_the_host_is_left_as_it_was(place):
    one = Orchestrator(MATRX_FIREWALL="required", MATRX_EGRESS_NAMESERVERS=place.names.place).start()
    mine = one.installation().replace("-", "")[:20]
    box = one.create(egress="allowlist", egress_allow=["192.0.2.1"])["sandbox_id"]
    assert {f"MATRX-{kind}-{mine}" for kind in "FIASN"} <= set(rules().split())
    assert f"MATRX-P-{mine}" in rules(table="nat")
    one.stop()
    still = one.take_down()
    assert still.returncode != 0 and "1 sandbox" in still.stderr
    assert mine in rules()
    one.start()
    one.destroy(box)
    one.stop()
    for _ in range(2):
        done = one.take_down()
        assert done.returncode == 0, done.stderr
        assert mine not in rules() and mine not in rules(table="nat")
    names = docker("network", "ls", "--format", "{{.Name}}").split()
    assert one.network not in names and one.network + "-allowlist" not in names
    one.start()  # and all of it is made again
    assert one.create()["status"] == "ready"
    one.close()
