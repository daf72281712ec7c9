"""What the storage has of a user, over the API, with no sandbox running."""
import re
from urllib.parse import unquote

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


def test_only_what_is_asked_for_is_listed(own, s3, faults):
    one = own(**s3.settings(url=faults.url)).start()
    first = one.create()["sandbox_id"]
    one.run(first, "mkdir -p folder/deep other; echo text >folder/file; echo x >folder/deep/x; "
                   "for n in $(seq 50); do echo $n >other/$n; done")
    one.destroy(first)

    def asked(what, **params):
        faults.requests.clear()
        answer = one.request("GET", f"/users/user-1/storage/hot/{what}", params=params)
        assert answer.status_code == 200, answer.text
        return answer, [unquote(line) for line in faults.requests if "prefix=" in line]

    answer, lists = asked("files", path="folder")
    assert [entry["name"] for entry in answer.json()["entries"]] == ["deep", "file"]
    assert lists and all("prefix=users/user-1/hot/folder/" in line and "delimiter=/" in line
                         for line in lists), lists
    answer, lists = asked("content", path="folder/file")
    assert answer.content == b"text\n" and lists == []
    _, lists = asked("files")
    assert lists and all("delimiter=/" in line for line in lists), lists


def test_a_large_folder_comes_in_pages(kept):  # noqa: F811
    one = kept()
    first = one.create()["sandbox_id"]
    one.run(first, "mkdir many; cd many; for n in $(seq -w 40); do echo $n >$n; done; mkdir 20x; "
                   "ln -s 01 00; printf x >$'odd\nname'; printf y >$'bytes-\\xff'")
    one.destroy(first)
    names, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        answer = one.request("GET", "/users/user-1/storage/hot/files", params={
            "path": "many", "limit": 10, **({"cursor": cursor} if cursor else {})}).json()
        assert answer["truncated"] == bool(answer.get("next_cursor"))
        names += [entry["name"] for entry in answer["entries"]]
        cursor, pages = answer.get("next_cursor"), pages + 1
    wanted = [f"{n:02}" for n in range(41)] + ["20x", "bytes-\ufffd", "odd\nname"]
    assert names == sorted(wanted) and pages == 5
    for query in ("limit=0", "limit=10001", "limit=x"):
        assert one.request("GET", f"/users/user-1/storage/hot/files?{query}").status_code == 422
    for cursor in ("%2F", "Li4vLi4", "***", "A"):
        assert one.request("GET", f"/users/user-1/storage/hot/files?cursor={cursor}"
                           ).status_code == 400


@pytest.fixture(scope="module")
def neighbours(shared):
    """Two users, of whom one has a secret; both have homes, and so manifests."""
    for user, command in (("user-1", "mkdir -p folder a; echo mine >a/file"),
                          ("user-2", "echo top-secret-4711 >secret")):
        sandbox_id = shared.create(user_id=user)["sandbox_id"]
        shared.run(sandbox_id, command)
        shared.destroy(sandbox_id)
    assert b"4711" in shared.request(
        "GET", "/users/user-2/storage/hot/content?path=secret").content
    return shared


@pytest.mark.parametrize("path", [
    "../user-2/hot/secret", "..%2Fuser-2%2Fhot%2Fsecret", "%2e%2e/user-2/hot/secret",
    "a/../../user-2/hot/secret", "/../../user-2/hot/secret", "%252e%252e/user-2", "a//b", ".", "..",
    "a%00b", "..%5cuser-2", "folder/../../.matrx/manifest.json", "../.matrx/manifest.json"])
def test_no_path_leads_out(neighbours, path):
    for what in ("files", "content"):
        answer = httpx.get(neighbours.url(f"/users/user-1/storage/hot/{what}?path={path}"),
                           headers={"X-API-Key": "test-key-4711"})
        assert answer.status_code in (400, 404), answer.text
        assert "4711" not in answer.text and "nodes" not in answer.text


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
