"""What the storage has of a user, over the API, with no sandbox running."""
import re

import httpx
import pytest
from test_homes import kept  # noqa: F401

pytestmark = pytest.mark.integration


def filled(one):
    first = one.create()["sandbox_id"]
    one.run(first, "mkdir -p folder/inner hollow; echo text >folder/file; printf 0123456789 >ten; "
                   "ln -s ten link; chmod 600 ten; printf x >$'odd\\nname'; "
                   "head -c 9000000 /dev/urandom >large; sha256sum large >large.sum")
    one.destroy(first)
    return first


def test_browse_and_read(kept):  # noqa: F811
    one = kept()
    filled(one)
    usage = one.request("GET", "/users/user-1/storage").json()
    assert usage["hot"]["total_objects"] == 5 and usage["hot"]["total_size_bytes"] > 9_000_000
    assert usage["cold"] == {"total_size_bytes": 0, "total_objects": 0}
    top = one.request("GET", "/users/user-1/storage/hot/files").json()
    assert [(entry["name"], entry["type"]) for entry in top["entries"]] == [
        ("folder", "folder"), ("hollow", "folder"), ("large", "file"), ("large.sum", "file"),
        ("link", "link"), ("odd\nname", "file"), ("ten", "file")]
    ten = top["entries"][-1]
    assert (ten["size"], ten["mode"]) == (10, "0600") and top["entries"][4]["target"] == "ten"
    inner = one.request("GET", "/users/user-1/storage/hot/files?path=/folder/").json()
    assert [entry["path"] for entry in inner["entries"]] == ["folder/file", "folder/inner"]
    content = "/users/user-1/storage/hot/content"
    assert one.request("GET", content, params={"path": "folder/file"}).content == b"text\n"
    assert one.request("GET", content, params={"path": "odd\nname"}).content == b"x"
    large = one.request("GET", content, params={"path": "large"})
    assert len(large.content) == 9_000_000 and large.headers["content-length"] == "9000000"
    assert large.headers["x-content-type-options"] == "nosniff"
    for path in ("files?path=none", "content?path=none", "content?path=folder"):
        assert one.request("GET", "/users/user-1/storage/hot/" + path).status_code == 404
    assert one.request("GET", "/users/user-2/storage/hot/files").json()["entries"] == []


@pytest.mark.parametrize("path", [
    "../user-2/hot/secret", "..%2Fuser-2%2Fhot%2Fsecret", "%2e%2e/user-2/hot/secret",
    "a/../../user-2/hot/secret", "/../../user-2/hot/secret", "%252e%252e/user-2", "a//b", ".", "..",
    "a%00b", "..%5cuser-2", "folder/../../.matrx/manifest.json", "../.matrx/manifest.json"])
def test_no_path_leads_out(shared, path):
    for what in ("files", "content"):
        answer = httpx.get(shared.url(f"/users/user-1/storage/hot/{what}?path={path}"),
                           headers={"X-API-Key": "test-key-4711"})
        assert answer.status_code in (400, 404), answer.text
        assert "secret" not in answer.text or "cannot be one" in answer.text


@pytest.mark.parametrize("user", ["..", "%2e%2e", "a%2fb", "a%00", ".", "x" * 256])
def test_no_user_leads_out(shared, user):
    raw = httpx.Request("GET", shared.url("/")).url
    answer = httpx.get(str(raw).rstrip("/") + f"/users/{user}/storage",
                       headers={"X-API-Key": "test-key-4711"})
    assert answer.status_code == 404


def test_delete(kept):  # noqa: F811
    one = kept()
    filled(one)
    running = one.create()["sandbox_id"]
    refused = one.request("DELETE", "/users/user-1/storage")
    assert refused.status_code == 409 and running in refused.json()["detail"]
    one.destroy(running)
    assert one.request("DELETE", "/users/user-1/storage?tier=warm").status_code == 422
    assert one.request("DELETE", "/users/user-1/storage?tier=cold").json() == {"deleted": 0}
    assert one.request("DELETE", "/users/user-1/storage?tier=hot").json() == {"deleted": 5}
    assert one.request("DELETE", "/users/user-1/storage").json() == {"deleted": 0}
    after = one.create()["sandbox_id"]
    assert one.run(after, "ls -A")["stdout"] == ""


def test_metrics_count_syncs(own):
    one = own().start()
    filled(one)
    text = one.request("GET", "/metrics").text
    values = dict(re.findall(r"^(matrx_\S+) (\S+)$", text, re.MULTILINE))
    assert values['matrx_home_syncs_total{direction="up",outcome="success"}'] == "1"
    assert values['matrx_home_syncs_total{direction="down",outcome="success"}'] == "1"
    assert int(values['matrx_home_sync_bytes_total{direction="up"}']) > 9_000_000
    assert values["matrx_active_sandboxes"] == "0" and values["matrx_unsaved_homes"] == "0"
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) \S+ .+|matrx_\w+(\{[^}]*\})? [0-9.e+-]+", line), line
    assert httpx.get(one.url("/metrics")).status_code == 401
