"""The .deb on a clean Debian with systemd, by apt: the service, a sandbox on its Docker, an upgrade, its removal."""
import time

from client import Client, Load
from host import SUITE
from orchestrator import wait_for
from releases import package


def test_apt_installs_upgrades_and_removes_it(new_host, tell):
    host, started = new_host("package"), time.monotonic()
    host.copy(package())
    host.ssh(f"sudo apt-get -q update && sudo DEBIAN_FRONTEND=noninteractive apt-get -q install -y ./{package().name}")
    tell(f"the package and what it needs are installed in {time.monotonic() - started:.0f} s")
    assert host.unit("UnitFileState") == "enabled" and host.serving() == "/usr/lib/matrx-sandbox/bin/matrx-orchestrator"
    host.load_sandbox_image()
    client = Client(host.tunnel(), host.api_key())
    wait_for("the service to be ready", client.ready, 120)
    sandbox = client.create(f"package-{SUITE}")
    assert client.exec(sandbox, "whoami") == "agent\n"
    before = host.containers()
    assert len(before) == 1

    # The same version again is an upgrade for the service: its scripts restart it.
    process = host.unit("MainPID")
    with Load(client, [sandbox]) as load:
        load.wait_for_more(10)
        host.ssh(f"sudo apt-get -q install -y --reinstall ./{package().name}")
        assert host.unit("MainPID") != process
        load.wait_for_more(10)
    load.check()
    assert host.containers() == before

    client.call("DELETE", f"/sandboxes/{sandbox}", 204)
    # The service may do all that an allowlist takes, and leaves nothing of it behind.
    walled = client.create(f"walled-{SUITE}", egress="allowlist", egress_allow=["example.com"])
    assert "does-not-exist" in client.exec(walled, "getent hosts example.net || echo does-not-exist")
    client.call("DELETE", f"/sandboxes/{walled}", 204)
    assert {"MATRX-F-", "MATRX-N-"} <= {line[3:11] for line in host.ssh("sudo iptables -S").stdout.splitlines()}
    host.ssh("sudo apt-get -q purge -y matrx-sandbox")
    assert host.ssh("systemctl is-active matrx-orchestrator", check=False).stdout.strip() == "inactive"
    assert "MATRX-" not in host.ssh("sudo iptables -S").stdout
    assert "matrx" not in host.ssh("sudo docker network ls").stdout
    # Settings go; what may hold users' files stays.
    assert host.ssh("ls /etc/matrx-sandbox", check=False).returncode != 0
    assert "homes" in host.ssh("sudo ls /var/lib/matrx").stdout
