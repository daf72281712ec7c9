"""Sandboxes that stand still, and those in which nothing happens."""
import datetime
import pathlib
import threading
import time

import pytest
from orchestrator import docker, wait_for
from patience import lifetime, patience
from terminal_client import Terminal

pytestmark = pytest.mark.integration
IDLE_S = 30  # the smallest there is
COUNT = "(i=0; while :; do i=$((i+1)); echo $i > /tmp/counter; sleep 0.02; done) >/dev/null 2>&1 &"


def pause(one, sandbox_id):
    return one.request("POST", f"/sandboxes/{sandbox_id}/pause")


def resume(one, sandbox_id):
    return one.request("POST", f"/sandboxes/{sandbox_id}/resume")


def counter(sandbox):
    """Read from outside: one that is paused runs nothing for us."""
    pid = docker("inspect", "-f", "{{.State.Pid}}", sandbox["container_id"])
    return pathlib.Path("/proc", pid, "root", "tmp", "counter").read_text().strip()


def engine_says(sandbox):
    return docker("inspect", "-f", "{{.State.Status}}", sandbox["container_id"])


class Idleness(threading.Thread):
    """Sandboxes with an idle timeout, watched while other tests run; the orchestrator is restarted
    in between."""

    def __init__(self, one):
        super().__init__()
        self.one, self.problem, self.ended = one, None, set()

    def run(self):
        try:
            self.live()
        except BaseException as error:  # pytest sees only its own thread
            self.problem = error

    def live(self):
        one = self.one
        made = {name: one.create(idle_timeout_seconds=IDLE_S, name=name)["sandbox_id"]
                for name in ("nothing", "waits", "computes", "requests", "types", "proxied")}
        # A server that nobody asks, and a shell at its prompt.
        one.run(made["waits"], "python3 -m http.server 8000 >/dev/null 2>&1 &")
        with Terminal(one, made["waits"]):
            pass
        one.run(made["computes"], "(while :; do :; done) >/dev/null 2>&1 &")
        one.run(made["proxied"], "python3 -m http.server 8000 >/dev/null 2>&1 &")
        with Terminal(one, made["types"]) as typing:
            terminal_id = typing.terminal_id
        restarted = False
        deadline = time.monotonic() + patience(3 * IDLE_S)
        while time.monotonic() < deadline:
            assert one.run(made["requests"], "true")["exit_code"] == 0
            one.request("GET", f"/sandboxes/{made['proxied']}/proxy/8000/")
            with Terminal(one, made["types"], terminal=terminal_id) as typing:
                typing.type("x")
                typing.take(1)
            time.sleep(5)
            if not restarted:
                restarted = one.stop() == 0
                one.start()
            self.ended = {name for name, sandbox_id in made.items()
                          if one.row(sandbox_id)["status"] not in ("ready", "running", "shutting_down")}
            if {"nothing", "waits"} <= self.ended:
                break  # the others had as much time
        self.rows = {name: one.row(sandbox_id) for name, sandbox_id in made.items()}
        self.events = {name: one.request("GET", f"/sandboxes/{made[name]}/events").json()["events"]
                       for name in ("nothing", "waits")}
        self.metrics = one.request("GET", f"/sandboxes/{made['computes']}/metrics").json()


@pytest.fixture(scope="module", autouse=True)
def idleness():
    from orchestrator import Orchestrator
    one = Orchestrator(MATRX_CONTAINER_CPU_LIMIT="0.3").start()
    thread = Idleness(one)
    thread.start()
    yield thread
    thread.join()
    one.close()


# --- Pause ---------------------------------------------------------------------------------------

def test_paused_processes_stand_still(shared):
    sandbox = shared.create()
    sandbox_id = sandbox["sandbox_id"]
    shared.run(sandbox_id, COUNT)
    wait_for("the counter", lambda: shared.run(sandbox_id, "cat /tmp/counter")["stdout"])
    paused = pause(shared, sandbox_id)
    assert paused.status_code == 200 and paused.json()["paused_at"], paused.text
    assert engine_says(sandbox) == "paused"
    stood_at = counter(sandbox)
    time.sleep(0.5)
    assert counter(sandbox) == stood_at

    assert pause(shared, sandbox_id).status_code == 409
    for refused in (shared.exec(sandbox_id, "true"),
                    shared.request("GET", f"/sandboxes/{sandbox_id}/processes"),
                    shared.request("POST", f"/sandboxes/{sandbox_id}/processes",
                                   json={"command": "true"})):
        assert refused.status_code == 409 and "paused" in refused.json()["detail"], refused.text
    extended = shared.request("POST", f"/sandboxes/{sandbox_id}/extend", json={"ttl_seconds": 7000})
    assert extended.status_code == 200 and extended.json()["paused_at"]
    told = shared.request("GET", f"/sandboxes/{sandbox_id}/metrics").json()
    assert told.get("current") is None
    # It stands still through the rounds, too.
    time.sleep(1)
    assert counter(sandbox) == stood_at

    resumed = resume(shared, sandbox_id)
    assert resumed.status_code == 200 and not resumed.json().get("paused_at")
    assert engine_says(sandbox) == "running"
    wait_for("the counter to go on", lambda: counter(sandbox) not in ("", stood_at))
    assert resume(shared, sandbox_id).status_code == 409
    assert shared.run(sandbox_id, "echo on")["stdout"] == "on\n"
    events = shared.request("GET", f"/sandboxes/{sandbox_id}/events").json()["events"]
    assert [event["type"] for event in events][-2:] == ["paused", "resumed"]
    shared.destroy(sandbox_id, "?graceful=false")
    assert pause(shared, sandbox_id).status_code == 410
    assert pause(shared, "sbx-000000000000").status_code == 404


def test_destroy_of_a_paused_one_is_graceful(shared):
    sandbox = shared.create()
    sandbox_id = sandbox["sandbox_id"]
    shared.run(sandbox_id, "echo kept > ~/note; (trap 'echo told > ~/told; exit' TERM; : > /tmp/set; "
                           "while :; do sleep 0.1; done) >/dev/null 2>&1 & "
                           "until [ -e /tmp/set ]; do sleep 0.01; done")
    assert pause(shared, sandbox_id).status_code == 200
    assert shared.destroy(sandbox_id).status_code == 204
    row = shared.row(sandbox_id)
    assert (row["status"], row["stop_reason"]) == ("stopped", "user_requested")
    # What its programs did when they were told to end is in the home of the next one.
    again = shared.create()["sandbox_id"]
    assert shared.run(again, "cat ~/note ~/told")["stdout"] == "kept\ntold\n"
    shared.run(again, "rm ~/note ~/told")
    pause(shared, again)
    assert shared.destroy(again, "?graceful=false").status_code == 204


def test_expiry_ends_a_paused_one(shared):
    sandbox = shared.create(ttl_seconds=lifetime(5), user_id="user-2")
    sandbox_id = sandbox["sandbox_id"]
    assert pause(shared, sandbox_id).status_code == 200
    wait_for("the expiry", lambda: shared.row(sandbox_id)["status"] == "expired")
    wait_for("the container's removal", lambda: sandbox["container_id"] not in shared.containers())


def test_a_stream_outlasts_a_pause(shared, box):
    """Nothing is lost for who waits: the stream goes on where the processes do."""
    heard = []

    def follow():
        command = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.3; done"
        with shared.stream("POST", f"/sandboxes/{box}/exec/stream",
                           json={"command": command}) as response:
            heard.append(response.read().decode())

    reader = threading.Thread(target=follow)
    reader.start()
    time.sleep(0.5)
    assert pause(shared, box).status_code == 200
    time.sleep(1)
    assert resume(shared, box).status_code == 200
    reader.join(patience(20))
    [text] = heard
    numbers = [number for number in "123456" if f'"data":"{number}\\n"' in text]
    assert numbers == list("123456") and '"exit_code":0' in text


@pytest.mark.parametrize("wish", ["pause", "resume"])
@pytest.mark.parametrize("where", ["before", "after"])
def test_killed_between_intent_and_act(own, wish, where):
    from failpoints import PROGRAM
    one = own(program=PROGRAM).start()
    sandbox = one.create()
    sandbox_id = sandbox["sandbox_id"]
    if wish == "resume":
        assert pause(one, sandbox_id).status_code == 200
    assert one.stop() == 0
    points = one.data / "points"
    one.start(MATRX_FAILPOINT_LOG=str(points))
    first, second = (resume, pause) if wish == "resume" else (pause, resume)
    assert first(one, sandbox_id).status_code == 200
    assert second(one, sandbox_id).status_code == 200
    assert one.stop() == 0
    [point] = [p for p in points.read_text().split() if f"runtime.{wish}" in p and where in p][:1]
    one.start(MATRX_FAILPOINT=point)
    with pytest.raises(Exception):
        first(one, sandbox_id)
    assert one.process.wait(patience(20)) == -9
    one.start()
    wanted = "paused" if wish == "pause" else "running"
    wait_for("agreement", lambda: engine_says(sandbox) == wanted, 30)
    assert bool(one.row(sandbox_id).get("paused_at")) == (wish == "pause")
    if wish == "pause":
        assert resume(one, sandbox_id).status_code == 200
    assert one.run(sandbox_id, "echo on")["stdout"] == "on\n"


def test_paused_through_a_kill_and_by_hand(own):
    one = own(MATRX_HEALTHCHECK_INTERVAL_SECONDS="1").start()
    sandbox = one.create()
    sandbox_id = sandbox["sandbox_id"]
    assert pause(one, sandbox_id).status_code == 200
    one.kill9()
    one.start()
    assert one.row(sandbox_id)["paused_at"] and engine_says(sandbox) == "paused"
    # Whoever lets it go on behind our back is corrected, and the other way round.
    docker("unpause", sandbox["container_id"])
    wait_for("the pause", lambda: engine_says(sandbox) == "paused")
    assert resume(one, sandbox_id).status_code == 200
    docker("pause", sandbox["container_id"])
    wait_for("it to go on", lambda: engine_says(sandbox) == "running")


# --- Usage and logs ------------------------------------------------------------------------------

def test_logs(shared, box):
    logs = shared.request("GET", f"/sandboxes/{box}/logs?tail=5")
    assert logs.status_code == 200 and logs.headers["Content-Type"].startswith("text/plain")
    assert shared.request("GET", f"/sandboxes/{box}/logs?tail=0").status_code == 422
    assert shared.request("GET", "/sandboxes/sbx-000000000000/logs").status_code == 404


def test_usage_now(shared, box):
    now = shared.request("GET", f"/sandboxes/{box}/metrics").json()["current"]
    assert now["memory_used_bytes"] > 0 and now["processes"] >= 2 and 0 <= now["cpu_percent"] <= 100
    assert now["memory_total_bytes"] == 512 * 1024 * 1024
    before = now["received_bytes"]
    assert isinstance(before, int)
    path = f"/sandboxes/{box}/metrics?since=yesterday"
    assert shared.request("GET", path).status_code == 422
    assert shared.request("GET", "/sandboxes/sbx-000000000000/metrics").status_code == 404


# --- The last: time enough has gone by ----------------------------------------------------------

def test_only_the_idle_are_ended(idleness):
    idleness.join(patience(180))
    assert not idleness.is_alive() and idleness.problem is None, idleness.problem
    assert idleness.ended == {"nothing", "waits"}

    def at(name, kind):
        return next(datetime.datetime.fromisoformat(event["at"]) for event in idleness.events[name]
                    if event["type"] == kind)

    for name in ("nothing", "waits"):
        row = idleness.rows[name]
        assert row["stop_reason"] == "expired", row
        # By the orchestrator's own times: ours would count from when we have heard of it.
        idle = at(name, "shutting_down") - at(name, "ready")
        print(f"{name}: its end began {idle.total_seconds():.0f} s after it was ready")
        assert idle.total_seconds() >= IDLE_S
    assert any("Nothing happened in it for 30 s" in (event.get("detail") or "")
               for event in idleness.events["nothing"]), idleness.events
    for name in ("computes", "requests", "types", "proxied"):
        row = idleness.rows[name]
        assert row["status"] == "running" and row["last_active_at"] > row["created_at"], row
    # Usage was noted meanwhile, oldest first.
    times = [sample["at"] for sample in idleness.metrics["series"]]
    assert len(times) >= 2 and times == sorted(times)
    assert idleness.metrics["series"][-1]["cpu_percent"] > 1
