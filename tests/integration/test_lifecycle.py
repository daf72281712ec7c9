"""The original clients' way: create, run, list, destroy; and every other way to end."""
import hashlib
import pathlib
import re

import httpx
import pytest
from orchestrator import KEY, docker, wait_for
from patience import patience
from test_homes import kept  # noqa: F401

pytestmark = pytest.mark.integration
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def test_create_run_list_destroy(shared):
    sandbox = shared.create(config={"a": [1, 2]}, ttl_seconds=600, name="first",
                            labels={"team": "red"})
    sandbox_id = sandbox["sandbox_id"]
    assert re.match(r"^sbx-[0-9a-f]{12}$", sandbox_id)
    assert sandbox["status"] == "ready" and sandbox["user_id"] == "user-1"
    assert sandbox["config"] == {"a": [1, 2]} and sandbox["ttl_seconds"] == 600
    assert sandbox["hot_path"] == "/home/agent" and sandbox["cold_path"] == "/data/cold"
    assert TIME.match(sandbox["created_at"]) and TIME.match(sandbox["expires_at"])
    assert sandbox["container_id"] in shared.containers()

    ran = shared.run(sandbox_id, "whoami && python3 --version && node --version")
    assert ran["exit_code"] == 0
    assert re.match(r"^agent\nPython 3\.\d+.*\nv\d+\.", ran["stdout"])

    assert shared.run(sandbox_id, "cd /tmp")["cwd"] == "/tmp"
    assert shared.run(sandbox_id, "pwd")["stdout"] == "/tmp\n"

    listed = shared.request("GET", "/sandboxes?user_id=user-1&label=team:red").json()
    assert [row["sandbox_id"] for row in listed["sandboxes"]] == [sandbox_id]
    assert listed["total"] == 1 and listed["sandboxes"][0]["status"] == "running"

    assert shared.destroy(sandbox_id).status_code == 204
    assert sandbox["container_id"] not in shared.containers()
    row = shared.row(sandbox_id)
    assert (row["status"], row["stop_reason"]) == ("stopped", "user_requested")
    assert TIME.match(row["stopped_at"])
    assert not (shared.data / "data/sandboxes" / sandbox_id).exists()

    assert shared.destroy(sandbox_id).status_code == 204
    gone = shared.exec(sandbox_id, "true")
    assert gone.status_code == 410
    assert "stopped" in gone.json()["detail"] and "user_requested" in gone.json()["detail"]


@pytest.mark.parametrize("key", [KEY, ""], ids=["with a key", "without a key"])
def test_the_whole_way_of_a_home(kept, key):  # noqa: F811
    """Create, run, write, look into the storage with a client that is not ours, destroy, look
    whether anything is left, create again: it is all there."""
    one = kept(MATRX_API_KEY=key or None)
    assert ("MATRX_API_KEY is not set" in one.log()) == (key == "")
    health = httpx.get(one.url("/health"))
    assert health.json()["status"] == "healthy" and health.json()["active_sandboxes"] == 0
    if key:
        assert httpx.get(one.url("/sandboxes")).status_code == 401
        assert httpx.get(one.url("/sandboxes"), headers={"X-API-Key": "x"}).status_code == 403
        bearer = {"Authorization": "Bearer " + key}
        assert httpx.get(one.url("/sandboxes"), headers=bearer).status_code == 200

    sandbox = one.request("POST", "/sandboxes", key=key, json={"user_id": "user-1"}).json()
    sandbox_id = sandbox["sandbox_id"]
    assert sandbox["status"] == "ready"

    def run(command):
        done = one.request("POST", f"/sandboxes/{sandbox_id}/exec", key=key,
                           json={"command": command}).json()
        assert done["exit_code"] == 0, done
        return done["stdout"]

    run("mkdir -p notes hollow && echo hello >notes/a.txt && head -c 300000 /dev/urandom >data && "
        "chmod 600 data && ln -s data link && echo large >/data/cold/large")
    digest = run("sha256sum <data")
    assert one.request("DELETE", f"/sandboxes/{sandbox_id}", key=key).status_code == 204

    stored = kept.stored()
    assert sorted(stored) == ["data", "notes/a.txt"] and stored["notes/a.txt"] == b"hello\n"
    assert hashlib.sha256(stored["data"]).hexdigest() == digest.split()[0]
    row = one.request("GET", f"/sandboxes/{sandbox_id}", key=key).json()
    assert (row["status"], row["storage_state"]) == ("stopped", "saved")
    usage = one.request("GET", "/users/user-1/storage", key=key).json()
    assert usage == {"hot": {"total_size_bytes": 300006, "total_objects": 2},
                     "cold": {"total_size_bytes": 6, "total_objects": 1}}
    assert one.containers() == []
    assert not [line for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
                if f"data/cold/{sandbox_id}" in line and str(one.data) in line]
    for folder in ("homes", "sandboxes", "cold"):
        path = one.data / "data" / folder
        assert not path.exists() or list(path.iterdir()) == [], folder

    sandbox_id = one.request("POST", "/sandboxes", key=key,
                             json={"user_id": "user-1"}).json()["sandbox_id"]
    assert run("sha256sum <data") == digest
    assert run("cat notes/a.txt link /data/cold/large | tail -c 6; stat -c %a data; "
               "ls -d hollow; readlink link") == "large\n600\nhollow\ndata\n"
    assert one.request("DELETE", f"/sandboxes/{sandbox_id}?graceful=false",
                       key=key).status_code == 204
    assert one.containers() == []


def test_history_is_told_in_order(shared, box):
    shared.run(box, "true")
    events = shared.request("GET", f"/sandboxes/{box}/events").json()["events"]
    assert [event["status"] for event in events] == ["creating", "starting", "ready", "running"]
    assert all(event["actor"].startswith("api:") for event in events)


def test_unknown_sandbox(shared):
    for path in ("/sandboxes/sbx-000000000000", "/sandboxes/nonsense"):
        assert shared.request("GET", path).status_code == 404
        assert shared.request("DELETE", path).status_code == 404
        assert shared.request("POST", path + "/exec", json={"command": "true"}).status_code == 404
        assert shared.request("GET", path + "/events").status_code == 404


def test_time_runs_out(shared):
    sandbox_id = shared.create(ttl_seconds=2)["sandbox_id"]
    row = wait_for("expiry", lambda: (r := shared.row(sandbox_id))["status"] == "expired" and r)
    assert row["stop_reason"] == "expired"
    assert f"matrx-{sandbox_id}" not in shared.container_names()


@pytest.mark.parametrize("signal, body, reason", [
    ("complete", {"result": {"answer": 42}}, "graceful_shutdown"),
    ("error", {"error": "it broke", "details": {"line": 7}}, "error"),
])
def test_agent_ends_it_over_http(shared, signal, body, reason):
    sandbox_id = shared.create()["sandbox_id"]
    response = shared.request("POST", f"/sandboxes/{sandbox_id}/{signal}", json=body)
    assert response.status_code == 200
    assert response.json()["status"] == "shutting_down"
    assert response.json()["sandbox_id"] == sandbox_id
    assert response.json().get("error_received") == (True if signal == "error" else None)
    row = wait_for("stop", lambda: (r := shared.row(sandbox_id))["status"] == "stopped" and r)
    assert row["stop_reason"] == reason


def test_agent_speaks_from_inside_without_a_key(shared):
    sandbox_id = shared.create()["sandbox_id"]
    base = "curl -s -w ' %{http_code}' -X POST $ORCHESTRATOR_URL/sandboxes/$SANDBOX_ID"
    beat = shared.run(sandbox_id, base + "/heartbeat")["stdout"]
    assert beat.endswith(" 200") and '"acknowledged":true' in beat
    assert shared.row(sandbox_id)["last_heartbeat_at"]
    assert shared.run(sandbox_id, base + "/error -d '{}'")["stdout"].endswith(" 422")
    other = "curl -s -w ' %{http_code}' -X POST $ORCHESTRATOR_URL/sandboxes/sbx-0123456789ab"
    assert shared.run(sandbox_id, other + "/complete")["stdout"].endswith(" 403")
    shared.exec(sandbox_id, base + "/complete -d '{\"result\": 1}'")
    row = wait_for("stop", lambda: (r := shared.row(sandbox_id))["status"] == "stopped" and r)
    assert row["stop_reason"] == "graceful_shutdown"


def test_graceful_stop_lets_processes_say_goodbye(shared):
    sandbox_id = shared.create()["sandbox_id"]
    # It needs a second after SIGTERM: an immediate stop would not wait for it.
    shared.run(sandbox_id, "(trap 'sleep 1; exit' TERM; : > /tmp/set; while :; do sleep 0.1; done) "
                           ">/dev/null 2>&1 & until [ -e /tmp/set ]; do sleep 0.01; done")
    response = shared.destroy(sandbox_id)
    assert response.status_code == 204 and response.elapsed.total_seconds() >= 1


def test_impatient_destroy_ends_a_patient_one(shared):
    sandbox_id = shared.create()["sandbox_id"]
    shared.run(sandbox_id, "(trap '' TERM; : > /tmp/set; while :; do sleep 0.1; done) >/dev/null 2>&1 & "
                           "until [ -e /tmp/set ]; do sleep 0.01; done")
    shared.request("POST", f"/sandboxes/{sandbox_id}/complete")  # waits for up to 30 s
    response = shared.destroy(sandbox_id, "?graceful=false")
    assert response.status_code == 204 and response.elapsed.total_seconds() < patience(10)
    assert shared.row(sandbox_id)["status"] == "stopped"


def test_a_network_that_somebody_removed_is_made_anew(own):
    one = own().start()
    docker("network", "rm", one.network)
    assert docker("network", "ls", "-q", "--filter", f"name={one.network}") == ""
    sandbox_id = one.create()["sandbox_id"]
    networks = docker("inspect", f"matrx-{sandbox_id}", "--format", "{{json .NetworkSettings.Networks}}")
    assert one.network in networks
