#!/usr/bin/env bash
# Runs a command with an S3 server of its own, which is gone afterwards:
#   tools/with-s3.sh COMMAND…
# The command finds it in MATRX_TEST_S3_ENDPOINT, with an empty bucket MATRX_TEST_S3_BUCKET; AWS_ACCESS_KEY_ID and
# AWS_SECRET_ACCESS_KEY are made up for this run. Region us-east-1, path style, loopback only.
source "$(dirname "$0")/lib.sh"

[ $# -gt 0 ] || fail "name the command to run with an S3 server: tools/with-s3.sh COMMAND…"
docker_answers || fail "no Docker engine answers: run 'make setup', which installs and starts one."
# Its answer is not the command's.
tools/build-s3-image.sh >&2
# Debian's python3 by its path: it is the one that has Debian's modules.
exec /usr/bin/python3 tests/integration/s3_server.py "$@"
