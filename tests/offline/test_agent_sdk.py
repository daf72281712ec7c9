"""sdk/python/matrx_agent against a server that fails as it is told."""
import asyncio
import http.server
import json
import os
import subprocess
import sys
import threading
import time

import pytest
from conftest import ROOT

import matrx_agent
from matrx_agent import (AsyncSandboxClient, Retries, SandboxClient, SandboxError, SandboxInfo,
                         SignalFailed, SignalRefused)

ID = "sbx-0123456789ab"
GOOD = {"SANDBOX_ID": ID, "USER_ID": "me"}
QUICK = Retries(first_pause_seconds=0.001, pause_seconds_max=0.002, timeout_seconds=5)
DROP = "drop the connection"


class Server:
    """Answers with each of `plan` in turn, the last one for ever: a status, (status, body) or DROP."""

    def __init__(self):
        self.plan, self.seen = [200], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.seen.append((self.path, json.loads(body), dict(self.headers)))
                step = outer.plan.pop(0) if len(outer.plan) > 1 else outer.plan[0]
                if step == DROP:
                    self.connection.close()
                    return
                status, text, headers = (*step, {})[:3] if isinstance(step, tuple) else (step, "{}", {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

            def finish(self):
                try:
                    super().finish()
                except OSError:
                    pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server():
    one = Server()
    yield one
    one.close()


class Blocking:
    """Both clients through one set of tests."""

    def __init__(self, info, retries):
        self.client = SandboxClient(info, retries)

    def call(self, name, *arguments):
        return getattr(self.client, name)(*arguments)


class Awaited(Blocking):
    def __init__(self, info, retries):
        self.client = AsyncSandboxClient(info, retries)

    def call(self, name, *arguments):
        return asyncio.run(getattr(self.client, name)(*arguments))


@pytest.fixture(params=[Blocking, Awaited])
def client(request, server):
    return request.param(SandboxInfo(ID, "me", orchestrator_url=server.url), QUICK)


def test_signals_go_to_their_paths_with_their_fields_and_no_key(client, server):
    server.plan = [(200, '{"acknowledged": true}')]
    assert client.call("heartbeat") == {"acknowledged": True}
    client.call("complete", {"answer": 42})
    client.call("complete")
    client.call("error", "no licence", {"host": 1})
    assert [(path, body) for path, body, _ in server.seen] == [
        (f"/sandboxes/{ID}/heartbeat", {}),
        (f"/sandboxes/{ID}/complete", {"result": {"answer": 42}}),
        (f"/sandboxes/{ID}/complete", {"result": {}}),
        (f"/sandboxes/{ID}/error", {"error": "no licence", "details": {"host": 1}})]
    for _, _, headers in server.seen:
        assert not {"x-api-key", "authorization"} & {name.lower() for name in headers}


@pytest.mark.parametrize("failure", [DROP, 408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(client, server, failure):
    server.plan = [failure, failure, (200, '{"status": "shutting_down"}')]
    assert client.call("complete") == {"status": "shutting_down"}
    assert len(server.seen) == 3


def test_after_the_last_try_the_reason_is_told(client, server):
    server.plan = [(503, '{"detail": "The orchestrator does not answer; try again."}')]
    with pytest.raises(SignalFailed, match="4 tries.*503: The orchestrator does not answer"):
        client.call("heartbeat")
    assert len(server.seen) == QUICK.tries


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 410, 413, 422])
def test_a_refusal_is_not_repeated(client, server, status):
    server.plan = [(status, '{"detail": "no"}')]
    with pytest.raises(SignalRefused) as refused:
        client.call("complete")
    assert (refused.value.status, refused.value.detail, len(server.seen)) == (status, "no", 1)


def test_a_lost_answer_of_complete_is_no_failure(client, server):
    server.plan = [DROP, (410, '{"detail": "It has ended."}')]
    assert client.call("complete") == {"status": "shutting_down", "sandbox_id": ID}
    server.plan = [DROP, (410, '{"detail": "It has ended."}')]
    with pytest.raises(SignalRefused):
        client.call("heartbeat")


def test_answers_that_are_no_json_are_survived(client, server):
    server.plan = [(200, "<html>")]
    assert client.call("heartbeat") == {}
    server.plan = [(400, "<html>")]
    with pytest.raises(SignalRefused, match="<html>"):
        client.call("heartbeat")


@pytest.mark.parametrize("value", [object(), float("nan"), "x" * 70_000])
def test_what_cannot_be_sent_is_said_before_it_is_tried(client, server, value):
    with pytest.raises(SandboxError):
        client.call("complete", value)
    assert not server.seen


def test_nobody_there_is_a_failure_with_its_reason(server):
    server.close()
    client = SandboxClient(SandboxInfo(ID, "me", orchestrator_url=server.url), QUICK)
    with pytest.raises(SignalFailed, match="Refused"):
        client.heartbeat()


def test_pauses_double_up_to_a_limit_and_differ():
    retries = Retries(first_pause_seconds=1, pause_seconds_max=8)
    for failed, full in ((1, 1), (2, 2), (3, 4), (4, 8), (9, 8)):
        pauses = [retries.pause_seconds(failed) for _ in range(200)]
        assert full / 2 <= min(pauses) and max(pauses) <= full
        assert len(set(pauses)) > 100
    assert retries.pause_seconds(1, 5) == 5
    assert retries.pause_seconds(1, 1000) == 8


def test_retry_after_is_heeded(client, server, monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    object.__setattr__(client.client, "retries", Retries(first_pause_seconds=0.5))
    server.plan = [(429, "{}", {"Retry-After": "3"}), (503, "{}", {"Retry-After": "soon"}), 200]
    client.call("heartbeat")
    assert slept[0] == 3 and 0.5 <= slept[1] <= 1


def test_the_environment_is_read_once(monkeypatch):
    matrx_agent.info.cache_clear()
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    for name in ("HOT_PATH", "COLD_PATH", "ORCHESTRATOR_URL"):
        monkeypatch.delenv(name, raising=False)
    first = matrx_agent.info()
    assert first == SandboxInfo(ID, "me", "/home/agent", "/data/cold", "http://127.0.0.1:49980")
    monkeypatch.setenv("SANDBOX_ID", "sbx-ffffffffffff")
    assert matrx_agent.info() is first
    assert SandboxClient().info is first
    matrx_agent.info.cache_clear()


@pytest.mark.parametrize("name, value", [
    ("SANDBOX_ID", ""), ("SANDBOX_ID", "sbx-0123456789AB"), ("SANDBOX_ID", ID + "\n"),
    ("SANDBOX_ID", "../" + ID), ("USER_ID", ""), ("USER_ID", ".."), ("USER_ID", "a/b"),
    ("USER_ID", "x" * 256), ("HOT_PATH", "home"), ("COLD_PATH", "cold"),
    ("ORCHESTRATOR_URL", "ftp://x"), ("ORCHESTRATOR_URL", "127.0.0.1:49980"),
    ("ORCHESTRATOR_URL", "http://"), ("ORCHESTRATOR_URL", "http://x:99999")])
def test_a_wrong_environment_is_named(name, value):
    with pytest.raises(SandboxError, match=name):
        SandboxInfo.from_environment({**GOOD, name: value})


def test_it_needs_only_the_standard_library_and_is_quick_to_import():
    script = ("import sys; sys.path.insert(0, sys.argv[1]); import matrx_agent;"
              "print([m for m in sys.modules if m.split('.')[0] not in sys.stdlib_module_names"
              " and m.split('.')[0] not in ('matrx_agent', '__main__')])")
    done = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", script, str(ROOT / "sdk/python")],
                          capture_output=True, text=True, check=True, env=dict(os.environ))
    assert done.stdout == "[]\n"
