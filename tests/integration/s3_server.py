"""An S3 server that a test may hurt: Ceph's gateway in a container, empty at the start.

As a program it runs a command with such a server: tools/with-s3.sh.
"""
import os
import secrets
import signal
import socket
import subprocess
import sys

from patience import patience

IMAGE = os.environ.get("MATRX_TEST_S3_IMAGE", "matrx-test-s3:latest")
REGION = "us-east-1"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class S3:
    """Its data lives as long as this object, also while the gateway is stopped."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.access_key = "TEST" + secrets.token_hex(8).upper()
        self.secret_key = secrets.token_urlsafe(30)
        self.buckets = 0
        values = {"ACCESS_KEY": self.access_key, "SECRET_KEY": self.secret_key,
                  "PORT": str(self.port), "MONITOR_PORT": str(free_port())}
        # In the host's network, on loopback only: a published port would go through a relay of
        # the engine's that accepts connections also while the gateway is dead.
        # The container ends with its standard input, hence with this process, however that ends.
        self.process = subprocess.Popen(
            ["docker", "run", "--rm", "-i", "--network", "host", "--log-driver", "none",
             *[word for name in values for word in ("-e", name)], IMAGE],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **values}, start_new_session=True)
        self.expect("ready")

    def expect(self, word):
        line = self.process.stdout.readline().strip()
        assert line == word, (f"the S3 server said '{line}' instead of '{word}': "
                              f"is its image there (tools/build-s3-image.sh)?")

    def command(self, word, answer):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        self.expect(answer)

    def stop(self):
        """Like kill -9 of the server: connections are reset, new ones refused; the data stays."""
        self.command("kill", "killed")

    def start(self):
        self.command("start", "ready")

    def client(self, url=None, **config):
        """A client that is not ours."""
        import boto3
        from botocore.config import Config
        path_style = {"addressing_style": "path"}
        return boto3.client(
            "s3", endpoint_url=url or self.url, region_name=REGION,
            aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key,
            config=Config(s3=path_style, retries={"total_max_attempts": 1}, **config))

    def new_bucket(self):
        self.buckets += 1
        name = f"matrx-test-{self.buckets}"
        self.client().create_bucket(Bucket=name)
        return name

    def keys(self, bucket, prefix=""):
        """Every object's size by its key."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket,
                                                                        Prefix=prefix)
        return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}

    def read_all(self, bucket, prefix):
        """Every object's content by what its key has behind the prefix."""
        client = self.client()
        return {key.removeprefix(prefix): client.get_object(Bucket=bucket, Key=key)["Body"].read()
                for key in self.keys(bucket, prefix)}

    def settings(self, bucket=None, url=None):
        """What an orchestrator needs to know; with a new bucket where none is named."""
        return {"MATRX_S3_BUCKET": bucket or self.new_bucket(), "MATRX_S3_REGION": REGION,
                "AWS_ENDPOINT_URL_S3": url or self.url, "AWS_ACCESS_KEY_ID": self.access_key,
                "AWS_SECRET_ACCESS_KEY": self.secret_key}

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(patience(30))
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def main(command):
    # On either signal the server has to be closed first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    server = S3()
    try:
        settings = {"MATRX_TEST_S3_ENDPOINT": server.url,
                    "MATRX_TEST_S3_BUCKET": server.new_bucket(),
                    "AWS_ACCESS_KEY_ID": server.access_key,
                    "AWS_SECRET_ACCESS_KEY": server.secret_key}
        try:
            status = subprocess.run(command, env={**os.environ, **settings}, check=False).returncode
        except KeyboardInterrupt:
            status = 130
        except OSError as error:
            print(f"matrx: {command[0]}: {error.strerror}", file=sys.stderr)
            status = 127
        return status if status >= 0 else 128 - status
    finally:
        server.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
