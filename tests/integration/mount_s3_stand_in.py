#!/usr/bin/python3
"""Stands in for mount-s3, which Debian does not have: takes the same arguments, refuses others, and
serves the mount by rclone without a cache: a file is sent while it is written, and never changed.

MOUNT_S3_CALLS names a file that gets a line for each call.
"""
import argparse
import json
import os
import sys

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("bucket")
parser.add_argument("point")
for name in ("--prefix", "--region", "--endpoint-url", "--cache"):
    parser.add_argument(name, required=True)
for name in ("--uid", "--gid", "--max-cache-size", "--metadata-ttl"):
    parser.add_argument(name, type=int, required=True)
for name in ("--foreground", "--no-log", "--allow-other", "--allow-delete", "--allow-overwrite",
             "--force-path-style"):
    parser.add_argument(name, action="store_true", required=True)
options = parser.parse_args()
assert options.prefix.endswith("/") and os.path.isdir(options.cache)

with open(os.environ["MOUNT_S3_CALLS"], "a") as calls:
    calls.write(json.dumps({
        "pid": os.getpid(), "arguments": sys.argv[1:], "options": vars(options),
        "has_credentials": "AWS_SECRET_ACCESS_KEY" in os.environ,
        "our_settings": [name for name in os.environ if name.startswith("MATRX_")]}) + "\n")

environment = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
environment |= {"RCLONE_CONFIG": "/dev/null", "RCLONE_S3_PROVIDER": "Other",
                "RCLONE_S3_ENV_AUTH": "true", "RCLONE_S3_ENDPOINT": options.endpoint_url,
                "RCLONE_S3_REGION": options.region, "RCLONE_S3_FORCE_PATH_STYLE": "true",
                "RCLONE_S3_NO_CHECK_BUCKET": "true"}
os.execvpe("rclone", [
    "rclone", "mount", f":s3:{options.bucket}/{options.prefix}", options.point, "--allow-other",
    "--default-permissions", "--uid", str(options.uid), "--gid", str(options.gid), "--umask", "022",
    "--vfs-cache-mode", "off", "--dir-cache-time", f"{options.metadata_ttl}s", "--attr-timeout",
    "1s", "--use-server-modtime"], environment)
