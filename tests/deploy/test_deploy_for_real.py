"""bootstrap-host.sh and deploy.sh over real SSH, on a clean Debian with systemd and a Docker Engine of its own: a first
release, the next one under load, broken ones that are rolled back, and a host that is not the pinned one."""
import os
import signal
import time

import pytest
from client import Client, Load
from host import ROOT, SUITE
from orchestrator import wait_for
from releases import BROKEN, built, repack

SANDBOXES = 3


class Site:
    """A host that serves, with sandboxes that work."""

    def __init__(self, host, tell):
        self.host, started = host, time.monotonic()
        # What a release carries is what somebody has on a new host.
        path, self.first = built()
        host.copy(path)
        host.ssh(f"tar -xzf {path.name} && sudo bash {self.first}/deploy/bootstrap-host.sh")
        tell(f"a bare host is prepared in {time.monotonic() - started:.0f} s")
        host.load_sandbox_image()
        started = time.monotonic()
        done = host.deploy(path)
        assert done.returncode == 0, done.stdout + done.stderr
        tell(f"the first release is there and ready in {time.monotonic() - started:.1f} s")
        self.client = Client(host.tunnel(), host.api_key())
        wait_for("the tunnel", self.client.ready, 30)
        self.sandboxes = [self.client.create(f"deploy-{SUITE}-{n}") for n in range(SANDBOXES)]
        self.process = self.client.call("POST", f"/sandboxes/{self.sandboxes[0]}/processes", 201, json={
            "command": "i=0; while true; do i=$((i + 1)); echo $i; sleep 0.02; done"})["process_id"]
        self.containers = host.containers()
        assert len(self.containers) == SANDBOXES

    def check_nothing_is_lost(self):
        assert self.host.containers() == self.containers  # none ended, none was started again
        listed = {one["sandbox_id"]: one["status"] for one in self.client.call("GET", "/sandboxes")["sandboxes"]}
        assert set(listed) == set(self.sandboxes) and set(listed.values()) <= {"ready", "running"}, listed
        # A process that has run all the time: each line of it is there.
        lines = self.client.output(self.sandboxes[0], self.process).split("\n")[:-1]
        assert lines == [str(n) for n in range(1, len(lines) + 1)] and len(lines) > 1

    def runs(self, name):
        return self.host.serving() == f"/opt/matrx-sandbox/releases/{name}/bin/matrx-orchestrator"


@pytest.fixture(scope="module")
def site(new_host, tell):
    return Site(new_host("host"), tell)


def test_the_service_is_up_and_comes_back_with_the_host(site):
    assert site.runs(site.first)
    assert site.host.unit("ActiveState") == "active" and site.host.unit("UnitFileState") == "enabled"
    assert "Debian" in site.client.exec(site.sandboxes[0], "cat /etc/os-release")
    site.check_nothing_is_lost()


def test_an_upgrade_and_the_way_back_under_load(site, tmp_path, tell):
    now = site.host.serving().split("/")[4]
    path, name = repack(tmp_path, "7.0.0")
    with Load(site.client, site.sandboxes) as load:
        load.wait_for_more(20)
        done = site.host.deploy(path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert site.runs(name)
        load.wait_for_more(20)
        broken = load.reconnects
        done = site.host.deploy("--rollback")
        assert done.returncode == 0, done.stdout + done.stderr
        assert site.runs(now)
        load.wait_for_more(20)
    load.check()
    site.check_nothing_is_lost()
    tell(f"upgrade and way back under load: {sum(load.counts.values())} commands, {len(load.failed)} failed,"
         f" {broken} + {load.reconnects - broken} connections made again, 0 of {SANDBOXES} sandboxes lost")


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_release_is_rolled_back_by_itself(site, how, tmp_path, tell):
    now = site.host.serving().split("/")[4]
    path, name = repack(tmp_path, "8.0." + str(list(BROKEN).index(how)), BROKEN[how])
    with Load(site.client, site.sandboxes) as load:
        load.wait_for_more(10)
        started = time.monotonic()
        done = site.host.deploy(path, MATRX_READY_SECONDS="8")
        took = time.monotonic() - started
        assert done.returncode == 2, done.stdout + done.stderr
        assert f"{name} did not become ready: going back to {now}" in done.stdout
        assert f"{now} is ready again" in done.stdout
        assert site.runs(now)
        load.wait_for_more(10)
    load.check()
    site.check_nothing_is_lost()
    tell(f"a release that {how}: rolled back in {took:.1f} s, {sum(load.counts.values())} commands,"
         f" {len(load.failed)} failed, {load.reconnects} connections made again")


def test_a_broken_release_is_rolled_back_also_when_the_connection_is_gone(site, tmp_path):
    now = site.host.serving().split("/")[4]
    path, name = repack(tmp_path, "9.0.0", BROKEN["is never ready"])
    deploying = site.host.deploying(path, MATRX_READY_SECONDS="8")
    current = "readlink /opt/matrx-sandbox/current"
    wait_for("the switch", lambda: name in site.host.ssh(current).stdout, 120)
    os.killpg(deploying.pid, signal.SIGKILL)
    deploying.wait()
    wait_for("the way back", lambda: now in site.host.ssh(current).stdout and site.client.ready(), 120)
    assert site.runs(now)
    site.check_nothing_is_lost()


def test_a_host_with_another_key_is_refused(site, tmp_path):
    other = tmp_path / "known_hosts"
    address = site.host.known_hosts.read_text().split()[0]
    # A key of the right kind that is not this host's: the one that signs us in.
    other.write_text(f"{address} {site.host.key.with_suffix('.pub').read_text()}")
    now = site.host.serving()
    done = site.host.deploy(built()[0], MATRX_SSH_KNOWN_HOSTS=other)
    assert done.returncode == 1 and "Host key verification failed" in done.stderr
    assert "nothing was changed" in done.stderr
    assert site.host.serving() == now


def test_bootstrapping_again_changes_nothing(site):
    key = site.host.api_key()
    site.host.copy(ROOT / "deploy")
    site.host.ssh("sudo bash deploy/bootstrap-host.sh")
    assert site.host.api_key() == key
    site.check_nothing_is_lost()
