"""What a sandbox can reach, and what it cannot."""
import json

import pytest
from orchestrator import docker

pytestmark = pytest.mark.integration


def test_limits_and_capabilities(shared, box):
    host = json.loads(docker("inspect", shared.row(box)["container_id"]))[0]["HostConfig"]
    assert host["CapDrop"] == ["ALL"] and not host["Privileged"]
    assert "SYS_ADMIN" not in host["CapAdd"] and "NET_RAW" not in host["CapAdd"]
    assert host["Memory"] == host["MemorySwap"] == 512 << 20
    assert host["NanoCpus"] == 2_000_000_000 and host["PidsLimit"] == 1024


def test_no_way_to_the_engine(shared, box):
    assert shared.run(box, "ls /var/run/docker.sock /run/docker.sock")["exit_code"] != 0
    write = shared.run(box, "echo x >> /opt/matrx/matrx-agent", user="root")
    assert write["exit_code"] != 0


def test_sandboxes_cannot_reach_each_other(shared, box):
    other = shared.create()["sandbox_id"]
    shared.run(other, "(python3 -m http.server 8123 >/dev/null 2>&1 &); sleep 0.5; "
                      "curl -s -o /dev/null localhost:8123")
    address = shared.run(other, "hostname -I")["stdout"].split()[0]
    fetch = f"curl -s -o /dev/null --max-time 2 http://{address}:8123/"
    assert shared.run(other, fetch)["exit_code"] == 0  # it is there to be reached
    # It waits for an answer, or is refused; not: no curl, no such name.
    assert shared.run(box, fetch)["exit_code"] in (7, 28)
    shared.destroy(other, "?graceful=false")
