"""GET /events and the operations around a sandbox's life: extension, idempotency, strangers."""
import concurrent.futures
import datetime
import json
import os
import pathlib
import threading
import time

import httpx
import pytest
from orchestrator import KEY, docker, wait_for
from patience import lifetime, patience
from streams import lines

pytestmark = pytest.mark.integration


class Follower:
    """Reads the feed in a thread, as an EventSource does."""

    def __init__(self, one, **headers):
        self.events, self.ended = [], threading.Event()
        self.id, self.ids, self.order = None, [], []
        self.one, self.headers = one, headers
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        wait_for("the feed", lambda: self.id is not None or self.ended.is_set())

    def read(self):
        try:
            with self.one.stream("GET", "/events", timeout=None, headers=self.headers) as response:
                assert response.headers["content-type"] == "text/event-stream"
                event = {}
                for line in lines(response):
                    name, _, value = line.partition(": ")
                    if name == "id":
                        self.id = value
                        self.ids.append(value)
                        self.order.append("id")
                    if line:
                        event[name] = value
                    elif "data" in event:
                        self.events.append((event.get("event"), json.loads(event["data"])))
                        self.order.append(event.get("event"))
                        event = {}
                    else:
                        event = {}
        except httpx.HTTPError:
            pass
        self.ended.set()

    def types_of(self, sandbox_id):
        return [data["type"] for name, data in self.events
                if name == "sandbox" and data["sandbox_id"] == sandbox_id]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def one(request, own):
    settings = {"MATRX_SANDBOX_STORE": request.param}
    if request.param == "postgres":
        settings["MATRX_DATABASE_URL"] = request.getfixturevalue("database")
    return own(**settings).start()


LIFE = ["created", "starting", "ready", "running", "shutting_down", "home_saved", "stopped"]


def test_every_change_is_told_and_nothing_twice(one):
    follower = Follower(one)
    sandbox_id = one.create()["sandbox_id"]
    one.run(sandbox_id, "true")
    one.destroy(sandbox_id)
    wait_for("the end", lambda: follower.types_of(sandbox_id)[-1:] == ["stopped"])
    assert follower.types_of(sandbox_id) == LIFE
    # Who comes back with the id that it saw last misses nothing.
    before = follower.id
    second = one.create()["sandbox_id"]
    late = Follower(one, **{"Last-Event-ID": before})
    wait_for("what was missed", lambda: late.types_of(second)[-1:] == ["ready"])
    assert late.types_of(second) == LIFE[:3] and late.types_of(sandbox_id) == []
    # An id that it has seen is never ahead of the events that it has seen: it may be cut off
    # anywhere, and goes on with the next one.
    assert late.order[:3] == ["id", "sandbox", "id"], late.order
    third = Follower(one, **{"Last-Event-ID": late.ids[0]})
    wait_for("the rest", lambda: third.types_of(second)[-1:] == ["ready"])
    assert third.types_of(second) == LIFE[1:3]
    stopped = time.monotonic()
    assert one.stop() == 0
    assert late.ended.wait(patience(30)) and follower.ended.wait(patience(30))
    assert time.monotonic() - stopped < patience(8)  # followers do not hold up the end


def test_an_unknown_id_is_told_to_begin_anew(one):
    follower = Follower(one, **{"Last-Event-ID": "from-another-life"})
    wait_for("the reset", lambda: ("reset", {}) in follower.events)
    sandbox_id = one.create()["sandbox_id"]
    wait_for("events", lambda: "ready" in follower.types_of(sandbox_id))


def test_changes_by_another_orchestrator_are_told(own, database):
    settings = {"MATRX_SANDBOX_STORE": "postgres", "MATRX_DATABASE_URL": database}
    a, b = own(**settings).start(), own(**settings).start()
    follower = Follower(a)
    sandbox_id = b.create()["sandbox_id"]
    b.destroy(sandbox_id)
    wait_for("the other's", lambda: follower.types_of(sandbox_id)[-1:] == ["stopped"])


def test_followers_are_limited(shared):
    client = httpx.Client(limits=httpx.Limits(max_connections=None), timeout=30)

    def follow():
        request = client.build_request("GET", shared.url("/events"), headers={"X-API-Key": KEY})
        return client.send(request, stream=True)

    streams = []
    try:
        status = 200
        while status == 200:
            assert len(streams) <= 256
            streams.append(follow())
            status = streams[-1].status_code
        assert status == 429 and "Retry-After" in streams[-1].headers
    finally:
        for stream in streams:
            stream.close()

    def is_free():
        stream = follow()
        stream.close()
        return stream.status_code == 200
    wait_for("a free place", is_free)


# --- Extension ---

def extend(one, sandbox_id, seconds):
    return one.request("POST", f"/sandboxes/{sandbox_id}/extend", json={"ttl_seconds": seconds})


def test_extension_reaches_further_and_never_shortens(shared):
    sandbox = shared.create(ttl_seconds=100)
    longer = extend(shared, sandbox["sandbox_id"], 3600)
    assert longer.status_code == 200 and longer.json()["expires_at"] > sandbox["expires_at"]
    shorter = extend(shared, sandbox["sandbox_id"], 60)
    assert shorter.json()["expires_at"] == longer.json()["expires_at"]
    for wrong in (59, 86_401, 0, -1, "x", None):
        assert extend(shared, sandbox["sandbox_id"], wrong).status_code == 422
    assert shared.destroy(sandbox["sandbox_id"]).status_code == 204
    assert extend(shared, sandbox["sandbox_id"], 3600).status_code == 410
    assert extend(shared, "sbx-000000000000", 3600).status_code == 404


def test_an_extended_sandbox_outlives_its_first_end(shared):
    sandbox = shared.create(ttl_seconds=lifetime(5))
    sandbox_id = sandbox["sandbox_id"]
    assert extend(shared, sandbox_id, 600).status_code == 200
    end = datetime.datetime.fromisoformat(sandbox["expires_at"])
    while datetime.datetime.now(datetime.timezone.utc) < end + datetime.timedelta(seconds=2):
        time.sleep(0.1)
    assert shared.run(sandbox_id, "echo alive")["stdout"] == "alive\n"
    shared.destroy(sandbox_id, "?graceful=false")


# --- Idempotency ---

def test_a_repeated_create_is_the_same_sandbox(one):
    def create(key, **body):
        return one.request("POST", "/sandboxes", json={"user_id": "user-1", **body},
                           headers={"Idempotency-Key": key})
    first = create("k1")
    assert first.status_code == 201
    again = create("k1")
    assert again.status_code == 201 and again.json()["sandbox_id"] == first.json()["sandbox_id"]
    assert create("k1", ttl_seconds=77).status_code == 409
    assert create("k2").json()["sandbox_id"] != first.json()["sandbox_id"]
    assert create("k" * 256).status_code == 400
    assert create("with space").status_code == 400
    assert one.total() == 2
    one.destroy(first.json()["sandbox_id"])
    ended = create("k1")
    assert ended.json()["sandbox_id"] == first.json()["sandbox_id"]
    assert ended.json()["status"] == "stopped"


def test_a_failed_create_can_be_repeated(own):
    one = own(MATRX_SANDBOX_IMAGE="matrx-no-such-image:latest").start()
    headers = {"Idempotency-Key": "k1"}
    for tries in range(2):
        answer = one.request("POST", "/sandboxes", json={"user_id": "u"}, headers=headers)
        assert answer.status_code == 503
        assert one.total() == tries + 1  # tried anew, and again without success


# --- Others on the same engine, and leaks ---

def test_containers_without_our_labels_are_never_looked_at(own):
    one = own(MATRX_HEALTHCHECK_INTERVAL_SECONDS="1", MATRX_LOG_LEVEL="DEBUG").start()
    foreign = docker("run", "-d", "--name", f"not-ours-{os.getpid()}", "matrx-sandbox:latest",
                     "sleep", "60")
    labelled = docker("run", "-d", "--label", f"matrx.installation={one.installation()}",
                      "--label", "matrx.sandbox_id=sbx-00000000abce", "matrx-sandbox:latest",
                      "sleep", "60")
    try:
        wait_for("the warning about the labelled one", lambda: labelled in one.log())
        time.sleep(2.5)
        assert one.log().count(labelled) == 1  # said once, not each round
        assert foreign not in one.log() and "not-ours" not in one.log()
        running = docker("ps", "-q", "--no-trunc")
        assert foreign in running and labelled in running
    finally:
        docker("rm", "-f", foreign, labelled)


def test_sixty_cycles_leak_nothing(own):
    one = own().start()

    def cycle(number):
        sandbox_id = one.create(user_id=f"user-{number}")["sandbox_id"]
        one.run(sandbox_id, "true")
        assert one.destroy(sandbox_id, "?graceful=false").status_code == 204

    def descriptors():
        return len(list(pathlib.Path(f"/proc/{one.process.pid}/fd").iterdir()))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(cycle, range(12)))
        before = descriptors(), one.memory_kb()
        list(pool.map(cycle, range(60)))
    after = descriptors(), one.memory_kb()
    print(f"descriptors {before[0]} → {after[0]}, memory {before[1]} → {after[1]} kB")
    assert after[0] <= before[0] + 8  # pooled connections come and go
    assert after[1] <= before[1] + 640
    assert one.containers() == []
    assert list((one.data / "data/sandboxes").iterdir()) == []
