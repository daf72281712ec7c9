"""Whatever is killed, registry and containers agree again."""
import concurrent.futures
import random
import subprocess
import time

import httpx
import pytest
from orchestrator import docker, wait_for
from patience import patience

pytestmark = pytest.mark.integration
KILLS = 30


def agree(orchestrator):
    """Every row final or usable, every usable one with a running container, no other container."""
    rows = orchestrator.rows()
    states = orchestrator.container_names()
    live = {f"matrx-{row['sandbox_id']}" for row in rows if row["status"] in ("ready", "running")}
    stuck = [row for row in rows if row["status"] in ("creating", "starting", "shutting_down")]
    return not stuck and set(states) == live and all(states[name] == "running" for name in live)


def test_thirty_kills_at_random_moments(own):
    chance = random.Random(20)
    victim = own(MATRX_SHUTDOWN_TIMEOUT_SECONDS="5").start()

    def hopeless(action):
        try:
            action()
        except (httpx.HTTPError, AssertionError, KeyError, ValueError):
            pass  # the orchestrator died under it: that is the test

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for round_number in range(KILLS):
            live = [row["sandbox_id"] for row in victim.rows()
                    if row["status"] in ("ready", "running")]
            actions = [lambda: victim.create(), lambda: victim.create()]
            actions += [lambda i=i: victim.exec(i, "sleep 1") for i in live[:1]]
            actions += [lambda i=i: victim.destroy(i) for i in live[1:3]]
            pending = [pool.submit(hopeless, action) for action in actions]
            time.sleep(chance.uniform(0, 0.4))
            victim.kill9()
            for one in pending:
                one.result()
            victim.start()
            wait_for(f"agreement after kill {round_number}", lambda: agree(victim), 30)
    for row in victim.rows():
        if row["status"] == "failed":
            assert "being created" in row["status_detail"]


def test_container_killed_from_outside(own, record_property):
    one = own().start()
    sandbox = one.create()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(one.exec, sandbox["sandbox_id"], "sleep 300")
        wait_for("the command", lambda: "sleep 300" in docker("top", sandbox["container_id"]))
        killed = time.monotonic()
        docker("kill", sandbox["container_id"])
        response = waiting.result()
        took = time.monotonic() - killed
    record_property("exec_ended_after_s", took)
    print(f"the waiting exec ended {took:.2f} s after docker kill")
    assert response.status_code == 410 and "lost" in response.json()["detail"]
    row = one.row(sandbox["sandbox_id"])
    assert (row["status"], row["stop_reason"]) == ("stopped", "lost")
    wait_for("the container's removal", lambda: one.containers() == [])


def test_idle_container_killed_from_outside(own):
    one = own().start()
    sandbox = one.create()
    docker("kill", sandbox["container_id"])
    row = wait_for("the row", lambda: (r := one.row(sandbox["sandbox_id"]))["status"] == "stopped"
                   and r)
    assert row["stop_reason"] == "lost" and row["status_detail"]


def test_sandboxes_survive_a_restart(own):
    one = own().start()
    sandbox_id = one.create()["sandbox_id"]
    one.run(sandbox_id, "cd /tmp; (sleep 300 >/dev/null 2>&1 &)")
    assert one.stop() == 0
    one.start()
    assert one.run(sandbox_id, "pwd; pgrep -c sleep")["stdout"] == "/tmp\n1\n"
    beat = "curl -s -X POST $ORCHESTRATOR_URL/sandboxes/$SANDBOX_ID/heartbeat"
    assert '"acknowledged":true' in one.run(sandbox_id, beat)["stdout"]


def test_stranger_with_our_labels_is_left_alone(own):
    one = own(MATRX_HEALTHCHECK_INTERVAL_SECONDS="1").start()
    stranger = docker("create", "--label", f"matrx.installation={one.installation()}", "--label",
                      "matrx.sandbox_id=sbx-00000000abcd", "matrx-sandbox:latest", "true")
    assert stranger
    wait_for("the warning", lambda: "not in the registry" in one.log())
    assert stranger in one.containers()


def test_data_folder_has_one_owner(own):
    one = own().start()
    second = subprocess.run(one.command(), env=one.environment(), capture_output=True, text=True,
                            timeout=patience(20), check=False)
    assert second.returncode == 2
    assert "another orchestrator is using the data folder" in second.stderr
