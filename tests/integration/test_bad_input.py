"""What is wrong with a request is said, and nothing changes."""
import socket
import time

import pytest

from patience import patience

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("body", [
    b"{", b"[]", b'"text"', b"{}", b'{"user_id": 7}', b'{"user_id": "a/b"}', b'{"user_id": ".."}',
    b'{"user_id": "' + b"a" * 256 + b'"}', b'{"user_id": "u", "ttl_seconds": "long"}',
    b'{"user_id": "u", "ttl_seconds": 0}', b'{"user_id": "u", "config": 7}',
    b'{"user_id": "u", "labels": {"a": 1}}', b'{"user_id": "u", "template": "none-such"}',
    b'{"user_id": "u", "env": {"A B": "c"}}', b'{"user_id": "u\xff"}', b'{"user_id": "u"} x',
    b"[" * 10000,
])
def test_create_refuses(shared, body):
    before = shared.total()
    response = shared.request("POST", "/sandboxes", content=body)
    assert response.status_code == 422
    for problem in response.json()["detail"]:
        assert problem["loc"][0] == "body" and problem["msg"] and problem["type"]
    assert shared.total() == before


@pytest.mark.parametrize("body", [
    {}, {"command": ""}, {"command": "x" * 10001}, {"command": "a\0b"}, {"command": 5},
    {"command": "true", "timeout": 0}, {"command": "true", "timeout": 601},
    {"command": "true", "timeout": 1.5}, {"command": "true", "user": "a b"},
    {"command": "true", "cwd": ""}, {"command": "true", "env": {"1A": "x"}},
])
def test_exec_refuses(shared, box, body):
    response = shared.request("POST", f"/sandboxes/{box}/exec", json=body)
    assert response.status_code == 422 and isinstance(response.json()["detail"], list)


def test_all_problems_are_told_at_once(shared):
    response = shared.request("POST", "/sandboxes", json={"ttl_seconds": "x", "name": ""})
    assert {tuple(problem["loc"]) for problem in response.json()["detail"]} == {
        ("body", "user_id"), ("body", "ttl_seconds"), ("body", "name")}


def test_ten_thousand_characters_are_allowed(shared, box):
    command = ": " + "é" * 9998
    assert shared.run(box, command)["exit_code"] == 0


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "status=odd", "label=x",
                                   "user_id=a%2Fb"])
def test_list_refuses(shared, query):
    response = shared.request("GET", "/sandboxes?" + query)
    assert response.status_code == 422 and response.json()["detail"][0]["loc"][0] == "query"


def test_unknown_cursor(shared):
    assert shared.request("GET", "/sandboxes?cursor=nonsense").status_code == 400


def test_body_over_the_limit(shared):
    response = shared.request("POST", "/sandboxes", content=b"x" * (1024 * 1024 + 1))
    assert response.status_code == 413 and response.json()["code"] == "too_large"


def test_chunked_body(shared, box):
    response = shared.request("POST", f"/sandboxes/{box}/exec",
                              content=iter([b'{"comm', b'and": "echo ', b'hi"}']))
    assert response.json()["stdout"] == "hi\n"


def test_unknown_user_and_folder_inside(shared, box):
    user = shared.exec(box, "true", user="nobody-here")
    assert user.status_code == 400 and "nobody-here" in user.json()["detail"]
    folder = shared.exec(box, "true", cwd="/no/such")
    assert folder.status_code == 400 and "/no/such" in folder.json()["detail"]


def test_unknown_path_and_method(shared):
    assert shared.request("GET", "/nothing").status_code == 404
    response = shared.request("PUT", "/sandboxes")
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"POST", "GET", "HEAD"}


def test_half_a_request_is_closed_at_the_deadline(shared):
    with socket.create_connection(("127.0.0.1", shared.port)) as half:
        half.sendall(b"POST /sandboxes HTTP/1.1\r\nHost: x\r\nX-API-Key: ")
        half.settimeout(patience(30))
        begun = time.monotonic()
        assert half.recv(100) == b""
        assert time.monotonic() - begun > 5


def test_answers_carry_the_request_id(shared):
    given = shared.request("GET", "/health", headers={"X-Request-Id": "my-id-1"})
    assert given.headers["x-request-id"] == "my-id-1"
    strange = shared.request("GET", "/nothing", headers={"X-Request-Id": "a b\tc"})
    assert strange.headers["x-request-id"].startswith("req-")
    assert strange.json()["request_id"] == strange.headers["x-request-id"]


def test_missing_image_is_named(own):
    without = own(MATRX_SANDBOX_IMAGE="no-such-image:none").start()
    response = without.request("POST", "/sandboxes", json={"user_id": "u"})
    assert response.status_code == 503
    assert "no-such-image:none" in response.json()["detail"]
    assert "make image" in response.json()["detail"]
    assert without.containers() == []
    assert without.rows()[0]["status"] == "failed"


def test_docker_down(own):
    alone = own(DOCKER_HOST="unix:///tmp/matrx-no-such.sock").start()
    response = alone.request("POST", "/sandboxes", json={"user_id": "u"})
    assert response.status_code == 503 and response.headers["retry-after"]
    assert alone.total() == 0
    assert alone.request("GET", "/health", key=None).status_code == 200
    ready = alone.request("GET", "/health/ready", key=None)
    assert ready.status_code == 503 and ready.json() == {"status": "not_ready", "dependencies": []}
    ready = alone.request("GET", "/health/ready")
    assert ready.status_code == 503
    states = {one["name"]: one["status"] for one in ready.json()["dependencies"]}
    assert states == {"docker": "unavailable", "store": "ok", "storage": "ok"}
