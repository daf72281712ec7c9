"""The OpenAPI document is true: each route answers its example as the document says, field by field."""
import io
import json
import tarfile

import jsonschema
import pytest
from inside import Files, raw
from orchestrator import KEY, wait_for
from streams import lines

pytestmark = pytest.mark.integration

BOX = "/sandboxes/{sandbox_id}"
# What the document cannot know: a query for what the test has made.
QUERIES = {
    ("get", BOX + "/files"): {"path": "~/notes.txt"},
    ("put", BOX + "/files"): {"path": "~/written"},
    ("delete", BOX + "/files"): {"path": "~/notes.txt"},
    ("get", BOX + "/files/list"): {"path": "~", "depth": 2},
    ("get", BOX + "/files/stat"): {"path": "~/notes.txt"},
    ("get", BOX + "/files/archive"): {"path": "~"},
    ("put", BOX + "/files/archive"): {"path": "~/unpacked"},
    ("get", BOX + "/files/watch"): {"path": "~"},
    ("get", "/users/{user_id}/storage/{tier}/content"): {"path": "kept.txt"},
}
ENDS_IT = {("delete", BOX), ("post", BOX + "/complete"), ("post", BOX + "/error"),
           ("post", BOX + "/pause"), ("post", BOX + "/resume")}


def document_of(one):
    return one.request("GET", "/openapi.json", key=None).json()


def check(document, schema, answer, where):
    """The answer keeps the schema, and has no field that the schema does not tell of."""
    resolved = {**schema, "components": document["components"]}
    jsonschema.Draft202012Validator(
        resolved, format_checker=jsonschema.FormatChecker()).validate(answer)
    unknown(document, schema, answer, where)


def unknown(document, schema, answer, where):
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if isinstance(answer, dict) and "properties" in schema:
        extra = set(answer) - set(schema["properties"])
        assert not extra, f"{where}: the document does not tell of {extra}"
        for name, value in answer.items():
            unknown(document, schema["properties"][name], value, f"{where}.{name}")
    if isinstance(answer, list) and "items" in schema:
        for value in answer:
            unknown(document, schema["items"], value, where + "[]")


class Stage:
    """What the routes need: a sandbox with files and processes, a port, a user with a saved home."""

    def __init__(self, one):
        self.one = one
        old = one.create(user_id="examples")["sandbox_id"]
        Files(one, old).write("kept.txt", b"kept")
        one.destroy(old)
        self.ended_id = old
        # A user of its own: what other tests leave in a home (a file that only root reads) would
        # break the archive off.
        self.sandbox_id = one.create(user_id="examples", labels={"a": "b"},
                                     config={"any": ["json"]},
                                     idle_timeout_seconds=3600)["sandbox_id"]
        one.run(self.sandbox_id, "nohup python3 -m http.server 8080 >/dev/null 2>&1 &")
        wait_for("a page", lambda: one.request(
            "GET", f"/sandboxes/{self.sandbox_id}/proxy/8080/").status_code == 200)

    def process(self, **fields):
        answer = self.one.request("POST", f"/sandboxes/{self.sandbox_id}/processes", json=fields)
        assert answer.status_code == 201, answer.text
        return answer.json()["process_id"]

    def url(self, method, path):
        sandbox_id = self.sandbox_id
        if path == BOX + "/home":
            sandbox_id = self.ended_id
        if (method, path) in ENDS_IT:
            sandbox_id = self.one.create()["sandbox_id"]
        if path == BOX + "/resume":
            self.one.request("POST", f"/sandboxes/{sandbox_id}/pause")
        secret = ""
        if "{secret}" in path:
            link = self.one.request("POST", f"/sandboxes/{sandbox_id}/links", json={"port": 8080})
            secret = link.json()["path"].split("/")[2]
        values = {"sandbox_id": sandbox_id, "user_id": "examples", "tier": "hot", "port": "8080",
                  "path": "", "secret": secret}
        if "{process_id}" in path:
            values["process_id"] = self.process(command="cat", tty="resize" in path,
                                                stdin="resize" not in path)
        if (method, path) == ("delete", "/users/{user_id}/storage"):
            values["user_id"] = "nobody"  # the other one is still read from
        Files(self.one, self.sandbox_id).write("notes.txt", b"notes\n")
        return path.format(**values)

    def body(self, operation, path):
        content = operation.get("requestBody", {}).get("content", {})
        if path == "/dashboard/session":
            return {"json": {"key": KEY}}
        if "application/json" in content:
            # What the example of a create has made is in the way of nobody.
            return {"json": content["application/json"]["example"]}
        if "application/x-tar" in content:
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode="w") as tar:
                tar.addfile(tarfile.TarInfo("one"))
            return {"content": out.getvalue()}
        return {"content": b"bytes"} if content else {}


@pytest.fixture(scope="module")
def stage(shared):
    return Stage(shared)


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def first_event(one, url, params, stage, method, body):
    with one.stream(method.upper(), url, params=params, timeout=30, **body) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        Files(one, stage.sandbox_id).write("noticed", b"")
        one.request("POST", f"/sandboxes/{stage.sandbox_id}/heartbeat")
        if url == "/events":
            one.destroy(one.create()["sandbox_id"], "?graceful=false")
        name = None
        for line in lines(response):
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: ") and name not in ("start",):
                return name, json.loads(line[6:])
    return None, None


def test_every_request_has_an_example(shared):
    for method, path, operation in operations(document_of(shared)):
        for type_, content in operation.get("requestBody", {}).get("content", {}).items():
            if type_ == "application/json":
                jsonschema.validate(content["example"], content["schema"])
                assert content["example"], (method, path)


def test_every_route_answers_its_example_as_documented(shared, stage):
    document = document_of(shared)
    asked = 0
    for method, path, operation in operations(document):
        where = f"{method.upper()} {path}"
        good = int(next(iter(operation["responses"])))
        content = operation["responses"][str(good)].get("content", {})
        url, params = stage.url(method, path), QUERIES.get((method, path), {})
        body = stage.body(operation, path)
        asked += 1
        if good == 101:
            line = raw(shared, f"GET {url} HTTP/1.1\nHost: x\nX-API-Key: {KEY}\nUpgrade: websocket\n"
                               "Connection: Upgrade\nSec-WebSocket-Version: 13\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n")
            assert line.recv(12) == b"HTTP/1.1 101", where
            line.close()
            continue
        if "text/event-stream" in content:
            name, event = first_event(shared, url, params, stage, method, body)
            schema = content["text/event-stream"]["schema"]
            assert name, where
            if "properties" in schema and name != "reset":
                check(document, schema, event, where)
            continue
        answer = shared.request(method.upper(), url, params=params, **body)
        assert answer.status_code == good, (where, answer.status_code, answer.text)
        if "application/json" in content:
            check(document, content["application/json"]["schema"], answer.json(), where)
        elif content:
            assert answer.headers["content-type"].split(";")[0] == next(iter(content)), where
    assert asked > 45


def test_every_refusal_is_an_error_as_documented(shared, stage):
    document = document_of(shared)
    error = {"$ref": "#/components/schemas/Error"}
    for method, path, operation in operations(document):
        if "security" in operation:
            continue
        where = f"{method.upper()} {path}"
        unknown_one = path.format(sandbox_id="sbx-000000000000", process_id="prc-000000000000",
                                  user_id="nobody", tier="hot", port="1", path="")
        stranger = shared.request(method.upper(), unknown_one, key=None)
        assert stranger.status_code == 401 and "401" in operation["responses"], where
        check(document, error, stranger.json(), where)
        if "sandbox_id" not in path:
            continue
        params = QUERIES.get((method, path), {})
        missing = shared.request(method.upper(), unknown_one, params=params,
                                 **stage.body(operation, path))
        assert missing.status_code in (404, 426), (where, missing.text)
        assert str(missing.status_code) in operation["responses"], where
        check(document, error, missing.json(), where)
        if "application/json" in operation.get("requestBody", {}).get("content", {}):
            wrong = shared.request(method.upper(), unknown_one, content=b"[")
            assert wrong.status_code == 422 and "422" in operation["responses"], where
            check(document, error, wrong.json(), where)
