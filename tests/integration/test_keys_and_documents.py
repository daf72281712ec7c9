"""Keys, settings, documents."""
import json
import pathlib
import signal
import subprocess

import pytest
from orchestrator import KEY, docker, wait_for
from patience import patience

pytestmark = pytest.mark.integration
ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_keys(shared):
    assert shared.request("GET", "/sandboxes", key=None).status_code == 401
    assert shared.request("GET", "/sandboxes", key="wrong").status_code == 403
    assert shared.request("GET", "/sandboxes").status_code == 200
    bearer = {"Authorization": "Bearer " + KEY}
    assert shared.request("GET", "/sandboxes", key=None, headers=bearer).status_code == 200
    wrong = {"Authorization": "Bearer wrong"}
    assert shared.request("GET", "/sandboxes", key=None, headers=wrong).status_code == 403
    for path in ("/", "/health", "/health/ready", "/docs", "/openapi.json"):
        assert shared.request("GET", path, key=None).status_code == 200
    assert shared.request("GET", "/nothing", key=None).status_code == 401


def test_key_is_nowhere(shared, box):
    container = shared.row(box)["container_id"]
    assert KEY not in shared.log()
    assert KEY not in docker("inspect", container)
    assert KEY not in shared.run(box, "env; cat /proc/*/environ 2>/dev/null", user="root")["stdout"]


def test_several_keys_and_a_header_of_ones_own(own):
    one = own(MATRX_API_KEY="the-old-one-4711, the-new-one-4711", MATRX_API_KEY_HEADER="X-Matrx").start()
    for key in ("the-old-one-4711", "the-new-one-4711"):
        assert one.request("GET", "/sandboxes", key=None,
                           headers={"X-Matrx": key}).status_code == 200
    assert one.request("GET", "/sandboxes", key="the-old-one-4711").status_code == 401


def test_no_key_is_warned_of_and_no_name_leads_here(own):
    one = own(MATRX_API_KEY=None).start()
    assert one.request("GET", "/sandboxes", key=None).status_code == 200
    assert "MATRX_API_KEY is not set" in one.log()
    rebound = {"Host": f"evil.example:{one.port}", "Origin": f"http://evil.example:{one.port}"}
    for method, path in (("DELETE", "/users/me/storage"), ("GET", "/sandboxes"), ("GET", "/health")):
        assert one.request(method, path, key=None, headers=rebound).status_code == 403
    # There is no file to read again: that is said, and nothing ends.
    one.process.send_signal(signal.SIGHUP)
    wait_for("a word about it", lambda: "MATRX_SETTINGS_FILE names no file" in one.log())
    assert one.request("GET", "/health", key=None).status_code == 200


def test_a_hang_up_reads_keys_again(own, tmp_path):
    settings, second = tmp_path / "orchestrator.env", "a-second-key-4711"
    settings.write_text(f"# ours\nMATRX_API_KEY={KEY}\n")
    one = own(MATRX_API_KEY=None, MATRX_SETTINGS_FILE=str(settings)).start()
    assert one.request("GET", "/sandboxes").status_code == 200
    settings.write_text(f"MATRX_API_KEY='{second}'\nMATRX_PORT=1\n")
    one.process.send_signal(signal.SIGHUP)
    wait_for("the second key", lambda: one.request("GET", "/sandboxes", key=second).status_code == 200)
    assert one.request("GET", "/sandboxes").status_code == 403
    settings.write_text("MATRX_API_KEY=\n")
    one.process.send_signal(signal.SIGHUP)
    wait_for("a word about it", lambda: "settings are as before" in one.log())
    assert one.request("GET", "/sandboxes", key=second).status_code == 200
    assert '"change_with_the_next_start":"MATRX_PORT"' in one.log() and second not in one.log()


def test_openapi_has_the_fixed_routes(shared):
    document = shared.request("GET", "/openapi.json").json()
    wanted = {("get", "/"), ("get", "/health"), ("post", "/sandboxes"), ("get", "/sandboxes")}
    one = "/sandboxes/{sandbox_id}"
    wanted |= {("get", one), ("delete", one)}
    wanted |= {("post", f"{one}/{last}") for last in ("exec", "heartbeat", "complete", "error")}
    have = {(method, path) for path, item in document["paths"].items() for method in item}
    assert wanted <= have
    text = json.dumps(document)
    for reference in set(part.split('"')[0] for part in text.split('"$ref": "')[1:]):
        target = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def test_every_request_is_logged(shared):
    shared.request("GET", "/nothing", headers={"X-Request-Id": "find-me"})
    shared.request("GET", "/health")
    lines = [json.loads(line) for line in shared.log().splitlines() if "find-me" in line]
    line = next(line for line in lines if line["message"] == "request")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/nothing", 404)
    assert line["duration_ms"] >= 0


def run(one, *arguments, **settings):
    return subprocess.run(one.command(*arguments), env={**one.environment(), **settings},
                          capture_output=True, text=True, timeout=patience(20), check=False)


def test_help_and_example(shared):
    text = run(shared, "--help").stdout
    for name in shared.settings:
        assert name in text
    assert run(shared, "--print-env-example").stdout == (ROOT / ".env.example").read_text()
    assert run(shared, "--nonsense").returncode == 2


@pytest.mark.parametrize("keys", [" ", " , ", "too-short"])
def test_a_list_without_a_good_key_stops_the_start(own, keys):
    done = run(own(), MATRX_API_KEY=keys, MATRX_HOST="0.0.0.0")
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
    assert "MATRX_API_KEY" in done.stderr and "too-short" not in done.stderr


@pytest.mark.parametrize("name, value", [
    ("MATRX_PORT", "70000"), ("MATRX_LOG_LEVEL", "LOUD"), ("MATRX_SANDBOX_STORE", "paper"),
    ("MATRX_CONTAINER_MEMORY_LIMIT", "much"), ("MATRX_DATA_DIR", "relative"),
    ("DOCKER_HOST", "ftp://x"), ("MATRX_HOST", "nowhere"), ("MATRX_SETTINGS_FILE", "/no/such/file"),
])
def test_wrong_settings_stop_the_start(own, name, value):
    done = run(own(), **{name: value})
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert (name if name != "MATRX_HOST" else "nowhere") in done.stderr and value in done.stderr
