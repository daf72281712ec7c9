"""matrx_agent inside real sandboxes: no key there, whether or not the orchestrator has one."""
import pytest
from orchestrator import KEY, wait_for

pytestmark = pytest.mark.integration
READ = "import matrx_agent as m; i = m.info(); print(i.sandbox_id, i.user_id, i.hot_path, i.cold_path)"


def python(orchestrator, sandbox_id, code):
    return orchestrator.run(sandbox_id, f"python3 - <<'END'\n{code}\nEND")


@pytest.mark.parametrize("key", [KEY, ""], ids=["with a key", "without a key"])
def test_signals_of_the_package_arrive(own, key):
    one = own(MATRX_API_KEY=key or None).start()
    first = one.create(user_id="sdk-user")["sandbox_id"]
    assert python(one, first, READ)["stdout"].split() == [first, "sdk-user", "/home/agent",
                                                          "/data/cold"]
    assert not one.row(first).get("last_heartbeat_at")
    beat = python(one, first, "import matrx_agent as m; print(m.SandboxClient().heartbeat())")
    assert beat["stdout"] == f"{{'acknowledged': True, 'sandbox_id': '{first}'}}\n", beat["stderr"]
    assert one.row(first)["last_heartbeat_at"]
    environment = one.run(first, "env")["stdout"]
    assert not key or key not in environment

    # What is asked for ends the asker: whether its own answer still comes is not promised.
    one.exec(first, "python3 -c 'import matrx_agent as m; m.SandboxClient().complete({\"n\": 42})'")
    wait_for("completed", lambda: one.row(first)["status"] == "stopped")
    assert one.row(first)["stop_reason"] == "graceful_shutdown"

    second = one.create(user_id="sdk-user")["sandbox_id"]
    one.exec(second, "python3 -c 'import asyncio, matrx_agent as m;"
                     " asyncio.run(m.AsyncSandboxClient().error(\"no licence\", {\"a\": 1}))'")
    wait_for("failed", lambda: one.row(second)["status"] in ("stopped", "failed"))
    assert one.row(second)["stop_reason"] == "error"


def test_it_speaks_for_its_own_sandbox_only(shared, box):
    code = ("import dataclasses, matrx_agent as m\n"
            "i = dataclasses.replace(m.info(), sandbox_id='sbx-000000000000')\n"
            "try: m.SandboxClient(i).complete()\n"
            "except m.SignalRefused as e: print(e.status)")
    assert python(shared, box, code)["stdout"] == "403\n"
    assert shared.row(box)["status"] == "running"


AGENT = "/opt/matrx/matrx-agent"


def test_signals_of_the_commands_arrive(shared):
    one = shared
    first = one.create()["sandbox_id"]
    assert not one.row(first).get("last_heartbeat_at")
    beat = one.run(first, f"{AGENT} heartbeat")
    assert beat["exit_code"] == 0 and first in beat["stdout"], beat
    assert one.row(first)["last_heartbeat_at"]
    for wrong in ("complete words", "error", "heartbeat now", "serve-me"):
        told = one.run(first, f"{AGENT} {wrong}")
        assert told["exit_code"] == 2 and told["stderr"].startswith("matrx-agent: "), told
    other = one.run(first, f"SANDBOX_ID=sbx-000000000000 {AGENT} complete")
    assert other["exit_code"] == 3 and "only for itself" in other["stderr"], other
    assert one.row(first)["status"] == "running"
    one.exec(first, f"{AGENT} complete '{{\"n\": 42}}'")
    wait_for("completed", lambda: one.row(first)["status"] == "stopped")
    assert one.row(first)["stop_reason"] == "graceful_shutdown"

    second = one.create()["sandbox_id"]
    one.exec(second, f"{AGENT} error 'no licence' '{{\"a\": 1}}'")
    wait_for("failed", lambda: one.row(second)["status"] in ("stopped", "failed"))
    assert one.row(second)["stop_reason"] == "error"
    events = one.request("GET", f"/sandboxes/{second}/events").json()["events"]
    assert any("no licence" in (event["detail"] or "") for event in events if "detail" in event)
