"""The real rclone, set up by its environment alone."""
import os
import subprocess


def environment(s3, url=None):
    """A remote named "s3". Names no file, so no secret is in one, nor on a command line."""
    base = {k: v for k, v in os.environ.items()
            # rclone 1.60 stops at AWS_CA_BUNDLE; the rest of AWS_ would be taken for its own.
            if not k.startswith(("AWS_", "RCLONE_"))}
    return {**base, "RCLONE_CONFIG": "/dev/null", "RCLONE_CONFIG_S3_TYPE": "s3",
            "RCLONE_CONFIG_S3_PROVIDER": "Other", "RCLONE_CONFIG_S3_ENDPOINT": url or s3.url,
            "RCLONE_CONFIG_S3_REGION": "us-east-1", "RCLONE_CONFIG_S3_ENV_AUTH": "false",
            "RCLONE_CONFIG_S3_ACCESS_KEY_ID": s3.access_key,
            "RCLONE_CONFIG_S3_SECRET_ACCESS_KEY": s3.secret_key,
            "RCLONE_CONFIG_S3_NO_CHECK_BUCKET": "true",
            # Names with control characters: XML cannot hold them as they are.
            "RCLONE_CONFIG_S3_LIST_URL_ENCODE": "true", "RCLONE_CONFIG_S3_LIST_VERSION": "2"}


def rclone(s3, *arguments, url=None, timeout=60, **more):
    """Runs it; what it said is in stdout and stderr, whether it worked in returncode."""
    return subprocess.run(["rclone", *map(str, arguments)], env={**environment(s3, url), **more},
                          capture_output=True, text=True, errors="backslashreplace",
                          timeout=timeout, check=False)
