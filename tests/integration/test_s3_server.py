"""The S3 server of the tests and the faults on the way to it: what the other tests rely on."""
import os
import threading
import time

import botocore.exceptions
import pytest
from orchestrator import wait_for
from rclone_tool import rclone

pytestmark = pytest.mark.integration

ONE_TRY = ("--retries", "1", "--low-level-retries", "1")


@pytest.fixture
def bucket(s3):
    return s3.new_bucket()


def code(error):
    return error.value.response["Error"]["Code"]


def test_keeps_what_it_is_given(s3, bucket):
    client = s3.client()
    body = os.urandom(3 << 20)
    key = "odd ü/ name+%41&?#\\.txt"
    client.put_object(Bucket=bucket, Key=key, Body=body, Metadata={"mtime": "1"})
    got = client.get_object(Bucket=bucket, Key=key)
    assert got["Body"].read() == body and got["Metadata"] == {"mtime": "1"}
    part = client.get_object(Bucket=bucket, Key=key, Range="bytes=1048570-1048579")
    assert part["Body"].read() == body[1048570:1048580]
    assert s3.keys(bucket) == {key: len(body)}
    client.delete_object(Bucket=bucket, Key=key)
    assert not s3.keys(bucket)


def test_checks_signatures(s3, bucket):
    client = s3.client()
    client._request_signer._credentials.secret_key = "wrong"
    with pytest.raises(botocore.exceptions.ClientError) as error:
        client.list_objects_v2(Bucket=bucket)
    assert code(error) == "SignatureDoesNotMatch"


def test_data_survive_its_death(s3, bucket):
    client = s3.client()
    client.put_object(Bucket=bucket, Key="a", Body=b"kept")
    s3.stop()
    try:
        with pytest.raises(botocore.exceptions.EndpointConnectionError):
            client.get_object(Bucket=bucket, Key="a")
    finally:
        s3.start()
    assert client.get_object(Bucket=bucket, Key="a")["Body"].read() == b"kept"
    assert s3.new_bucket()


def test_relay_passes_everything(s3, faults, bucket, tmp_path):
    """Signed for the relay's own name and port: the server accepts it only if nothing changes."""
    direct, relayed = s3.client(), s3.client(faults.url)
    body = os.urandom(9 << 20)
    relayed.put_object(Bucket=bucket, Key="a b", Body=body)
    assert direct.get_object(Bucket=bucket, Key="a b")["Body"].read() == body
    assert relayed.get_object(Bucket=bucket, Key="a b")["Body"].read() == body
    assert relayed.head_object(Bucket=bucket, Key="a b")["ContentLength"] == len(body)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        relayed.get_object(Bucket=bucket, Key="none")
    assert code(error) == "NoSuchKey"
    (tmp_path / "file").write_bytes(body)
    relayed.upload_file(str(tmp_path / "file"), bucket, "parts")  # multipart from 8 MB on
    assert direct.get_object(Bucket=bucket, Key="parts")["Body"].read() == body
    relayed.delete_object(Bucket=bucket, Key="a b")
    assert faults.counts["DELETE"] == 1 and faults.counts["HEAD"] == 1 and faults.failed == 0


def tree(folder, files=40, size=4096):
    folder.mkdir()
    for number in range(files):
        (folder / f"{number}").write_bytes(os.urandom(size))
    return folder


def same(one, other):
    return {p.name: p.read_bytes() for p in one.iterdir()} == \
        {p.name: p.read_bytes() for p in other.iterdir()}


def test_rclone_there_and_back(s3, faults, bucket, tmp_path):
    up = tree(tmp_path / "up")
    done = rclone(s3, "copy", up, f"s3:{bucket}/x", url=faults.url)
    assert done.returncode == 0, done.stderr
    assert faults.counts["PUT"] == 40
    done = rclone(s3, "copy", f"s3:{bucket}/x", tmp_path / "down", url=faults.url)
    assert done.returncode == 0 and same(up, tmp_path / "down")


@pytest.mark.parametrize("status, words", [(403, "AccessDenied"), (500, "InternalError"),
                                           (503, "SlowDown")])
def test_errors_of_the_server(s3, faults, bucket, tmp_path, status, words):
    """Every tenth upload fails: the whole fails, a second run brings the rest."""
    up = tree(tmp_path / "up")
    fault = faults.answer(status, method="PUT", path=f"{bucket}/x/", share=0.1)
    done = rclone(s3, "copy", up, f"s3:{bucket}/x", *ONE_TRY, url=faults.url)
    assert done.returncode != 0 and words in done.stderr
    assert 0 < fault.hits < 40 and len(s3.keys(bucket)) == 40 - fault.hits
    faults.heal()
    assert rclone(s3, "copy", up, f"s3:{bucket}/x", url=faults.url).returncode == 0
    assert len(s3.keys(bucket)) == 40


def test_cut_in_an_upload(s3, faults, bucket, tmp_path):
    up = tree(tmp_path / "up", files=1, size=5 << 20)
    fault = faults.cut_upload(1 << 20, method="PUT")
    done = rclone(s3, "copy", up, f"s3:{bucket}", *ONE_TRY, url=faults.url)
    assert done.returncode != 0 and fault.hits >= 1
    assert not s3.keys(bucket)
    faults.heal()
    lost = faults.cut_answer(method="PUT", times=1)
    done = rclone(s3, "copy", up, f"s3:{bucket}", url=faults.url)
    assert done.returncode == 0 and lost.hits == 1
    assert s3.keys(bucket) == {"0": 5 << 20}


def test_cut_in_a_download(s3, faults, bucket, tmp_path):
    body = os.urandom(5 << 20)
    s3.client().put_object(Bucket=bucket, Key="a", Body=body)
    fault = faults.cut_download(method="GET", path=f"{bucket}/a")
    done = rclone(s3, "copy", f"s3:{bucket}", tmp_path / "down", *ONE_TRY, url=faults.url)
    assert done.returncode != 0 and fault.hits >= 1
    assert not (tmp_path / "down/a").exists()
    faults.heal()
    assert rclone(s3, "copy", f"s3:{bucket}", tmp_path / "down", url=faults.url).returncode == 0
    assert (tmp_path / "down/a").read_bytes() == body


def test_delay_stall_and_refusal(s3, faults, bucket):
    client = s3.client(faults.url, read_timeout=0.5, connect_timeout=2)
    delay = faults.delay(0.2, method="GET", times=1)
    begin = time.monotonic()
    client.list_objects_v2(Bucket=bucket)
    assert time.monotonic() - begin >= 0.2 and delay.hits == 1

    faults.stall(method="GET")
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        client.list_objects_v2(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="others pass", Body=b"")
    faults.heal()
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 1

    faults.refuse()
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        client.list_objects_v2(Bucket=bucket)
    faults.heal()
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_relay_leaves_no_threads(s3, faults, bucket):
    before = threading.active_count()
    for _ in range(20):
        client = s3.client(faults.url)
        client.list_objects_v2(Bucket=bucket)
        client.close()
    wait_for("the relay's threads end", lambda: threading.active_count() <= before + 2)
