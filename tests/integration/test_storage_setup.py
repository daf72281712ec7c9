"""A bucket that cannot be used stops the start, with one line that names what to correct; one that is away is waited
for."""
import shutil

import pytest
from orchestrator import wait_for
from test_postgres import refused, waits

pytestmark = pytest.mark.integration

WRONG = {
    "a name that is none": ({"MATRX_S3_BUCKET": "Not_A_Bucket"}, ["MATRX_S3_BUCKET"]),
    "a bucket that is missing": ({"MATRX_S3_BUCKET": "no-such-bucket"},
                                 ["MATRX_S3_BUCKET", "does not exist"]),
    "a wrong secret": ({"AWS_SECRET_ACCESS_KEY": "wrong-4711"}, ["AWS_SECRET_ACCESS_KEY"]),
    "an unknown key": ({"AWS_ACCESS_KEY_ID": "UNKNOWN4711"}, ["AWS_ACCESS_KEY_ID"]),
    "no credentials": ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
                        "AWS_EC2_METADATA_DISABLED": "true"}, ["AWS_ACCESS_KEY_ID"]),
    "an endpoint that is none": ({"AWS_ENDPOINT_URL_S3": "no url"}, ["AWS_ENDPOINT_URL_S3"]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_set_up_is_told(own, s3, wrong):
    settings, words = WRONG[wrong]
    one = own(**{**s3.settings(), **settings})
    line = refused(one)
    assert all(word in line for word in words), line
    for secret in (s3.access_key, s3.secret_key, "4711"):
        assert secret not in line + (one.log() if one.log_path.exists() else "")


def test_a_key_that_may_nothing(own, s3, faults):
    faults.answer(403)
    line = refused(own(**s3.settings(url=faults.url)))
    assert "MATRX_S3_BUCKET" in line and "s3:ListBucket" in line


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://no-such-host.invalid"])
def test_a_store_that_is_away_is_waited_for(own, s3, url):
    one = own(**s3.settings(url=url)).launch_and_listen()
    assert "AWS_ENDPOINT_URL_S3" in waits(one, "storage")
    assert one.stop() == 0


def test_a_start_waits_for_the_store(own, s3, faults):
    faults.answer(503)
    one = own(**s3.settings(url=faults.url)).launch_and_listen()
    assert "AWS_ENDPOINT_URL_S3" in waits(one, "storage")
    assert one.request("POST", "/sandboxes", json={"user_id": "user-1"}).status_code == 503
    faults.heal()
    wait_for("ready", lambda: one.request("GET", "/health/ready").status_code == 200)
    assert one.destroy(one.create()["sandbox_id"]).status_code == 204


def test_a_host_without_rclone(own, s3, tmp_path):
    for name in ("docker", "sh", "true"):  # and nothing else
        if found := shutil.which(name):
            (tmp_path / name).symlink_to(found)
    line = refused(own(**s3.settings(), PATH=str(tmp_path)))
    assert "rclone" in line and "apt-get install rclone" in line


def test_no_bucket_needs_no_rclone(own, tmp_path):
    one = own(PATH=str(tmp_path)).start()
    assert one.request("GET", "/health").status_code == 200
