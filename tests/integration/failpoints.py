"""The orchestrator is killed at every single step that changes the registry or the world, and started again: they come
to agree. Now and then the container engine is restarted meanwhile, which ends all containers."""
import signal
import subprocess

import httpx
from orchestrator import build_dir, wait_for
from patience import patience
from test_crash import agree

SETTINGS = {"MATRX_SHUTDOWN_TIMEOUT_SECONDS": "3"}
PROGRAM = build_dir() / "bin/matrx-orchestrator-failpoints"


def create(one, **fields):
    return one.request("POST", "/sandboxes", json={"user_id": "user-1", **fields}).json()


class Scenario:
    """What happens in the life that is killed, and what there was before."""
    reconciles = False

    def prepare(self, one):
        pass

    def act(self, one):
        pass


class Create(Scenario):
    def act(self, one):
        create(one)


class Destroy(Scenario):
    graceful = "true"

    def prepare(self, one):
        self.sandbox_id = create(one)["sandbox_id"]

    def act(self, one):
        one.destroy(self.sandbox_id, f"?graceful={self.graceful}")


class DestroyAtOnce(Destroy):
    graceful = "false"


class Expire(Scenario):
    def prepare(self, one):
        self.sandbox_id = create(one, ttl_seconds=1)["sandbox_id"]

    def act(self, one):
        wait_for("the expiry", lambda: one.row(self.sandbox_id)["status"] == "expired")


class Reconcile(Scenario):
    """The container ended while nobody looked."""
    reconciles = True

    def prepare(self, one):
        self.container_id = create(one)["container_id"]

    def between(self, one):
        one.docker("kill", self.container_id)

    def act(self, one):
        wait_for("agreement", lambda: agree(one))


def live(one, scenario, **failpoint):
    """One life with the scenario in it; answers whether it was killed by its failpoint."""
    one.start()
    scenario.prepare(one)
    assert one.stop() == 0
    if scenario.reconciles:
        scenario.between(one)
    begin = one.launch(**failpoint)
    try:
        one.port = wait_for("a port", lambda: one.process.poll() is None and one.port_in_log(begin)
                            or one.process.poll() is not None and -1)
        if one.port != -1:
            scenario.act(one)
    except (httpx.HTTPError, KeyError, ValueError, AssertionError):
        if one.process.poll() is None and not failpoint.get("MATRX_FAILPOINT"):
            raise
    if "MATRX_FAILPOINT" not in failpoint:
        return one.stop() != 0
    try:
        return one.process.wait(patience(5)) == -signal.SIGKILL
    except subprocess.TimeoutExpired:
        one.stop()
        return False


TRIES = 4
SCENARIOS = [Create, Destroy, DestroyAtOnce, Expire, Reconcile]


def kill_at_every_step(one, engine, scenario, restart_each):
    """Lets the scenario pass once to learn its steps, then kills the orchestrator at each of them; the engine is
    restarted after every so many of these kills."""
    points_file = one.data / "points"
    assert not live(one, scenario(), MATRX_FAILPOINT_LOG=str(points_file))
    points = points_file.read_text().split()
    assert len(points) >= 4, points
    for number, point in enumerate(points, 1):
        # An end that is asked for and one that is noticed may meet at the engine, or not.
        assert any(live(one, scenario(), MATRX_FAILPOINT=point) for _ in range(TRIES)), f"{point} was not passed again"
        if number % restart_each == 0:
            engine.restart()
        one.start()
        wait_for(f"agreement after a kill at {point}", lambda: agree(one))
        assert one.stop() == 0
    print(f"{scenario.__name__}: killed at {len(points)} steps")
