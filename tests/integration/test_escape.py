"""What programs in a sandbox try to get out of it, and that each try ends as escape/table.py says."""
import json
import pathlib
import subprocess
import sys

import pytest
from orchestrator import IMAGE, Orchestrator, docker, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).parent / "escape"))
import neighbours  # noqa: E402
import table  # noqa: E402

pytestmark = pytest.mark.integration

# Of a whole round of tries: far more than they need, each one waits 2 s at most.
ROUND_SECONDS = 120
SIBLING_PORT = 8123
NETWORK = [name for name in table.GROUPS["Network"] if name.startswith(("connect_", "dns_"))]


class Place:
    """An orchestrator whose port is open to its sandboxes' network, with a sandbox that others could reach."""

    def __init__(self, around, **settings):
        self.around = around
        self.one = Orchestrator(MATRX_HOST="0.0.0.0", **settings).start()
        self.bridge = self.bridge_of(self.one.network)
        other = self.one.create()["sandbox_id"]
        self.one.run(other, f"(python3 -m http.server {SIBLING_PORT} >/dev/null 2>&1 &) ; "
                            f"until curl -s -o /dev/null localhost:{SIBLING_PORT}; do sleep 0.1; done")
        self.sibling = self.one.run(other, "hostname -I")["stdout"].split()[0]
        self.sandboxes = {}

    def bridge_of(self, network):
        bridge = "br-" + json.loads(docker("network", "inspect", network))[0]["Id"][:12]
        self.around.lead_metadata(bridge)
        return bridge

    def environment(self, bridge=None):
        return self.around.environment(bridge or self.bridge, self.one.port, f"{self.sibling}:{SIBLING_PORT}")

    def sandbox(self, **fields):
        key = str(fields)
        if key not in self.sandboxes:
            self.sandboxes[key] = self.one.create(**fields)["sandbox_id"]
        return self.sandboxes[key]

    def answers(self, user, names=(), bridge=None, **fields):
        done = self.one.run(self.sandbox(**fields), "python3 - " + " ".join(names), user=user, timeout=ROUND_SECONDS,
                            stdin=neighbours.source(), env=self.environment(bridge))
        assert done["exit_code"] == 0, done
        return json.loads(done["stdout"])


@pytest.fixture(scope="module")
def around():
    one = neighbours.Neighbours()
    yield one
    one.close()


@pytest.fixture(scope="module")
def place(around):
    one = Place(around, MATRX_FIREWALL="required")
    yield one
    one.one.close()


@pytest.fixture(scope="module")
def strict(around):
    one = Place(around, MATRX_FIREWALL="required", MATRX_ISOLATION="strict")
    yield one
    one.one.close()


def test_as_the_user_of_the_sandbox(place):
    assert table.unexpected("standard", place.answers("agent")) == {}


def test_as_root_inside(place):
    assert table.unexpected("root", place.answers("root")) == {}


def test_without_a_network(place):
    assert table.unexpected("none", place.answers("root", egress="none")) == {}


def test_with_an_allowlist(place):
    fields = {"egress": "allowlist", "egress_allow": ["example.com"]}
    place.sandbox(**fields)  # the first one makes the network
    bridge = place.bridge_of(place.one.network + "-allowlist")
    assert table.unexpected("allowlist", place.answers("root", bridge=bridge, **fields)) == {}


def test_strict(strict):
    assert table.unexpected("strict", strict.answers("agent")) == {}
    refused = strict.one.exec(strict.sandbox(), "id", user="root")
    assert refused.status_code in (200, 400, 403, 409, 422) and '"exit_code":0' not in refused.text
    # What people do there all day works.
    work = strict.one.run(strict.sandbox(), "python3 -m venv --without-pip /tmp/v && /tmp/v/bin/python -c 'print(6*7)' "
                                            "&& echo x > ~/file && cat ~/file && node -e 'console.log(1)'")
    assert work["stdout"].split() == ["42", "x", "1"], work
    assert strict.one.request("PUT", f"/sandboxes/{strict.sandbox()}/files?path=/home/agent/b",
                              content=b"b").status_code < 300


def test_what_needs_no_network_works_without_one(place):
    box = place.sandbox(egress="none")
    assert place.one.run(box, "python3 -c 'print(1)'")["stdout"] == "1\n"
    place.one.run(box, "(python3 -m http.server 8200 --bind 127.0.0.1 >/dev/null 2>&1 &); "
                       "until curl -s -o /dev/null localhost:8200; do sleep 0.1; done")
    assert place.one.request("GET", f"/sandboxes/{box}/proxy/8200/").status_code == 200
    told = place.one.run(box, "curl -s -X POST $ORCHESTRATOR_URL/sandboxes/$SANDBOX_ID/heartbeat")
    assert json.loads(told["stdout"])["acknowledged"] is True


def test_names_are_resolved_behind_the_firewall(place):
    # The sandbox asks Docker's resolver, which asks the host's: in a private range more often than not.
    inside = place.one.run(place.sandbox(), "cat /etc/resolv.conf")["stdout"]
    assert "127.0.0.11" in inside
    rules = subprocess.run(["iptables", "-S"], capture_output=True, text=True, check=True).stdout
    servers = [line.split()[1] for line in pathlib.Path("/etc/resolv.conf").read_text().splitlines()
               if line.startswith("nameserver") and "." in line and not line.split()[1].startswith("127.")]
    chain = "MATRX-F-" + place.one.installation().replace("-", "")[:20]
    for server in servers:
        assert f"-A {chain} -d {server}/32 -p udp -m udp --dport 53 -j RETURN" in rules


def test_the_firewall_is_put_up_once_and_comes_back(place):
    def rules():
        text = subprocess.run(["iptables", "-S"], capture_output=True, text=True, check=True).stdout
        mine = place.one.installation().replace("-", "")[:20]
        return [line for line in text.splitlines() if mine in line]

    before = rules()
    assert len([line for line in before if "-i " + place.bridge in line]) == 2
    place.one.stop()
    assert rules() == before  # sandboxes live on
    jump = next(line for line in before if line.startswith("-A INPUT"))
    subprocess.run(["iptables", *jump.replace("-A", "-D", 1).split()], check=True)
    place.one.start()
    assert sorted(rules()) == sorted(before)


def test_what_is_allowed_is_reached(around):
    allowed = around.far["private_range"] + "/32"
    one = Place(around, MATRX_FIREWALL="required", MATRX_EGRESS_ALLOW=allowed)
    try:
        answers = one.answers("agent", ["connect_private_range", "connect_shared_range"])
        assert answers["connect_private_range"] == "open"
        assert answers["connect_shared_range"].startswith("refused")
    finally:
        one.one.close()


def test_the_tries_find_a_missing_firewall(around):
    """Without our rules each of these machines and services is there to be reached: so the tries can fail."""
    one = Place(around, MATRX_FIREWALL="off")
    try:
        found = table.unexpected("root", one.answers("root", NETWORK))
        open_ones = {name for name, answer in found.items() if answer == "open"}
        assert open_ones == set(NETWORK) - {"connect_public", "dns_to_anywhere", "connect_sibling",
                                            "connect_link_local6"}
    finally:
        one.one.close()


def test_the_tries_find_a_weak_container():
    """The same tries in a container with rights that no sandbox has: each of these holes is seen."""
    done = subprocess.run(
        ["docker", "run", "--rm", "-i", "--network", "none", "--cap-add", "SYS_ADMIN", "--cap-add", "NET_RAW",
         "--security-opt", "seccomp=unconfined", "--user", "0:0", "-e", "SECRET=x",
         "-v", "/var/run/docker.sock:/var/run/docker.sock", IMAGE or "matrx-sandbox:latest",
         "timeout", "-s", "KILL", str(ROUND_SECONDS), "python3", "-"],
        input=neighbours.source(), capture_output=True, text=True, check=True)
    found = table.unexpected("root", json.loads(done.stdout))
    for name in ("mknod_any", "mount_tmpfs", "mount_bind", "remount_writable", "new_mount_api", "chroot",
                 "host_paths", "unshare_user", "unshare_mounts", "unshare_network", "clone_user", "enter_namespace",
                 "keyring", "set_host_name", "secrets_in_environments", "raw_packets", "raw_ip"):
        assert found.get(name) == "open", (name, found.get(name))
    assert found["status_Seccomp"] == "0" and "status_CapEff" in found
    # And a try that cannot do its work counts as neither.
    assert found["connect_public"].startswith("broken")


# --- Exhaustion: the sandbox feels its limits, the host and its neighbours do not ---
@pytest.fixture(scope="module")
def small():
    one = Orchestrator(MATRX_CONTAINER_PIDS_LIMIT="100", MATRX_CONTAINER_MEMORY_LIMIT="128m").start()
    yield one
    one.close()


def test_a_fork_bomb_meets_its_limit(small):
    box = small.create()["sandbox_id"]
    bomb = ("import os, time\ncount = 0\ntry:\n  while count < 5000:\n    if os.fork() == 0: time.sleep(60)\n"
            "    count += 1\nexcept BlockingIOError: pass\nprint(count)")
    done = small.run(box, f'python3 -c "{bomb}"', timeout=30)
    assert 10 < int(done["stdout"]) < 100, done

    def killed():
        """The bomb's children live on; the two processes of a command may be one too many, and that is said."""
        answer = small.exec(box, "kill -9 -1; true", user="agent")
        assert answer.status_code in (200, 429), answer.text
        return answer.status_code == 200

    wait_for("room for a command", killed)
    assert small.run(box, "echo still here")["stdout"] == "still here\n"


def test_memory_meets_its_limit(small):
    box = small.create()["sandbox_id"]
    done = small.run(box, "python3 -c 'x = bytearray(1 << 30)'", timeout=30)
    assert done["exit_code"] == 137, done
    # What lies in memory that no process owns counts as well.
    done = small.run(box, "dd if=/dev/zero of=/dev/shm/x bs=1M count=1000 2>&1; stat -c %s /dev/shm/x")
    assert int(done["stdout"].split()[-1]) <= 128 << 20, done
    small.run(box, "rm -f /dev/shm/x")
    assert small.run(box, "echo still here")["stdout"] == "still here\n"


def test_descriptors_meet_their_limit(small):
    box = small.create()["sandbox_id"]
    code = ("import os, resource\nmost = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))\ncount = 0\ntry:\n  while True:\n"
            "    os.dup(0)\n    count += 1\nexcept OSError: print(count)")
    done = small.run(box, f'python3 -c "{code}"', timeout=30)
    assert 4096 < int(done["stdout"]) <= 20_000, done


def test_no_message_is_too_large_for_the_log(small):
    box = small.create()["sandbox_id"]
    small.run(box, "head -c 20000000 /dev/zero | tr '\\0' x > /proc/1/fd/1; true", user="root")
    container = json.loads(docker("inspect", small.row(box)["container_id"]))[0]
    assert container["HostConfig"]["LogConfig"]["Config"] == {"max-file": "1", "max-size": "1m"}
    assert pathlib.Path(container["LogPath"]).stat().st_size < 4 << 20
